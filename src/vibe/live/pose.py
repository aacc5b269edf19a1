"""Tracking and pose of everybody in front of a camera: each frame with what came before it and little after."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from vibe import cameras
from vibe.inference.estimate import Estimator
from vibe.live.person import LiveConfig, LivePerson, LivePose
from vibe.tracking import appearance
from vibe.tracking.detector import Detector
from vibe.tracking.pose_model import PoseModel
from vibe.tracking.tracker import TrackedPerson, Tracker, TrackerConfig
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
        poses = [
            person.pose_at(at, indices, times, self.camera, self._estimator.network, self._estimator.body)
            for number, person in self._here.items()
            if number in self._seen and person.followed_for >= SHOWN_FROM - 1e-6
        ]
        return LivePoses(at, time, tuple(sorted((pose for pose in poses if pose), key=lambda pose: pose.number)))

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
