"""Everybody posed frame by frame, a few frames at a time: what is drawn of a motion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.arrays import as_numpy
from vibe.body.record import Body
from vibe.motion import Motion

CHUNK = 16
"""Frames whose vertices are held at a time."""


@dataclass(frozen=True)
class PosedFrames:
    """One person in one frame, in the camera's frame, metres."""

    number: int
    """1, 2, ...: tells the colour and stands beside the person."""
    vertices: Float[ndarray, "vertex 3"]
    faces: Int[ndarray, "face 3"]
    joints: Float[ndarray, "24 3"]
    keypoints_px: Float[ndarray, "17 3"]
    """The 2D evidence: COCO-17 x, y, confidence."""
    seen: bool = True
    """False where the keypoints were not found and the motion is filled in."""

    @property
    def points(self) -> Float[ndarray, "point 3"]:
        """What shows how far the person reaches."""
        return self.vertices if len(self.vertices) else self.joints


class Poser:
    """Poses people by frames of the clip, which are best asked for in order."""

    def __init__(self, people: Sequence[tuple[int, Motion, Body]], surface: bool = True):
        """People by number, each with the body to be drawn; without `surface` they have no vertices."""
        self._people, self._surface = people, surface
        self._chunk = -1
        self._held: dict[int, list[PosedFrames]] = {}

    def at(self, index: int) -> list[PosedFrames]:
        """Those who are in this frame."""
        if index // CHUNK != self._chunk:
            self._chunk = index // CHUNK
            self._held = {}
            for number, motion, body in self._people:
                for frame, posed in self._posed(number, motion, body):
                    self._held.setdefault(frame, []).append(posed)
        return self._held.get(index, [])

    def _posed(self, number: int, motion: Motion, body: Body) -> Iterator[tuple[int, PosedFrames]]:
        """One person in the frames of the chunk."""
        rows = np.flatnonzero(motion.frames // CHUNK == self._chunk)
        if len(rows) == 0:
            return
        part = motion.at(rows)
        surface = np.zeros((len(rows), 0, 3), np.float32)
        if self._surface:
            surface = part.vertices(body)
        faces = as_numpy(body.faces).astype(np.int32)
        for place, frame in enumerate(part.frames.tolist()):
            yield (
                frame,
                PosedFrames(
                    number,
                    surface[place],
                    faces if self._surface else faces[:0],
                    part.joints_cam[place],
                    part.keypoints_px[place],
                    bool(part.confidence[place] > 0),
                ),
            )
