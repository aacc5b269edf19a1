"""How far each joint of a motion may be off, from the evidence and from what the network said before the fit."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vibe.arrays import as_numpy, as_tensors
from vibe.body.pose import joints
from vibe.body.record import Body
from vibe.inference.predict import TrackPrediction
from vibe.models.keypoint_embedding import detected_points
from vibe.motion import Motion
from vibe.records import Camera, Track
from vibe.refine.uncertainty import joint_std, uncertainty_signs

PIECE = 3000
"""Frames looked at at once: an hour takes no more memory than a minute."""


def motion_std(
    motion: Motion, track: Track, predicted: TrackPrediction, camera: Camera, body: Body
) -> Float[ndarray, "time 24 2"]:
    """Standard deviations as `Motion.joints_std` has them, of a track as a pinhole sees it."""
    return as_numpy(torch.cat([joint_std(signs) for signs in motion_signs(motion, track, predicted, camera, body)]))


@torch.no_grad()
def motion_signs(
    motion: Motion, track: Track, predicted: TrackPrediction, camera: Camera, body: Body
) -> Iterator[Float[Tensor, "row 24 sign"]]:
    """What the deviations are told from, piece by piece."""
    points, line = detected_points(track.keypoints_px, track.landmarks), predicted.timeline.times
    for first in range(0, max(len(motion), 1), PIECE):
        rows = slice(first, first + PIECE)
        times, places, rotmat = map(as_tensors, (motion.times[rows], motion.joints_cam[rows], motion.smpl.rotmat[rows]))
        at = torch.searchsorted(line, times).clamp(max=len(line) - 1)
        said = predicted.part(slice(int(at[0]), int(at[-1]) + 1)).smpl.at(at - at[0])
        theirs = joints(body, said.rotmat, said.betas)
        theirs = theirs - theirs[:, :1] + said.pelvis[:, None]
        yield uncertainty_signs(places, theirs, rotmat, points[rows], camera.K_px, times)
