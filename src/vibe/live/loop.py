"""The live loop: frames in as they come, everybody's poses out with the least delay that the machine allows."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Protocol, runtime_checkable

import numpy as np

from vibe.live.pose import LiveEstimator, LivePoses, LiveTracker, TrackedFrame
from vibe.live.source import PATIENCE, LiveFrame, LiveSource
from vibe.parallel import one_thread

MOST_MS = 5000
"""Longer delays are counted as this one."""


class Delays:
    """A histogram of milliseconds from a frame's arrival to its poses."""

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
"""Seconds after which a wait is interrupted, so that Ctrl-C works on every system."""
Work = SimpleQueue[tuple[LiveFrame, TrackedFrame] | Exception | None]


@runtime_checkable
class Output(Protocol):
    """A receiver of poses; never waited for."""

    def put(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
        """Take the poses of a frame, `delay_ms` after its arrival; returns at once."""
        ...


def run_live(
    source: LiveSource,
    tracker: LiveTracker,
    estimator: LiveEstimator,
    outputs: Sequence[Output],
    delay: int,
    seconds: float | None = None,
    on_poses: Callable[[Delays, int], None] | None = None,
) -> tuple[Delays, int]:
    """Estimate until the source ends or for some seconds; returns the delays, and how many frames were left out.

    One thread tracks, this one estimates poses. `delay` is the estimator's; `on_poses` is called after each frame with
    the delays and the number of frames left out so far. Raises OSError if a camera or address stops on the way.
    """
    work: Work = SimpleQueue()
    ended = threading.Event()
    frames: deque[LiveFrame] = deque(maxlen=delay + 1)
    skipped = 0
    with one_thread(), source:
        tracking = threading.Thread(
            target=_track, args=(source, tracker, work, ended), name="vibe-live-tracking", daemon=True
        )
        tracking.start()
        delays = Delays(time.monotonic())
        until = time.monotonic() + (math.inf if seconds is None else seconds)
        try:
            while latest := _tracked_frames(work, until):
                for frame, tracked in latest:
                    frames.append(frame)
                    estimator.add(tracked)
                skipped += len(latest) - 1
                poses = estimator.estimate()
                if poses is None:
                    continue
                delay_ms = 1000 * (time.monotonic() - frames[0].arrived)
                for output in outputs:
                    output.put(poses, frames[0], delay_ms)
                delays.add(delay_ms)
                if on_poses:
                    on_poses(delays, source.shots.dropped + skipped)
        finally:
            ended.set()
            source.shots.close()
            tracking.join(PATIENCE)
    return delays, source.shots.dropped + skipped


def _track(source: LiveSource, tracker: LiveTracker, work: Work, ended: threading.Event) -> None:
    """Track the newest frame, again and again; the end, or the error that ended it, is put last."""
    try:
        with one_thread():
            while not ended.is_set() and (frame := source.shots.take(2 * PATIENCE)) is not None:
                work.put((frame, tracker.step(frame.time, frame.rgb)))
        work.put(None)
    except TimeoutError as error:
        work.put(OSError(f"{source.name}: {error}"))
    except Exception as error:
        work.put(error)
    finally:
        tracker.close()


def _tracked_frames(work: Work, until: float) -> list[tuple[LiveFrame, TrackedFrame]]:
    """All frames tracked since the last call, waited for; none at the end. Raises the error that ended it."""
    tracked: list[tuple[LiveFrame, TrackedFrame]] = []
    while time.monotonic() < until:
        try:
            item = work.get(block=not tracked, timeout=WAKES)
        except Empty:
            if tracked:
                return tracked
            continue
        if item is None or isinstance(item, Exception):
            if tracked:
                work.put(item)
                return tracked
            if item is not None:
                raise item
            return []
        tracked.append(item)
    return []
