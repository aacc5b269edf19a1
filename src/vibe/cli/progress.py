"""Where the work stands, on stderr: one video, or many."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from vibe.cli.console import print_info, printable

if TYPE_CHECKING:
    from vibe.batch.report import Outcome


B = TypeVar("B", bound="_Bars")
PLAIN_SECONDS = 10.0
"""Between two lines of progress where there is no terminal."""


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], None]]:
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


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP unless it is ignored, end the command as Ctrl-C does."""
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    mine = threading.current_thread() is threading.main_thread()
    heard = [number for number in numbers if mine and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Bars:
    """Bars on a terminal; elsewhere, where lines stand for them, none."""

    def __init__(self, column: ProgressColumn) -> None:
        self._console = Console(stderr=True)
        self._plain = not self._console.is_terminal
        columns = TextColumn("{task.description}", markup=False), BarColumn(), column, TimeRemainingColumn()
        self._bar = Progress(*columns, console=self._console, transient=True, disable=self._plain)

    def __enter__(self: B) -> B:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._plain:  # Rich before 14.3 ends a bar that never began with an empty line
            self._bar.stop()


class ProgressLine(_Bars):
    """Shows where the work stands.

    A bar with the time left on a terminal; elsewhere a line for each stage and every ten seconds.
    """

    def __init__(self, label: str) -> None:
        super().__init__(TaskProgressColumn(show_speed=True))
        self._label = printable(label)
        self._stage, self._since, self._before, self._said = "", time.monotonic(), 0.0, 0.0
        self._task = self._bar.add_task(self._label, total=None)

    def __call__(self, stage: str, done: float, total: float | None) -> None:
        """Note that `done` of `total` units of a stage are finished; `total` is None while it is unknown.

        What a stage begins with was done before, by a run that was stopped: it tells nothing of the time left.
        """
        now = time.monotonic()
        fresh = stage != self._stage
        if fresh:
            self._stage, self._since, self._before = stage, now, done
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(f"{self._label}: {stage}", total=total, completed=round(done))
        self._bar.update(self._task, completed=done, total=total)
        if self._plain and (fresh or now - self._said >= PLAIN_SECONDS):
            self._said = now
            share = done / total if total and not fresh else 0
            mine = done - self._before
            seconds = round((now - self._since) * (total - done) / mine) if total and mine > 0 else 0
            left = f", {timedelta(seconds=seconds)} left" if seconds else ""
            print_info(f"{self._label}: {stage}{f', {share:.0%}{left}' if total and not fresh else ''}", self._console)


class ProgressTable(_Bars):
    """A bar for all videos and one for each worker on a terminal; elsewhere a line for each video that is finished.

    Where a video takes long, a line every ten seconds tells of it there.
    """

    def __init__(self, videos: Sequence[str], total: int, skipped: int, failed: int) -> None:
        """`videos` are the names of those that are worked on, of `total` all together."""
        super().__init__(MofNCompleteColumn())
        self._videos, self._total = list(map(printable, videos)), total
        self._counts = {"done": 0, "skipped": skipped, "failed": failed}
        self._said: dict[int, float] = {}
        self._all = self._bar.add_task(self._counted(), total=len(videos))
        self._under_way: dict[int, tuple[int, str, TaskID]] = {}
        """Of each worker: number of the video, stage and bar."""

    def show(self, worker_id: int, number: int, message: Any) -> None:
        """Show how far a worker is with a video."""
        stage, done, total = message
        share = f" {done / total:.0%}" if total and done else ""
        text = f"{self._videos[number]}: {stage}{share}"
        if self._under_way.get(worker_id, (None, None))[:2] != (number, stage):
            self._leave(worker_id)
            self._under_way[worker_id] = number, stage, self._bar.add_task("", total=total)
        self._bar.update(self._under_way[worker_id][2], description="  " + text, completed=done, total=total)
        now = time.monotonic()
        if self._plain and now - self._said.setdefault(number, now) >= PLAIN_SECONDS:
            self._said[number] = now
            print_info(text, self._console)

    def finished(self, number: int, outcome: Outcome) -> None:
        """Count a video, and say what came of it."""
        for worker_id in [worker_id for worker_id, (at, *_) in self._under_way.items() if at == number]:
            self._leave(worker_id)
        self._counts[outcome.state] += 1
        self._bar.update(self._all, advance=1, description=self._counted())
        if outcome.state == "failed":
            print_info(f"vibe: {outcome.reason}", self._console)
        elif self._plain:
            at = f"[{sum(self._counts.values())}/{self._total}] {outcome.label}: {outcome.state}"
            people = f"{len(outcome.rows)} {'person' if len(outcome.rows) == 1 else 'people'}"
            frames = f"{outcome.frames} {'frame' if outcome.frames == 1 else 'frames'}"
            detail = f"{people}, {frames}, {outcome.seconds:.1f} s"
            print_info(f"{at}, {detail if outcome.state == 'done' else outcome.reason}", self._console)

    def _leave(self, worker_id: int) -> None:
        if worker_id in self._under_way:
            self._bar.remove_task(self._under_way.pop(worker_id)[2])

    def _counted(self) -> str:
        return ", ".join(f"{number} {state}" for state, number in self._counts.items())
