"""A motion at even moments: resampled by time, gaps closed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.motion.record import Motion
from vibe.records import SmplParams
from vibe.rotations import interpolate

NEAR = 0.05
"""Intervals by which a timestamp may miss an even moment and still be taken for it, as rounded timestamps do."""


class Resampled(NamedTuple):
    """One person at moments `(first + k) / fps` seconds after a common beginning."""

    first: int
    smpl: SmplParams
    """In the camera's frame."""
    confidence: Float[ndarray, "time"]
    """The lesser of the two frames around the moment; 0 where they are no neighbours in the video."""


def resample_motion(motion: Motion, times: Float[ndarray, "time"], begin: float, fps: float) -> Resampled:
    """The motion, whose frames are at `times`, at even moments from its first frame to its last.

    Rotations turn at constant speed between frames, the pelvis goes straight. Where a moment falls on a frame that
    frame is taken as it is. At least one frame is needed.
    """
    rotmat, pelvis = motion.smpl.rotmat, motion.smpl.pelvis
    place = (times - begin) * fps
    first = int(np.ceil(place[0] - NEAR))
    last = max(int(np.floor(place[-1] + NEAR)), first)
    moments = np.arange(first, last + 1, dtype=np.float64)
    before = (np.searchsorted(place, moments + NEAR, side="right") - 1).clip(0, max(len(place) - 2, 0))
    after = (before + 1).clip(max=len(place) - 1)
    part = ((moments - place[before]) / (place[after] - place[before]).clip(1e-9)).clip(0, 1)
    part = np.where(np.abs(moments - place[before]) <= NEAR, 0.0, part)
    part = np.where(np.abs(moments - place[after]) <= NEAR, 1.0, part)
    apart = np.diff(motion.frames, append=motion.frames[-1:] + 1) > 1
    inside = (part > 0) & (part < 1)
    sure = np.minimum(
        np.where(part < 1, motion.confidence[before], 1.0), np.where(part > 0, motion.confidence[after], 1.0)
    )
    blended = np.where((part == 1)[:, None, None, None], rotmat[after], rotmat[before])
    part = part.astype(np.float32)
    blended[inside] = interpolate(rotmat[before[inside]], rotmat[after[inside]], part[inside, None])
    pelvis = (1 - part[:, None]) * pelvis[before] + part[:, None] * pelvis[after]
    sure = np.where(apart[before] & inside, 0.0, sure).astype(np.float32)
    return Resampled(first, SmplParams(blended, motion.smpl.betas, pelvis), sure)
