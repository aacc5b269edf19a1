"""The time of each frame, from time stamps that may be missing, doubled or begin anew."""

from __future__ import annotations

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
