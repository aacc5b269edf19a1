"""Bodies at their place in the camera's frame: what of a motion needs the whole body, and PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vibe.arrays import as_tensors
from vibe.body.keypoint_regressor import keypoints
from vibe.body.lbs import vertices
from vibe.body.pose import joints, rest_joints
from vibe.body.record import Body
from vibe.records import SmplParams

CHUNK = 64
"""Frames whose vertices are computed at a time."""
LARGEST = 1 << 31
"""Bytes of vertices that are held together."""


@torch.no_grad()
def keypoints_cam(smpl: SmplParams, body: Body, points: str) -> Float[ndarray, "time point 3"]:
    """One of the body's point sets, metres; raises ValueError if the body does not have it."""
    smpl, body = as_tensors(smpl), as_tensors(body)
    return (keypoints(body, smpl.rotmat, smpl.betas, points) + _origin(smpl, body)).numpy()


@torch.no_grad()
def joints_cam(smpl: SmplParams, body: Body) -> Float[ndarray, "time joint 3"]:
    """The body's joints, those of its fingers too if it has them, metres."""
    smpl, body = as_tensors(smpl), as_tensors(body)
    return (joints(body, smpl.rotmat, smpl.betas) + _origin(smpl, body)).numpy()


@torch.no_grad()
def vertices_cam(smpl: SmplParams, body: Body) -> Float[ndarray, "time vertex 3"]:
    """The surface, metres; raises ValueError if it takes more memory than `LARGEST`."""
    shape = (len(smpl.rotmat), *body.v_template.shape)
    size = 4 * shape[0] * shape[1] * shape[2]
    if size > LARGEST:
        raise ValueError(
            f"the vertices of {shape[0]} frames take {size / 1e9:.1f} GB, {LARGEST / 1e9:.1f} at most are held: go "
            "through the motion in parts, as in motion[0.0:10.0].vertices()"
        )
    smpl, body, surface = as_tensors(smpl), as_tensors(body), np.empty(shape, np.float32)
    for start in range(0, shape[0], CHUNK):
        rows = slice(start, start + CHUNK)
        part = smpl.at(rows)
        surface[rows] = (vertices(body, part.rotmat, part.betas) + _origin(part, body)).numpy()
    return surface


def _origin(smpl: SmplParams, body: Body) -> Float[Tensor, "time 1 3"]:
    """Where the body's own origin lies: a posed body leaves its pelvis at its place of rest."""
    return (smpl.pelvis - rest_joints(body, smpl.betas)[..., 0, :])[:, None]
