"""A motion at even moments: resampled by time, gaps closed."""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.motion import Motion

NEAR = 0.05
"""Intervals by which a timestamp may miss an even moment and still be taken for it, as rounded timestamps do."""


@dataclass(frozen=True)
class Even:
    """One person at moments `(first + k) / fps` seconds after a common beginning."""

    first: int
    rotmat: Float[Tensor, "time 24 3 3"]
    pelvis: Float[Tensor, "time 3"]
    """Camera frame, metres."""
    confidence: Float[Tensor, "time"]
    """The lesser of the two frames around the moment; 0 where they are no neighbours in the video."""


def resample_motion(motion: Motion, times: Float[Tensor, "time"], begin: float, fps: float) -> Even:
    """The motion, whose frames are at `times`, at even moments from its first frame to its last.

    Rotations turn at constant speed between frames, the pelvis goes straight. Where a moment falls on a frame that
    frame is taken as it is. At least one frame is needed.
    """
    rotmat = motion.rotmat
    place = (times - begin) * fps
    first = int((place[0] - NEAR).ceil())
    last = max(int((place[-1] + NEAR).floor()), first)
    moments = torch.arange(first, last + 1, dtype=torch.float64)
    before = (torch.searchsorted(place, moments + NEAR, right=True) - 1).clamp(0, max(len(place) - 2, 0))
    after = (before + 1).clamp(max=len(place) - 1)
    part = ((moments - place[before]) / (place[after] - place[before]).clamp_min(1e-9)).clamp(0, 1)
    part = torch.where((moments - place[before]).abs() <= NEAR, 0.0, part)
    part = torch.where((moments - place[after]).abs() <= NEAR, 1.0, part)
    apart = motion.frames.diff(append=motion.frames[-1:] + 1) > 1
    unseen = apart[before] & (part > 0) & (part < 1)
    sure = torch.minimum(
        torch.where(part < 1, motion.confidence[before], 1.0), torch.where(part > 0, motion.confidence[after], 1.0)
    )
    part = part.float()
    return Even(
        first=first,
        rotmat=_between(rotmat[before], rotmat[after], part),
        pelvis=torch.lerp(motion.trans[before], motion.trans[after], part[:, None]),
        confidence=sure.masked_fill(unseen, 0.0),
    )


def _between(
    one: Float[Tensor, "time 24 3 3"], two: Float[Tensor, "time 24 3 3"], part: Float[Tensor, "time"]
) -> Float[Tensor, "time 24 3 3"]:
    """Rotations on the shortest way from one to the other."""
    blended = torch.where((part == 1)[:, None, None, None], two, one)
    inside = (part > 0) & (part < 1)
    if inside.any():
        step = roma.rotmat_to_rotvec(one[inside].mT @ two[inside]) * part[inside, None, None]
        blended[inside] = one[inside] @ roma.rotvec_to_rotmat(step)
    return blended
