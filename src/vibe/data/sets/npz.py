"""Plain arrays of NumPy's .npz files that come from anywhere."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray

LARGEST = 1 << 30
"""Bytes of an array."""


def read_npz(path: Path, names: Sequence[str]) -> dict[str, ndarray]:
    """Those of the named arrays that a file has; raises OSError, or ValueError for what is no plain array."""
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path} is no .npz file, or cut off: copy it again")
    try:
        with np.load(path, allow_pickle=False) as file:
            held = [name for name in names if name in file.files]
            for name in held:
                size = file.zip.getinfo(f"{name}.npy").file_size
                if size > LARGEST:
                    raise ValueError(f"{name} has {size >> 20} MB, and {LARGEST >> 20} are read at most")
            return {name: file[name] for name in held}
    # What NumPy raises on damaged files is any kind: zlib's error, tokenize's, EOFError, OverflowError ...
    except Exception as error:
        raise ValueError(
            f"{path} can't be read as plain arrays ({error}): nothing is unpickled; copy it again, or save its arrays "
            "as numbers"
        ) from error
