"""Where the work on many videos stands, on stderr."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vibe.cli.meter import PLAIN_SECONDS
from vibe.cli.say import say

if TYPE_CHECKING:
    from vibe.many.report import Outcome


class Board:
    """A bar for all videos and one for each worker on a terminal; elsewhere a line for each video that is finished.

    Where a video takes long, a line every ten seconds tells of it there.
    """

    def __init__(self, console: Console, videos: Sequence[str], total: int, skipped: int, failed: int) -> None:
        """`videos` are the names of those that are worked on, of `total` all together."""
        self._console, self._videos, self._total = console, videos, total
        self._counts = {"done": 0, "skipped": skipped, "failed": failed}
        self._said: dict[int, float] = {}
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._all = self._bar.add_task(self._counted(), total=len(videos))
        self._under_way: dict[int, tuple[int, str, TaskID]] = {}
        """Of each seat: number of the video, stage and bar."""

    def __enter__(self) -> Board:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def heard(self, seat: int, number: int, word: Any) -> None:
        """Show how far a worker is with a video."""
        stage, done, total = word
        share = f" {done / total:.0%}" if total and done else ""
        text = f"{self._videos[number]}: {stage}{share}"
        if self._under_way.get(seat, (None, None))[:2] != (number, stage):
            self._leave(seat)
            self._under_way[seat] = number, stage, self._bar.add_task("", total=total)
        self._bar.update(self._under_way[seat][2], description="  " + text, completed=done, total=total)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._said.setdefault(number, now) >= PLAIN_SECONDS:
            self._said[number] = now
            say(self._console, text)

    def finished(self, number: int, outcome: Outcome) -> None:
        """Count a video, and say what came of it."""
        for seat in [seat for seat, (at, *_) in self._under_way.items() if at == number]:
            self._leave(seat)
        self._counts[outcome.state] += 1
        self._bar.update(self._all, advance=1, description=self._counted())
        if outcome.state == "failed":
            say(self._console, f"vibe: {outcome.reason}")
        elif not self._console.is_terminal:
            at = f"[{sum(self._counts.values())}/{self._total}] {outcome.video}: {outcome.state}"
            people = f"{len(outcome.rows)} {'person' if len(outcome.rows) == 1 else 'people'}"
            detail = f"{people}, {outcome.frames} frames, {outcome.seconds:.1f} s"
            say(self._console, f"{at}, {detail if outcome.state == 'done' else outcome.reason}")

    def _leave(self, seat: int) -> None:
        if seat in self._under_way:
            self._bar.remove_task(self._under_way.pop(seat)[2])

    def _counted(self) -> str:
        return ", ".join(f"{number} {state}" for state, number in self._counts.items())
