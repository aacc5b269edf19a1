"""The time of each frame from its time stamp, and places from which another process can read on."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

RESTART_BEFORE, RESTART_AFTER = 1.0, 600.0
"""Seconds back and forth: a larger jump of the time stamps means that they began anew."""
JOINED = "the time stamps began anew on the way: they were joined"


class Clock:
    """Turns a file's time stamps into increasing seconds; what it repairs it counts in `notes`."""

    def __init__(self, fps: float, notes: dict[str, int]):
        self._step = 1 / fps
        self._notes = notes
        self.start: float | None = None
        """Second 0 on the file's own clock, once that is known."""
        self.last = -1.0
        """The time given last; below 0 before the first."""

    def time(self, stamp: float | None) -> float:
        """Seconds from the first frame."""
        if self.last < 0:
            self.last, self.start = 0.0, stamp
            return 0.0
        if stamp is None:
            return self._repaired("a frame had no time stamp: the mean rate filled it", self.last + self._step)
        if self.start is None:
            self.start = stamp - self.last - self._step
        step = stamp - self.start - self.last
        if not -RESTART_BEFORE <= step <= RESTART_AFTER:
            self.start = stamp - self.last - self._step
            return self._repaired(JOINED, self.last + self._step)
        if step <= 1e-6:
            return self._repaired("a time stamp did not increase: it was moved", self.last + self._step / 2)
        self.last += step
        return self.last

    def _repaired(self, note: str, time: float) -> float:
        self._notes[note] = self._notes.get(note, 0) + 1
        self.last = time
        return time


REMEMBERED = 16
"""Frames before a mark that must be found again: as many as H.264 and H.265 build later ones on."""
CHECKED_ROWS = 8
"""One row in so many is compared: codecs have no smaller blocks of which one could be wrong by itself."""

FIRST, LAST = -(1 << 63), (1 << 63) - 1
"""Before and behind all time stamps."""


@dataclass(frozen=True)
class Mark:
    """All that was known of a video between two of its frames."""

    times: array
    """Seconds of all frames so far, as doubles."""
    stamps: tuple[int | None, ...]
    """The last frames' own time stamps, in ticks of the file."""
    checks: tuple[int, ...]
    """Their `picture_checksum`."""
    packet: int
    """Time stamp of decoding of the packet read last; `FIRST` if it had none, `LAST` at the end of the file."""
    start: float | None
    """Second 0 on the file's own clock, in seconds."""
    damaged: int
    """Packets that could not be decoded."""
    notes: tuple[tuple[str, int], ...]
    """What was repaired, and how often."""

    @property
    def can_be_sought(self) -> bool:
        """Whether the stamps tell the last frames apart; they do not where they are missing, doubled or begin anew."""
        known = [stamp for stamp in self.stamps if stamp is not None]
        grow = all(one < other for one, other in pairwise(known))
        return self.packet > FIRST and len(known) == len(self.stamps) > 0 and grow


def picture_checksum(rgb: UInt8[ndarray, "height width 3"]) -> int:
    """A number that another picture has by chance only: the sum of the pixels of some rows, eight bytes at a time."""
    flat = rgb[::CHECKED_ROWS].reshape(-1)
    whole = flat.size // 8 * 8
    return int(flat[:whole].view(np.uint64).sum()) ^ int(flat[whole:].sum())
