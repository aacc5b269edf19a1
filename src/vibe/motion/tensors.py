"""From tensors to a finished motion, which holds NumPy's arrays."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras
from vibe.arrays import as_numpy
from vibe.body.pose import joints, rest_joints
from vibe.body.record import Body
from vibe.distortion import distort
from vibe.motion.record import Motion
from vibe.records import Camera, SmplParams, Track

CHUNK = 3000
"""Frames whose joints are computed at a time: an hour then takes little more memory than a minute."""


def to_motion(smpl: SmplParams, track: Track, times: Float[Tensor, "time"], camera: Camera, body: Body) -> Motion:
    """A finished motion in NumPy's arrays, with the weak camera of each box, joints in space and in the picture.

    `smpl` is of tensors in the camera's frame, metres, at the frames of the track; its betas are one shape [10], or one
    a frame [time, 10], whose mean is then the one shape of the motion. `times` are seconds in the video. The arrays
    share the memory of tensors that are on the CPU.
    """
    at_rest = rest_joints(body, smpl.betas)[..., 0, :]
    parts = [smpl.at(slice(first, first + CHUNK)) for first in range(0, max(1, len(times)), CHUNK)]
    points = torch.cat([joints(body, part.rotmat, part.betas) for part in parts])
    points = points - at_rest[..., None, :] + smpl.pelvis[:, None]
    seen = torch.cat([track.keypoints_px[..., :2], track.keypoints_px[..., 2:].clamp_max(1.0)], -1)
    still = smpl.betas.ndim == 1
    arrays = {
        "frames": track.frames,
        "times": times,
        "box_px": track.box_px,
        "smpl": SmplParams(smpl.rotmat, smpl.betas if still else smpl.betas.mean(0), smpl.pelvis),
        "transl": smpl.pelvis - at_rest,
        "pred_cam": cameras.weak_from_translation(distort(smpl.pelvis - at_rest, camera), track.box_px, camera.K_px),
        "joints_cam": points,
        "joints_px": cameras.project(distort(points, camera), camera.K_px),
        "keypoints_px": seen,
        "confidence": seen[..., 2].mean(-1),
        "betas_per_frame": None if still else smpl.betas,
    }
    return Motion(**as_numpy(arrays), body=body.origin)
