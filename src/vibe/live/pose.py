"""Tracking and pose of everybody in front of a camera, each frame with what came before it and little after.

The loop takes frames as they come and gives everybody's poses with the least delay that the machine allows."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from vibe import cameras
from vibe.inference.estimate import Estimator
from vibe.inference.predict import predict_together
from vibe.live.person import LiveConfig, LivePerson, LivePose
from vibe.live.source import PATIENCE, LiveFrame, LiveSource
from vibe.parallel import one_thread
from vibe.tracking import appearance
from vibe.tracking.active_track import TrackerConfig
from vibe.tracking.detector import Detector
from vibe.tracking.pose_model import PoseModel
from vibe.tracking.tracker import TrackedPerson, Tracker
from vibe.tracking.tracklets import first_end, gap_cost, last_end

FORGET_EVERY = 100
"""Frames between two calls of the tracker's `forget`."""
APPEARANCE_EVERY = 10
"""Frames between two measurements of a person's appearance, by which they are recognised."""


@dataclass(frozen=True)
class TrackedFrame:
    """The tracker's output for one frame."""

    index: int
    """Counts the frames that were tracked."""
    time: float
    """Seconds from the source's first frame."""
    seen: tuple[TrackedPerson, ...]
    looks: Mapping[int, Float[ndarray, "128"]]
    """Appearances by track number: of everybody new, and of the others every `APPEARANCE_EVERY` frames."""


class LiveTracker:
    """Tracks everybody in front of one camera, frame by frame; memory does not grow."""

    def __init__(self, detector: Detector, pose_model: PoseModel, people: int = 4) -> None:
        """At most `people` are tracked at once; one tile is searched in each frame."""
        config = TrackerConfig(most_people=people, most_windows=1, most_trials=1)
        self._tracker = Tracker(detector, pose_model, config)
        self._measured: dict[int, int] = {}
        self._count = 0

    def step(self, time: float, rgb: UInt8[ndarray, "height width 3"]) -> TrackedFrame:
        """Track the next frame."""
        index, self._count = self._count, self._count + 1
        seen = self._tracker.step(index, time, rgb)
        if index % FORGET_EVERY == FORGET_EVERY - 1:
            self._tracker.forget()
        due = [one for one in seen if index - self._measured.get(one.number, -APPEARANCE_EVERY) >= APPEARANCE_EVERY]
        self._measured = {one.number: self._measured.get(one.number, index) for one in seen}
        self._measured |= {one.number: index for one in due}
        return TrackedFrame(
            index, time, seen, {one.number: appearance.clothing(rgb, one.landmarks.keypoints_px) for one in due}
        )

    def close(self) -> None:
        """End the tracker's threads."""
        self._tracker.close()


SHOWN_FROM = 0.1
"""Seconds that somebody new is tracked before their pose is given out."""
KNOWN_FOR = 2.0
"""Seconds after a loss in which a person who comes back keeps their number."""


@dataclass(frozen=True)
class LivePoses:
    """Everybody's pose in one frame."""

    index: int
    """Counts the frames that were tracked."""
    time: float
    """Seconds from the source's first frame."""
    people: tuple[LivePose, ...]
    """In the order of their numbers."""


class LiveEstimator:
    """Poses of everybody in front of one camera; memory does not grow."""

    def __init__(
        self, estimator: Estimator, width: int, height: int, delay: int = 1, config: LiveConfig | None = None
    ) -> None:
        """Each answer waits `delay` frames, and is told by what came in them, too.

        Raises ValueError for weights that read pictures.
        """
        if estimator.network.evidence != "keypoints":
            raise ValueError(
                f"the weights {estimator.network.about.name} read pictures, which takes too long to be live: choose "
                "weights that read keypoints, such as open"
            )
        self._estimator, self._delay, self._config = estimator, delay, config or LiveConfig()
        self.camera = cameras.default_camera(width, height, estimator.config.fov_deg)
        self._here: dict[int, LivePerson] = {}
        self._gone: list[LivePerson] = []
        self._times: deque[tuple[int, float]] = deque()
        self._seen: set[int] = set()
        self._numbers = 0

    def add(self, tracked: TrackedFrame) -> None:
        """Add the next tracked frame."""
        time, now = tracked.time, {one.number for one in tracked.seen}
        self._times.append((tracked.index, time))
        while self._times[0][1] <= time - self._config.memory - KNOWN_FOR and len(self._times) > self._delay + 1:
            self._times.popleft()
        for number in [number for number, person in self._here.items() if number not in now]:
            if time - self._here[number].last.time > 2 * TrackerConfig.patience:
                self._gone.append(self._here.pop(number))
        self._gone = [one for one in self._gone if time - one.last.time <= KNOWN_FOR]
        for one in tracked.seen:
            look = tracked.looks.get(one.number)
            if one.number not in self._here:
                assert look is not None, "everybody new has an appearance"
                self._here[one.number] = self._person(tracked, one, look, now)
            self._here[one.number].add(tracked.index, time, one.landmarks, look)
        self._seen = now

    def estimate(self) -> LivePoses | None:
        """Everybody's poses `delay` frames before the newest; None before there are as many."""
        if len(self._times) <= self._delay:
            return None
        at, time = self._times[-1 - self._delay]
        indices, times = zip(*self._times, strict=True)
        tracks = [
            (person, *seen)
            for number, person in self._here.items()
            if number in self._seen and person.last.time - person.since >= SHOWN_FROM - 1e-6
            if (seen := person.track_at(at, indices, times))
        ]
        if not tracks:
            return LivePoses(at, time, ())
        people, seen, clocks = zip(*tracks, strict=True)
        models = self.camera, self._estimator.network, self._estimator.body
        read = predict_together(seen, clocks, *models, time)
        poses = [
            person.pose(at, track, *what, time, self.camera, self._estimator.body)
            for person, track, what in zip(people, seen, read, strict=True)
        ]
        return LivePoses(at, time, tuple(sorted(poses, key=lambda pose: pose.number)))

    def _person(
        self, tracked: TrackedFrame, one: TrackedPerson, look: Float[ndarray, "128"], now: set[int]
    ) -> LivePerson:
        """The lost person who is back, or a new one with the next number."""
        new = LivePerson(self._numbers + 1, self._config)
        new.add(tracked.index, tracked.time, one.landmarks, look)
        lost = [*self._gone, *(person for number, person in self._here.items() if number not in now)]
        costs = [gap_cost(last_end(person.piece()), first_end(new.piece())) for person in lost]
        if costs and min(costs) <= 1.0:
            found = lost[int(np.argmin(costs))]
            self._gone = [person for person in self._gone if person is not found]
            self._here = {number: person for number, person in self._here.items() if person is not found}
            return found
        self._numbers += 1
        return LivePerson(self._numbers, self._config)


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
        delays = Delays(monotonic())
        until = monotonic() + (math.inf if seconds is None else seconds)
        try:
            while latest := _tracked_frames(work, until):
                for frame, tracked in latest:
                    frames.append(frame)
                    estimator.add(tracked)
                skipped += len(latest) - 1
                poses = estimator.estimate()
                if poses is None:
                    continue
                delay_ms = 1000 * (monotonic() - frames[0].arrived)
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
    while monotonic() < until:
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
