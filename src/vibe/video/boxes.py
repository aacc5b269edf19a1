"""The boxes of MP4 and QuickTime files that FFmpeg does not show, walked within bounds."""

from __future__ import annotations

import struct
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import IO

MOST_BOXES = 10_000
"""That are looked at in one walk."""


@dataclass(frozen=True)
class Box:
    """One box of a file."""

    kind: bytes
    holder: bytes
    """Kind of the box around it; empty at the top."""
    start: int
    """Place of its content in the file ..."""
    stop: int
    """... and of the first byte behind it."""


def walk_boxes(
    file: IO[bytes], start: int, stop: int, holding: Container[bytes], most: int = MOST_BOXES
) -> Iterator[Box]:
    """The boxes in a part of a file, and those in boxes of the kinds that are `holding` others.

    Raises OSError, and struct.error where the file ends too early. A box that claims to be larger than the one around
    it ends with that one.
    """
    waiting, seen = [(b"", start, stop)], 0
    while waiting:
        holder, at, end = waiting.pop()
        while at + 8 <= end and (seen := seen + 1) <= most:
            file.seek(at)
            size, kind = struct.unpack(">I4s", file.read(8))
            inside = at + 8
            if size == 1:
                (size,), inside = struct.unpack(">Q", file.read(8)), at + 16
            at = end if size == 0 else min(max(at + size, inside), end)
            box = Box(kind, holder, inside, at)
            if kind in holding:
                waiting.append((kind, box.start, box.stop))
            yield box
