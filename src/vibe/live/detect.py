"""The first half of live work: who is in the newest picture, found and followed on a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float, UInt8
from numpy import ndarray

from vibe.tracking import appearance
from vibe.tracking.detector import Detector
from vibe.tracking.pose_model import PoseModel
from vibe.tracking.tracker import Seen, Tracker, TrackerConfig

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
