"""The second half of live work: everybody's number and pose, without what comes later."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe import cameras
from vibe.inference.config import Method
from vibe.live.detect import Sighting
from vibe.live.person import LivePerson, LivePose, Streaming
from vibe.tracking.tracker import Seen, TrackerConfig
from vibe.tracking.tracklets import first_end, gap_cost, last_end

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

    def __init__(self, method: Method, width: int, height: int, delay: int = 1, how: Streaming | None = None) -> None:
        """Each answer waits `delay` frames, and is told by what came in them, too.

        Raises ValueError for weights that read pictures.
        """
        if method.network.evidence != "keypoints":
            raise ValueError(
                f"the weights {method.network.about.name} read pictures, which takes too long to be live: choose "
                "weights that read keypoints, such as open"
            )
        self._method, self._delay, self._how = method, delay, how or Streaming()
        self.camera = cameras.default_camera(width, height, method.fov_deg)
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
            person.answer(at, indices, times, self.camera, self._method.network, self._method.body)
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
