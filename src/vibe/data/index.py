"""The index of a store: Parquet, one row for each frame and beside it what is said of its recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

INDEX = "index.parquet"
K_COLUMNS = tuple(f"K_px_{row}{column}" for row in range(3) for column in range(3))
"""The nine numbers of the intrinsic matrix; null where it is not known."""
SAID = ("subject", "split", "fps", "source", "step", "gender")
"""What a row says of its recording, beside `number` (from 0) and `sequence` (its name)."""
CHUNK = 200_000
"""Rows written at a time."""


@dataclass(frozen=True)
class SequenceRows:
    """What the index says of one recording; its rows are those from `start` to before `stop`."""

    name: str
    subject: str
    split: str
    fps: float
    source: str
    step: int
    gender: str
    K_px: Float[ndarray, "3 3"] | None
    start: int
    stop: int

    @property
    def rows(self) -> slice:
        """Where the recording lies in every column."""
        return slice(self.start, self.stop)


def write_index(path: Path, recordings: Iterable[Mapping[str, Any]]) -> None:
    """Write the index of recordings; each has `name`, `frames`, `images` (or none), `K_px` and all of `SAID`."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    words, number, real = arrow.dictionary(arrow.int32(), arrow.string()), arrow.int32(), arrow.float64()
    kinds = {"number": number, "sequence": words, "frame": arrow.int64(), "image": arrow.string()}
    kinds |= {"subject": words, "split": words, "fps": real, "source": words, "step": number, "gender": words}
    schema = arrow.schema(list((kinds | dict.fromkeys(K_COLUMNS, real)).items()))
    with parquet.ParquetWriter(path, schema) as writer:
        cells: dict[str, list[Any]] = {name: [] for name in schema.names}
        for place, line in enumerate(recordings):
            count = len(line["frames"])
            same = {name: line[name] for name in SAID} | {"number": place, "sequence": line["name"]}
            same |= dict(zip(K_COLUMNS, line["K_px"] or [None] * 9, strict=True))
            for name, value in same.items():
                cells[name] += [value] * count
            cells["frame"] += line["frames"]
            cells["image"] += line["images"] or [""] * count
            if len(cells["frame"]) >= CHUNK:
                writer.write_table(arrow.table(cells, schema))
                cells = {name: [] for name in schema.names}
        writer.write_table(arrow.table(cells, schema))


def read_index(path: Path, rows: int) -> tuple[tuple[SequenceRows, ...], Int[ndarray, "{rows}"]]:
    """The recordings, and each row's frame; raises ValueError if the file is no index of so many rows."""
    table = _read(path, ["number", "sequence", "frame", *SAID, *K_COLUMNS])
    if len(table) != rows:
        raise ValueError(f"{path} has {len(table)} rows, the manifest says {rows}: prepare the set again")
    starts = np.flatnonzero(np.diff(table["number"].to_numpy(), prepend=-1))
    stops = np.append(starts[1:], rows)
    found = []
    said = table.select(["sequence", *SAID, *K_COLUMNS]).take(starts).to_pylist()
    for line, start, stop in zip(said, starts, stops, strict=True):
        K_px = [line.pop(name) for name in K_COLUMNS]
        known = None if None in K_px else np.array(K_px).reshape(3, 3)
        found.append(SequenceRows(line.pop("sequence"), **line, K_px=known, start=int(start), stop=int(stop)))
    return tuple(found), table["frame"].to_numpy()


def read_names(path: Path) -> set[str]:
    """The names of the recordings."""
    return set(_read(path, ["sequence"])["sequence"].unique().to_pylist())


def read_images(path: Path, rows: slice) -> list[str]:
    """The image file of each of these rows."""
    return _read(path, ["image"])["image"].slice(rows.start, rows.stop - rows.start).to_pylist()


def _read(path: Path, names: Sequence[str]) -> Any:
    """Columns of the index as an Arrow table."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        return parquet.read_table(path, columns=list(names)).select(list(names))
    except (arrow.ArrowException, OSError, KeyError) as error:
        raise ValueError(f"{path} is no index of a store ({error}): prepare the set again") from error
