"""The time of each frame from its time stamp, and places from which another process can read on."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

RESTART_BEFORE, RESTART_AFTER = 1.0, 600.0
"""Seconds back and forth: a larger jump of the time stamps means that they began anew."""
LATE_IN_A_ROW = 8
"""More stamps that are no later than those before mean the same; pictures out of order have later ones in between."""
JOINED = "the time stamps leap, back or by more than ten minutes, or stand still on the way: the usual rate joined them"
MOVED = "a time stamp did not increase: it was moved"
MANY_MOVED = 0.2
"""Share of moved stamps above which the mean rate is taken: with more, about half of all steps touch one."""
USUAL = 1.75
"""A step so many times as long or as short as the median one is none of the usual ones: those of 24 pictures shown in
60, 1.5 to 1, and what a file's rounding makes of a step are; a picture left out makes one of 2."""


def frame_rate(times: Float[ndarray, "frame"], moved: float = 0.0) -> float:
    """Frames a second of at least two frames by the mean of the usual steps, without pauses and pictures left out.

    Where the share `moved` of the stamps was moved, and is large, no step is usual: by the mean of all.
    """
    if moved > MANY_MOVED:
        return (len(times) - 1) / float(times[-1] - times[0])
    steps = np.diff(times)
    median = np.sort(steps)[(len(steps) - 1) // 2]
    short = steps * USUAL < median
    usual = ~short & (steps <= USUAL * median)
    after_usual = usual & ~np.r_[False, short[:-1]]  # a short step leads to a moved stamp, and the next one from it
    counted = after_usual if after_usual.any() else usual
    return int(counted.sum()) / float(times[-1] - times[0] - steps[~counted].sum())


class Clock:
    """Turns a file's time stamps into increasing seconds; what it repairs it counts in `notes`."""

    def __init__(self, fps: float, notes: dict[str, int]):
        self._fps, self._notes, self._late = fps, notes, 0
        self.start: float | None = None
        """Second 0 on the file's own clock, once that is known."""
        self.times = array("d")
        """Those given so far."""

    def time(self, stamp: float | None) -> float:
        """Seconds from the first frame."""
        self.times.append(self._next(stamp))
        return self.times[-1]

    def _next(self, stamp: float | None) -> float:
        if not self.times:
            self.start = stamp
            return 0.0
        last = self.times[-1]
        if stamp is None:
            return last + self._filled("a frame had no time stamp: the usual rate filled it")
        if self.start is None:
            self.start = stamp - last - self._step
        step = stamp - self.start - last
        self._late = self._late + 1 if step <= 1e-6 else 0
        if not -RESTART_BEFORE <= step <= RESTART_AFTER or self._late > LATE_IN_A_ROW:
            self._notes[MOVED] = self._notes.get(MOVED, 0) - max(self._late - 1, 0)  # they told of this
            if not self._notes[MOVED]:
                del self._notes[MOVED]
            self.start, self._late = stamp - last - self._step, 0
            return last + self._filled(JOINED)
        if step <= 1e-6:
            return last + self._filled(MOVED) / 2
        return last + step

    @property
    def moved(self) -> float:
        """Share of the frames so far whose stamps were moved."""
        return self._notes.get(MOVED, 0) / len(self.times)

    @property
    def _step(self) -> float:
        """Seconds from a frame to the next, by the first ones; by the file's own word before there are enough."""
        first = self.times[:REMEMBERED]
        return 1 / (frame_rate(np.array(first), self.moved) if len(first) == REMEMBERED else self._fps)

    def _filled(self, note: str) -> float:
        """The usual step, and a note of why it was needed."""
        self._notes[note] = self._notes.get(note, 0) + 1
        return self._step


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
