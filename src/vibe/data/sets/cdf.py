"""Variables of files in NASA's Common Data Format, in which Human3.6M keeps its positions."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy import ndarray

LARGEST = 1 << 29
"""Bytes that a file and its variable may have."""


def read_cdf(path: Path, name: str) -> ndarray:
    """One variable's numbers, record after record.

    Raises FileNotFoundError if there is no such file, and ValueError, which names it, if it is cut off or damaged or
    lacks the variable.
    """
    try:
        import cdflib
    except ImportError as error:
        raise ImportError("CDF files need cdflib: install it with `pip install vibe[data]`") from error

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: get it from the set's owner, or check the folder")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 20} MB")
        file = cdflib.CDF(path)
        about = file.varinq(name)
        if (about.Last_Rec + 1) * math.prod(about.Dim_Sizes) * 8 > LARGEST:
            raise ValueError(f"its variable takes more than {LARGEST >> 20} MB")
        return np.asarray(file.varget(name))
    # What the reader raises on damaged files is any kind: struct's error, UnicodeDecodeError, IndexError ...
    except Exception as error:
        raise ValueError(
            f"{path} is no CDF file with {name}, or cut off or damaged ({type(error).__name__}: {error}): copy it again"
        ) from error
