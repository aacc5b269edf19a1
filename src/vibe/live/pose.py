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
from vibe.live.person import LivePerson, LivePose, Streaming
from vibe.tracking import appearance
from vibe.tracking.detector import Detector
from vibe.tracking.pose_model import PoseModel
from vibe.tracking.tracker import Seen, Tracker, TrackerConfig
from vibe.tracking.tracklets import first_end, gap_cost, last_end

FORGET_EVERY = 100
"""Frames between two times that the follower is told to let go of what is past."""
LOOK_EVERY = 10
"""Frames between two looks at a person's clothes, by which they are known again."""


@dataclass(frozen=True)
class Sighting:
    """What one picture shows."""

    index: int
    """Counts the pictures that were looked at."""
    time: float
    """Seconds from the source's first picture."""
    seen: tuple[Seen, ...]
    looks: Mapping[int, Float[ndarray, "128"]]
    """What people wear, by their numbers: of everybody new, and of each other now and then."""


class Watch:
    """Everybody before one camera, picture after picture; memory does not grow."""

    def __init__(self, detector: Detector, pose_model: PoseModel, people: int = 4) -> None:
        """`people` are followed at once, at most; they are searched for in one part of a picture at a time."""
        following = TrackerConfig(most_people=people, most_windows=1, most_trials=1)
        self._follower = Tracker(detector, pose_model, following)
        self._looked: dict[int, int] = {}
        self._count = 0

    def step(self, time: float, rgb: UInt8[ndarray, "height width 3"]) -> Sighting:
        """Look at the next picture."""
        index, self._count = self._count, self._count + 1
        seen = self._follower.step(index, time, rgb)
        if index % FORGET_EVERY == FORGET_EVERY - 1:
            self._follower.forget()
        due = [one for one in seen if index - self._looked.get(one.number, -LOOK_EVERY) >= LOOK_EVERY]
        self._looked = {one.number: self._looked.get(one.number, index) for one in seen}
        self._looked |= {one.number: index for one in due}
        return Sighting(
            index, time, seen, {one.number: appearance.clothing(rgb, one.landmarks.keypoints_px) for one in due}
        )

    def close(self) -> None:
        """Look no more."""
        self._follower.close()


SHOWN_FROM = 0.1
"""Seconds that somebody new is followed before they are answered for."""
KNOWN_FOR = 2.0
"""Seconds after a loss in which a person who comes back keeps their number."""


@dataclass(frozen=True)
class Moment:
    """Everybody's pose in one frame."""

    index: int
    """Counts the pictures that were looked at."""
    time: float
    """Seconds from the source's first picture."""
    people: tuple[LivePose, ...]
    """In the order of their numbers."""


class Crowd:
    """Everybody before one camera; memory does not grow."""

    def __init__(
        self, estimator: Estimator, width: int, height: int, delay: int = 1, how: Streaming | None = None
    ) -> None:
        """Each answer waits `delay` frames, and is told by what came in them, too.

        Raises ValueError for weights that read pictures.
        """
        if estimator.network.evidence != "keypoints":
            raise ValueError(
                f"the weights {estimator.network.about.name} read pictures, which takes too long to be live: choose "
                "weights that read keypoints, such as open"
            )
        self._estimator, self._delay, self._how = estimator, delay, how or Streaming()
        self.camera = cameras.default_camera(width, height, estimator.config.fov_deg)
        self._here: dict[int, LivePerson] = {}
        self._gone: list[LivePerson] = []
        self._times: deque[tuple[int, float]] = deque()
        self._seen: set[int] = set()
        self._numbers = 0

    def see(self, sighting: Sighting) -> None:
        """Take what the next picture shows."""
        time, now = sighting.time, {one.number for one in sighting.seen}
        self._times.append((sighting.index, time))
        while self._times[0][1] <= time - self._how.memory - KNOWN_FOR and len(self._times) > self._delay + 1:
            self._times.popleft()
        for number in [number for number, person in self._here.items() if number not in now]:
            if time - self._here[number].last.time > 2 * TrackerConfig.patience:
                self._gone.append(self._here.pop(number))
        self._gone = [one for one in self._gone if time - one.last.time <= KNOWN_FOR]
        for one in sighting.seen:
            look = sighting.looks.get(one.number)
            if one.number not in self._here:
                assert look is not None, "everybody new is looked at"
                self._here[one.number] = self._person(sighting, one, look, now)
            self._here[one.number].see(sighting.index, time, one.landmarks, look)
        self._seen = now

    def answer(self) -> Moment | None:
        """Everybody's poses `delay` frames before the newest; None before there are as many."""
        if len(self._times) <= self._delay:
            return None
        at, time = self._times[-1 - self._delay]
        indices, times = zip(*self._times, strict=True)
        poses = [
            person.answer(at, indices, times, self.camera, self._estimator.network, self._estimator.body)
            for number, person in self._here.items()
            if number in self._seen and person.followed_for >= SHOWN_FROM - 1e-6
        ]
        return Moment(at, time, tuple(sorted((pose for pose in poses if pose), key=lambda pose: pose.number)))

    def _person(self, sighting: Sighting, one: Seen, look: Float[ndarray, "128"], now: set[int]) -> LivePerson:
        """The person who was lost and is seen again, or a new one with a number of their own."""
        new = LivePerson(self._numbers + 1, self._how)
        new.see(sighting.index, sighting.time, one.landmarks, look)
        lost = [*self._gone, *(person for number, person in self._here.items() if number not in now)]
        costs = [gap_cost(last_end(person.piece()), first_end(new.piece())) for person in lost]
        if costs and min(costs) <= 1.0:
            found = lost[int(np.argmin(costs))]
            self._gone = [person for person in self._gone if person is not found]
            self._here = {number: person for number, person in self._here.items() if person is not found}
            return found
        self._numbers += 1
        return LivePerson(self._numbers, self._how)
