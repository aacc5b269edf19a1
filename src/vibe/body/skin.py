"""From a shaped and posed body to its surface: linear blend skinning."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.pose import pose_joints
from vibe.body.record import Body
from vibe.body.shape import linear, rest_joints, rest_vertices


def vertices(
    body: Body, rotmat: Float[Tensor, "*b 24 3 3"], betas: Float[Tensor, "*#b 10"]
) -> Float[Tensor, "*b vertex 3"]:
    """The posed surface, metres, about the pelvis at its place of rest."""
    R_world, posed = pose_joints(body, rotmat, betas)
    rest = rest_vertices(body, betas)
    if body.posedirs is not None:
        rest = rest + linear(body.posedirs, pose_feature(rotmat))
    shift = posed - (R_world @ rest_joints(body, betas)[..., None])[..., 0]
    surface = body.weights @ shift
    for axis in range(3):  # one column at a time: a whole 3 x 4 transform for each vertex would cost four times this
        surface = surface + (body.weights @ R_world[..., axis]) * rest[..., axis, None]
    return surface


def pose_feature(rotmat: Float[Tensor, "*b 24 3 3"]) -> Float[Tensor, "*b 207"]:
    """What the pose blend shapes are linear in: rotation minus identity of joints 1 to 23, row by row."""
    identity = torch.eye(3, dtype=rotmat.dtype, device=rotmat.device)
    return (rotmat[..., 1:, :, :] - identity).flatten(-3)
