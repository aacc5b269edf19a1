"""Read every person twice, directly and in a mirror, and keep what both readings agree on.

It costs a second run of the model, on the other core where there is one; keypoints shake less, and where the two
readings differ the confidence says so.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from vibe.people import evidence, flips
from vibe.people.landmarks import Landmarks, PoseLandmarks, PoseModel

AGREE = 0.04
"""Distance over the person's size up to which two readings of a keypoint are averaged; beyond, the surer one counts."""


class MirrorPose:
    """Two pose models as one; the second should look in a mirror."""

    def __init__(self, direct: PoseModel | None = None, mirrored: PoseModel | None = None) -> None:
        self._direct = direct or PoseLandmarks()
        self._mirrored = mirrored or PoseLandmarks(mirrored=True)
        self._pool = ThreadPoolExecutor(1)

    def start(self, box_px: Float[Array, "4"], keypoints_px: Float[Array, "2 2"] | None) -> Float[Array, "4"]:
        """The region that the direct model starts from."""
        return self._direct.start(box_px, keypoints_px)

    def __call__(self, rgb: UInt8[Array, "height width 3"], region: Float[Array, "4"]) -> Landmarks:
        """The keypoints that both agree on; the direct model's world."""
        waiting = self._pool.submit(self._mirrored, rgb, region)
        direct = self._direct(rgb, region)
        mirrored = waiting.result()
        follow = (direct.follow + mirrored.follow) / 2
        apart = math.remainder(mirrored.follow[3] - direct.follow[3], 2 * math.pi)
        follow[3] = math.remainder(direct.follow[3] + apart / 2, 2 * math.pi)
        keypoints = agree(direct.keypoints_px, mirrored.keypoints_px)
        return Landmarks(keypoints, (direct.presence + mirrored.presence) / 2, region, follow, direct.world)


def agree(one: Float[Array, "17 3"], other: Float[Array, "17 3"]) -> Float[Array, "17 3"]:
    """One reading out of two: their mean where they are close, else the surer one at a confidence that says so.

    Where one takes left for right, its sides are exchanged first, to those of the surer one.
    """
    if other[:, 2].mean() > one[:, 2].mean():
        one, other = other, one
    each = flips.exchange(other[None], flips.STATES.astype(bool))
    size = evidence.size_px(one).clip(1e-6)
    away = np.linalg.norm(each[..., :2] - one[:, :2], axis=-1) / size
    other = each[np.minimum(away, flips.MOST_JUMP).sum(-1).argmin()]
    apart = np.linalg.norm(one[:, :2] - other[:, :2], axis=-1, keepdims=True) / size
    weights = np.stack([one[:, 2:], other[:, 2:]]).clip(1e-3) ** 2
    middle = (one[:, :2] * weights[0] + other[:, :2] * weights[1]) / weights.sum(0)
    surer = np.where(weights[0] >= weights[1], one[:, :2], other[:, :2])
    confidence = (one[:, 2:] + other[:, 2:]) / 2 * np.exp(-((apart / AGREE / 3) ** 2) / 2)
    return np.concatenate([np.where(apart <= AGREE, middle, surer), confidence], 1)
