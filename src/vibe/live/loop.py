"""The live loop: pictures in as they come, everybody's poses out with the least delay that the machine can keep."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol, runtime_checkable

import numpy as np

from vibe.live.pose import Crowd, Moment, Sighting, Watch
from vibe.live.source import PATIENCE, LiveFrame, LiveSource
from vibe.parallel import one_thread

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


WAKES = 0.2
"""Seconds after which who waits looks up: an interruption is heard then on every system."""
Work = SimpleQueue["tuple[LiveFrame, Sighting] | Exception | None"]


@runtime_checkable
class Output(Protocol):
    """Whoever wants to know; never waited for."""

    def put(self, moment: Moment, shot: LiveFrame, delay_ms: float) -> None:
        """Take an answer with its picture, and how long after the picture's arrival it is given; return at once."""
        ...


def follow_live(
    source: LiveSource, watch: Watch, crowd: Crowd, sinks: Sequence[Output], delay: int, seconds: float | None = None,
    told: Callable[[Delays, int], None] | None = None,
) -> tuple[Delays, int]:  # fmt: skip
    """Answer until the source ends or for some seconds: the delays, and how many pictures were left out.

    One thread watches the pictures, this one poses the people in them. `delay` is the crowd's; `told` is called after
    each answer. Raises OSError if a camera or address stops on the way.
    """
    work: Work = SimpleQueue()
    ended = threading.Event()
    shots: deque[LiveFrame] = deque(maxlen=delay + 1)
    skipped = 0
    with one_thread(), source:
        watcher = threading.Thread(
            target=_watch, args=(source, watch, work, ended), name="vibe-live-watch", daemon=True
        )
        watcher.start()
        delays = Delays(time.monotonic())
        until = time.monotonic() + (math.inf if seconds is None else seconds)
        try:
            while news := _news(work, until):
                for shot, sighting in news:
                    shots.append(shot)
                    crowd.see(sighting)
                skipped += len(news) - 1
                moment = crowd.answer()
                if moment is None:
                    continue
                delay_ms = 1000 * (time.monotonic() - shots[0].arrived)
                for sink in sinks:
                    sink.put(moment, shots[0], delay_ms)
                delays.add(delay_ms)
                if told:
                    told(delays, source.shots.dropped + skipped)
        finally:
            ended.set()
            source.shots.close()
            watcher.join(PATIENCE)
    return delays, source.shots.dropped + skipped


def _watch(source: LiveSource, watch: Watch, work: Work, ended: threading.Event) -> None:
    """Look at the newest picture, again and again; the end, or the error that ended it, comes last."""
    try:
        with one_thread():
            while not ended.is_set() and (shot := source.shots.take(2 * PATIENCE)) is not None:
                work.put((shot, watch.step(shot.time, shot.rgb)))
        work.put(None)
    except TimeoutError as error:
        work.put(OSError(f"{source.name}: {error}"))
    except Exception as error:
        work.put(error)
    finally:
        watch.close()


def _news(work: Work, until: float) -> list[tuple[LiveFrame, Sighting]]:
    """All that was seen since the last time, waited for; nothing at the end. Raises the error that ended it."""
    found: list[tuple[LiveFrame, Sighting]] = []
    while time.monotonic() < until:
        try:
            item = work.get(block=not found, timeout=WAKES)
        except Empty:
            if found:
                return found
            continue
        if item is None or isinstance(item, Exception):
            if found:
                work.put(item)
                return found
            if item is not None:
                raise item
            return []
        found.append(item)
    return []
