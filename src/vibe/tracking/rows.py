"""Where the frames of people go that no later frame asks for: a file that only grows."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import SpooledTemporaryFile, gettempdir
from typing import IO

import numpy as np
from numpy import ndarray as Array

from vibe.tracking.tracklets import Block, Piece

ROW = np.dtype([("frame", "<i4"), ("time", "<f8"), ("keypoints_px", "<f4", (17, 3)), ("region", "<f4", 4)])
IN_MEMORY = 1 << 24
"""Bytes that are kept in memory where no file is given."""
AT_ONCE = 1 << 16
"""Rows that are read or checked at once."""


class Rows:
    """Rows of people's frames, in a file or, with none, in memory and beyond `IN_MEMORY` on the disk."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises OSError, as all that writes does."""
        self._file: IO[bytes] = path.open("w+b") if path else SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 closed below
        self._path, self.count = path, 0
        self.crc = 0
        """Of all rows, to tell a file that is damaged."""

    def append(self, rows: Array) -> Block:
        """Write rows behind the others; returns where they are."""
        content = rows.tobytes()
        try:
            self._file.seek(self.count * ROW.itemsize)
            self._file.write(content)
            self._file.flush()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path or gettempdir())) from error
        block = self.count, len(rows)
        self.count, self.crc = self.count + len(rows), zlib.crc32(content, self.crc)
        return block

    def take_over(self, path: Path, count: int, crc: int) -> None:
        """Write the first rows of another file behind none; raises ValueError if they are not as they were."""
        assert self.count == 0
        with path.open("rb") as file:
            while self.count < count:
                content = file.read(min(count - self.count, AT_ONCE) * ROW.itemsize)
                if not content or len(content) % ROW.itemsize:
                    raise ValueError(f"{path} is shorter than it was")
                self.append(np.frombuffer(content, ROW))
        if self.crc != crc:
            raise ValueError(f"{path} is not as it was")

    def piece(self, blocks: Sequence[Block]) -> Piece:
        """The rows of one person, without looks."""
        count = sum(number for _, number in blocks)
        found = Piece(
            np.empty(count, np.int64), np.empty(count), np.empty((count, 17, 3), np.float32),
            np.empty((count, 4), np.float32),
        )  # fmt: skip
        arrays, done = (found.frames, found.times, found.keypoints_px, found.region), 0
        for first, number in _parts(blocks):
            self._file.seek(first * ROW.itemsize)
            rows = np.frombuffer(self._file.read(number * ROW.itemsize), ROW)
            for values, name in zip(arrays, ROW.names or (), strict=True):
                values[done : done + number] = rows[name]
            done += number
        return found

    def close(self) -> None:
        """Close the file; without a path, it is gone."""
        self._file.close()


def _parts(blocks: Sequence[Block]) -> Iterable[Block]:
    """Blocks of `AT_ONCE` rows at most."""
    for first, number in blocks:
        for start in range(first, first + number, AT_ONCE):
            yield start, min(AT_ONCE, first + number - start)


def with_block(blocks: Sequence[Block], new: Block) -> tuple[Block, ...]:
    """The blocks and one more, joined to the last where it follows it."""
    if blocks and sum(blocks[-1]) == new[0]:
        return *blocks[:-1], (blocks[-1][0], blocks[-1][1] + new[1])
    return *blocks, new
