"""A follower that keeps what the pose model said of everybody in each frame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vibe.tracking.pose_model import Landmarks, PoseModel
from vibe.tracking.tracker import TrackedPerson, Tracker


class Watcher(Tracker):
    """Its `seen` has an entry for each frame, with the keypoints in the picture and the model's own 3D landmarks."""

    def __init__(self, pose: PoseModel | None = None) -> None:
        super().__init__(pose=pose)
        self.seen: list[tuple[TrackedPerson, ...]] = []

    def step(self, index: int, time: float, rgb: NDArray[np.uint8]) -> tuple[TrackedPerson, ...]:
        self.seen.append(super().step(index, time, rgb))
        return self.seen[-1]

    def nearest(self, keypoints_px: Mapping[int, NDArray[np.floating]]) -> dict[int, Landmarks]:
        """In each of these frames where anybody was seen the reading nearest to a person's keypoints."""
        found = {}
        for frame, wanted in keypoints_px.items():
            people = [one.landmarks for one in self.seen[frame]]
            off = [np.linalg.norm(one.keypoints_px[:, :2] - wanted[:, :2], axis=1).mean() for one in people]
            if people:
                found[frame] = people[int(np.argmin(off))]
        return found
