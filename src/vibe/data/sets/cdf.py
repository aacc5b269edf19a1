"""Variables of files in NASA's Common Data Format, in which Human3.6M keeps its positions."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np
from numpy import ndarray

from vibe.errors import missing_extra

LARGEST = 1 << 26
"""Bytes that a file and its variable may have, packed or not; those of the set have less than 5 MB."""
MOST = 1000
"""Variables of a file, dimensions, and pieces of a variable with their lists; the set's files have a few of each."""
WIDTHS = {"cdf30001": (8, 256), "cdf26002": (4, 64)}
"""How a file begins: the bytes of a place in it, and of a variable's name."""
FLOATS = (21, 22, 44, 45)
LISTED, VARIABLE, PACKED = 6, 8, 13
"""Kinds of records: pieces of a variable, a variable with its own dimensions, a packed piece."""


def read_cdf(path: Path, name: str) -> ndarray:
    """One variable's numbers, record after record.

    Raises FileNotFoundError if there is no such file, and ValueError, which names it, if it is cut off or damaged or
    lacks the variable.
    """
    try:
        import cdflib
    except ImportError as error:
        raise missing_extra("a CDF file", "cdflib", "data") from error

    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: get it from the set's owner, or check the folder")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it has more than {LARGEST >> 20} MB")
        _Claims(path.read_bytes()).check()
        file = cdflib.CDF(path)
        about = file.varinq(name)
        if about.Data_Type not in FLOATS or about.Num_Elements != 1 or about.Sparse != "No_sparse":
            raise ValueError("its variable is not of plain floats")
        if min(about.Dim_Sizes, default=1) < 1 or (about.Last_Rec + 1) * math.prod(about.Dim_Sizes) * 8 > LARGEST:
            raise ValueError(f"its variable has no size, or takes more than {LARGEST >> 20} MB")
        return np.asarray(file.varget(name))
    # What the reader raises on damaged files is any kind: struct's error, UnicodeDecodeError, IndexError ...
    except Exception as error:
        raise ValueError(
            f"{path} is no CDF file with {name}, or cut off or damaged ({type(error).__name__}: {error}): copy it again"
        ) from error


class _Claims:
    """The counts of a file, to which cdflib counts, be it for hours: each is looked at before."""

    def __init__(self, content: bytes) -> None:
        if content[:4].hex() not in WIDTHS:
            raise ValueError("it does not begin as one")
        self._wide, self._named = WIDTHS[content[:4].hex()]
        if content[4:8] != b"\0\0\xff\xff":
            end = 8 + int.from_bytes(content[8 : 8 + self._wide], "big")
            content = content[:8] + _unpacked(content[16 + 3 * self._wide : end])
        self._content = content

    def check(self) -> None:
        """Raises ValueError for what a file can't hold."""
        wide = self._wide
        if wide == 4 and self._number(24, 4) < 5:
            raise ValueError("it is older than version 2.5")
        about = 8 + self._place(8)
        counts = about + 5 * wide + 4
        self._count(counts + 12)
        for first, several in ((about + wide + 4, counts), (about + 2 * wide + 4, counts + 16)):
            next_place = first
            for _ in range(self._count(several)):
                variable = self._place(next_place)
                self._check_variable(variable)
                next_place = variable + wide + 4

    def _check_variable(self, place: int) -> None:
        """Its dimensions and the pieces that it consists of."""
        wide = self._wide
        if self._number(place + wide, 4) == VARIABLE:
            self._count(place + 5 * wide + 44 + self._named)
        if self._number(place + 2 * wide + 8, 4) < 0:
            return
        lists, size, seen = [self._place(place + 2 * wide + 12)], 0, 0
        while lists:
            place = lists.pop()
            there, used = self._count(place + 2 * wide + 4), self._count(place + 2 * wide + 8)
            seen += 1 + used
            for each in range(used):
                start = self._place(place + 2 * wide + 12 + 8 * there + wide * each)
                if self._number(start + wide, 4) == LISTED:
                    lists.append(start)
                else:
                    size += self._size(start)
                if size > LARGEST:
                    raise ValueError(f"its variable takes more than {LARGEST >> 20} MB")
            if following := self._place(place + wide + 4):
                lists.append(following)
            if seen + len(lists) > MOST:
                raise ValueError(f"its variable has more than {MOST} pieces")

    def _size(self, place: int) -> int:
        """Bytes of a piece, and of what was packed in it."""
        wide, size = self._wide, self._place(place)
        if not wide < size <= len(self._content) - place:
            raise ValueError(f"it claims a piece of {size} bytes")
        if self._number(place + wide, 4) != PACKED:
            return size
        packed = place + 2 * wide + 8
        return size + len(_unpacked(self._content[packed : packed + self._place(place + wide + 8)]))

    def _count(self, place: int) -> int:
        if not 0 <= (claimed := self._number(place, 4)) <= MOST:
            raise ValueError(f"it claims {claimed} of what it can have {MOST} of")
        return claimed

    def _place(self, place: int) -> int:
        return self._number(place, self._wide)

    def _number(self, place: int, size: int) -> int:
        if not 0 <= place <= len(self._content) - size:
            raise ValueError(f"it points to byte {place} of {len(self._content)}")
        return int.from_bytes(self._content[place : place + size], "big", signed=True)


def _unpacked(packed: bytes) -> bytes:
    """What gzip packed; raises ValueError if it is too much."""
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 32)
    content = unpacking.decompress(packed, LARGEST)
    if unpacking.unconsumed_tail:
        raise ValueError(f"it unpacks to more than {LARGEST >> 20} MB")
    return content
