"""Motions at other moments than their frames: what lies between two of them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.rotations import interpolate

NEAR = 0.05
"""Intervals by which a timestamp may miss an even moment and still be taken for it, as rounded timestamps do."""


def neighbours(
    place: Float[ndarray, "time"], moments: Float[ndarray, "moment"]
) -> tuple[Int[ndarray, "moment"], Int[ndarray, "moment"], Float[ndarray, "moment"]]:
    """Rows of the frames around each moment, and the share of the way from one to the other; 0 or 1 on a frame.

    `place` is where the frames are, in the moments' unit, which is one frame of the scene.
    """
    before = (np.searchsorted(place, moments + NEAR, side="right") - 1).clip(0, max(len(place) - 2, 0))
    after = (before + 1).clip(max=len(place) - 1)
    part = ((moments - place[before]) / (place[after] - place[before]).clip(1e-9)).clip(0, 1)
    part = np.where(np.abs(moments - place[before]) <= NEAR, 0.0, part)
    return before, after, np.where(np.abs(moments - place[after]) <= NEAR, 1.0, part)


def rotations_between(
    rotmat: Float[ndarray, "time *b 3 3"],
    before: Int[ndarray, "moment"],
    after: Int[ndarray, "moment"],
    part: Float[ndarray, "moment"],
) -> Float[ndarray, "moment *b 3 3"]:
    """Rotations between rows, at constant speed; as they are where the share is 0 or 1."""
    wide = (slice(None), *[None] * (rotmat.ndim - 3))
    turned = np.where((part == 1)[(*wide, None, None)], rotmat[after], rotmat[before])
    inside = (part > 0) & (part < 1)
    share = part[inside].astype(np.float32)[wide]
    turned[inside] = interpolate(rotmat[before[inside]], rotmat[after[inside]], share)
    return turned


def straight_between(
    numbers: Float[ndarray, "time axis"],
    before: Int[ndarray, "moment"],
    after: Int[ndarray, "moment"],
    part: Float[ndarray, "moment"],
) -> Float[ndarray, "moment axis"]:
    """Numbers between rows, along a straight line."""
    share = part.astype(np.float32)[:, None]
    return (1 - share) * numbers[before] + share * numbers[after]
