"""Variables of MATLAB's files: versions 5 to 7, and 7.3, which is HDF5 inside."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from vibe.assets.archives import RATIO, SLACK
from vibe.errors import damaged, needs_extra

MOST_CELLS = 1000
"""Cells of a variable; those of the sets have one for each of 14 cameras."""
MATRIX, PACKED, CELLS = 14, 15, 1
"""Kinds of data: a variable, and what is packed; and the class of a variable of cells."""
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""How numbers are stored, by their kind."""
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
"""What they are, by the class of their variable; whole numbers of any class are stored in as few bytes as they need."""


def read_matlab(path: Path, names: Sequence[str]) -> dict[str, ndarray]:
    """The named variables of numbers, their axes in MATLAB's order; a cell array is an array of objects, such numbers.

    Raises FileNotFoundError if there is no such file, and ValueError, which names it, if it is cut off or damaged,
    lacks a variable or would unpack to more than any set's.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: get it from the set's owner, or check the folder")
    with path.open("rb") as file:
        start = file.read(520)  # in front of HDF5, MATLAB writes its own header of 512 bytes
    is_hdf5 = b"\x89HDF\r\n\x1a\n" in (start[:8], start[512:520])
    # What h5py raises on damaged files is any kind: TypeError, KeyError, RuntimeError ...
    with damaged(f"{path} is no MATLAB file, or cut off or damaged", "copy it again", Exception):
        found = (_from_hdf5 if is_hdf5 else _from_v5)(path, names)
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(
            f"{path} has no variable {' and '.join(missing)}: it is cut off, or another file than expected"
        )
    return found


def _from_v5(path: Path, names: Sequence[str]) -> dict[str, ndarray]:
    content = path.read_bytes()
    order = {b"IM": "<", b"MI": ">"}[content[126:128]]
    left, found = SLACK + RATIO * len(content), {}
    for kind, data in _elements(memoryview(content)[128:], order):
        if kind == PACKED:
            unpacking = zlib.decompressobj()
            data = memoryview(unpacking.decompress(data, left))
            left -= len(data)
            if unpacking.unconsumed_tail or left <= 0:
                raise ValueError("it unpacks to more than any file of its size")
            kind, data = next(_elements(data, order))
        if kind == MATRIX:
            name = next((part for _, part in islice(_elements(data, order), 2, None)), b"")
            if (name := bytes(name).decode("latin-1")) in names:
                found[name] = _variable(data, order, cells=True)
    return found


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Kinds and contents of what lies one after the other; raises ValueError where it is cut off or too many."""
    at, count = 0, 0
    while at < len(data):
        if (count := count + 1) > MOST_CELLS + 3:
            raise ValueError(f"it has more than {MOST_CELLS} variables or cells")
        kind, size = np.frombuffer(data[at : at + 8], f"{order}u4").tolist()
        small = kind >> 16  # the size, of what has so few bytes that it stands in the tag
        start = at + (4 if small else 8)
        kind, size = (kind & 0xFFFF, small) if small else (kind, size)
        if size > (4 if small else len(data) - start):
            raise ValueError(f"it is cut off: {size} bytes are announced, and {len(data) - start} left")
        yield kind, data[start : start + size]
        at = at + 8 if small else start + size + (-size % 8 if kind != PACKED else 0)


def _variable(data: memoryview, order: str, cells: bool) -> ndarray:
    """The numbers of a variable, or its cells if it may have some; raises ValueError for others."""
    if not len(data):
        return np.zeros((0, 0))
    (_, flags), (_, sizes), _, *values = _elements(data, order)
    flag = int(np.frombuffer(flags[:4], f"{order}u4")[0])
    shape = np.frombuffer(sizes, f"{order}i4").tolist()
    if flag & 255 == CELLS and cells and len(values) == math.prod(shape):
        found = np.empty(len(values), object)
        for place, (_, value) in enumerate(values):
            found[place] = _variable(value, order, cells=False)
        return found.reshape(shape, order="F")
    if flag & 255 not in CLASSES or flag >> 11 & 1 or len(values) != 1:
        raise ValueError("a variable is none of plain real numbers")
    kind, content = values[0]
    numbers = np.frombuffer(content, order + STORED[kind]).reshape(shape, order="F")
    return numbers.astype(CLASSES[flag & 255])


def _from_hdf5(path: Path, names: Sequence[str]) -> dict[str, ndarray]:
    with needs_extra("a MATLAB 7.3 file", "h5py", "data"):
        import h5py

    left = SLACK + RATIO * path.stat().st_size

    def value(dataset: Any, cells: bool) -> ndarray:
        nonlocal left
        if dataset.is_virtual or dataset.external or dataset.file != file:
            raise ValueError(f"{dataset.name} lies in another file, which MATLAB never does: nothing of it was read")
        left -= dataset.size * dataset.dtype.itemsize
        if left < 0:
            raise ValueError("it unpacks to more than any file of its size")
        if h5py.check_ref_dtype(dataset.dtype) is None:
            return np.asarray(dataset[()]).T
        if not cells or dataset.size > MOST_CELLS:
            raise ValueError(f"{dataset.name} has {dataset.size} cells, or is one")
        references = dataset[()]
        found = np.empty(references.shape, object)
        for place in np.ndindex(references.shape):
            found[place] = value(file[references[place]], cells=False)
        return found.T

    with h5py.File(path, "r") as file:
        return {name: value(file[name], cells=True) for name in names if name in file}
