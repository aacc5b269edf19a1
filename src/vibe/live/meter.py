"""How long answers take, and how many there are: measured frame by frame, told in a line."""

from __future__ import annotations

import numpy as np

MOST_MS = 5000
"""The longest delay that is told apart from longer ones."""


class Delays:
    """Milliseconds from a picture's arrival to its answer, counted without keeping them."""

    def __init__(self, now: float) -> None:
        """`now` and all times are seconds on one clock."""
        self._began = now
        self._counts = np.zeros(MOST_MS + 1, np.int64)

    def add(self, delay_ms: float) -> None:
        """One more answer."""
        self._counts[min(max(int(delay_ms), 0), MOST_MS)] += 1

    @property
    def answers(self) -> int:
        """How many there were."""
        return int(self._counts.sum())

    def at(self, share: float) -> float:
        """The delay that this share of the answers keeps within, in milliseconds, rounded up; NaN without answers."""
        if not self.answers:
            return float("nan")
        return float(np.searchsorted(self._counts.cumsum(), share * self.answers) + 1)

    def line(self, now: float, dropped: int) -> str:
        """Answers a second, delays, and pictures that nobody had time for."""
        seconds = max(now - self._began, 1e-6)
        if not self.answers:
            return f"no answer in {seconds:.0f} s"
        return (
            f"{self.answers / seconds:.1f} frames a second, delay {self.at(0.5):.0f} ms (95 % within "
            f"{self.at(0.95):.0f} ms), {dropped} of {self.answers + dropped} frames left out"
        )
