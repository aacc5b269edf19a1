"""Variables of MATLAB's files: versions 5 to 7, and 7.3, which is HDF5 inside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from vibe.errors import missing_extra

LARGEST = 1 << 31
"""Bytes that the variables of one file may take."""


def read_matlab(path: Path, names: Sequence[str]) -> dict[str, ndarray]:
    """The named variables, with their axes in MATLAB's order; a cell array is an array of objects, which are arrays.

    Raises FileNotFoundError if there is no such file, and ValueError, which names it, if it is cut off or damaged,
    lacks a variable or has larger ones than any set's.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: get it from the set's owner, or check the folder")
    try:
        found = _from_hdf5(path, names) if _is_hdf5(path) else _from_v5(path, names)
    except ImportError:
        raise
    # What the two readers raise on damaged files is any kind: zlib's error, TypeError, KeyError, RuntimeError ...
    except Exception as error:
        raise ValueError(
            f"{path} is no MATLAB file, or cut off or damaged ({type(error).__name__}: {error}): copy it again"
        ) from error
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"{path} has no variable {' and '.join(missing)}: it is cut off, or another file than expected"
        )
    return found


def _is_hdf5(path: Path) -> bool:
    """MATLAB writes its own header of 512 bytes in front."""
    with path.open("rb") as file:
        start = file.read(520)
    return b"\x89HDF\r\n\x1a\n" in (start[:8], start[512:520])


def _from_v5(path: Path, names: Sequence[str]) -> dict[str, ndarray]:
    from scipy import io

    sizes = [math.prod(shape) for name, shape, _ in io.whosmat(path, appendmat=False) if name in names]
    _check_size(8 * sum(sizes))
    return {
        name: value
        for name, value in io.loadmat(path, appendmat=False, variable_names=list(names)).items()
        if name in names
    }


def _from_hdf5(path: Path, names: Sequence[str]) -> dict[str, ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise missing_extra("a MATLAB 7.3 file", "h5py", "data") from error

    left = LARGEST

    def value(dataset: Any) -> ndarray:
        nonlocal left
        if dataset.is_virtual or dataset.external or dataset.file != file:
            raise ValueError(f"{dataset.name} lies in another file, which MATLAB never does: nothing of it was read")
        left -= dataset.size * dataset.dtype.itemsize
        _check_size(LARGEST - left)
        array = dataset[()]
        if h5py.check_ref_dtype(dataset.dtype) is None:
            return np.asarray(array).T
        cells = np.empty(array.shape, object)
        for place in np.ndindex(array.shape):
            cells[place] = value(file[array[place]])
        return cells.T

    with h5py.File(path, "r") as file:
        return {name: value(file[name]) for name in names if name in file}


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise ValueError(f"its variables take {size >> 20} MB, at most {LARGEST >> 20} are read")
