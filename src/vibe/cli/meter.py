"""Where the work stands, on stderr."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from vibe.cli.say import say

PLAIN_SECONDS = 10.0
"""Between two lines of progress where there is no terminal."""


@contextmanager
def gentle() -> Iterator[Callable[[], None]]:
    """Ctrl-C waits for a moment at which nothing is half-done: for a call of what this gives; a second one does not.

    Raised anywhere, KeyboardInterrupt can leave a pool of threads locked, and whoever waits for it waits for ever.
    """
    pressed = threading.Event()

    def press(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    def pause() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, press)
    try:
        yield pause
    finally:
        signal.signal(signal.SIGINT, before)
    pause()


class Meter:
    """Shows where the work stands.

    A bar with the time left on a terminal; elsewhere a line for each stage and every ten seconds.
    """

    def __init__(self, console: Console, label: str) -> None:
        self._console, self._label = console, label
        self._stage, self._since, self._said = "", time.monotonic(), 0.0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(show_speed=True),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(label, total=None)

    def __enter__(self) -> Meter:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def __call__(self, stage: str, done: float, total: float | None) -> None:
        """Note that `done` of `total` units of a stage are finished; `total` is None while it is unknown."""
        now = time.monotonic()
        fresh = stage != self._stage
        if fresh:
            self._stage, self._since = stage, now
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(f"{self._label}: {stage}", total=total)
        self._bar.update(self._task, completed=done, total=total)
        if not self._console.is_terminal and (fresh or now - self._said >= PLAIN_SECONDS):
            self._said = now
            share = f", {done / total:.0%}{self._left(now, done / total)}" if total and not fresh else ""
            say(self._console, f"{self._label}: {stage}{share}")

    def _left(self, now: float, share: float) -> str:
        """The time that the stage still takes, if it goes on as it did."""
        seconds = round((now - self._since) * (1 - share) / share) if share else 0
        return f", {timedelta(seconds=seconds)} left" if seconds else ""
