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
    transforms = torch.cat([R_world, shift[..., None]], -1).flatten(-2)
    return _skinned(body.weights, transforms, rest.expand(*rotmat.shape[:-3], -1, 3))


def pose_feature(rotmat: Float[Tensor, "*b 24 3 3"]) -> Float[Tensor, "*b 207"]:
    """What the pose blend shapes are linear in: rotation minus identity of joints 1 to 23, row by row."""
    identity = torch.eye(3, dtype=rotmat.dtype, device=rotmat.device)
    return (rotmat[..., 1:, :, :] - identity).flatten(-3)


def _skinned(
    weights: Float[Tensor, "vertex 24"], transforms: Float[Tensor, "*b 24 12"], rest: Float[Tensor, "*b vertex 3"]
) -> Float[Tensor, "*b vertex 3"]:
    """One body at a time: the blended transforms of one stay in the cache, those of a clip would fill the memory."""
    if transforms.ndim == 2:
        blended = (weights @ transforms).unflatten(-1, (3, 4))
        return (blended[..., :3] @ rest[..., None])[..., 0] + blended[..., 3]
    if not len(transforms):
        return torch.zeros_like(rest)
    bodies = zip(transforms, rest, strict=True)
    return torch.stack([_skinned(weights, transform, points) for transform, points in bodies])
