"""Motions as tables in pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.errors import missing_extra

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("person", "frame", "time_s", "joint", "x_m", "y_m", "z_m", "confidence")
"""Of a table of people."""


def tidy(
    frames: Int[ndarray, "time"],
    times: Float[ndarray, "time"],
    names: Sequence[str],
    values: Float[ndarray, "time joint *axis"],
    columns: Sequence[str],
    about: Mapping[str, str],
) -> DataFrame:
    """A row for each frame and joint: frame, time_s, joint, and a column for each axis; ImportError without pandas."""
    joints = len(names)
    numbers = values.reshape(len(frames) * joints, len(columns))
    table = _pandas().DataFrame(
        {
            "frame": np.repeat(frames, joints),
            "time_s": np.repeat(times, joints),
            "joint": list(names) * len(frames),
            **{column: numbers[:, place] for place, column in enumerate(columns)},
        }
    )
    table.attrs.update(about)
    return table


def together(tables: Sequence[DataFrame]) -> DataFrame:
    """Tables of people 1, 2, ... as one, with a column for their number; ImportError without pandas."""
    if not tables:
        return _pandas().DataFrame(columns=list(COLUMNS))
    for number, table in enumerate(tables, start=1):
        table.insert(0, "person", number)
    return _pandas().concat(tables, ignore_index=True)


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise missing_extra("a table", "pandas", "pandas") from error
    return pandas
