"""From a shaped and posed body to its surface: linear blend skinning.

Products are batched, over coordinates or bodies, because two threads share out a batch and wait for each other inside
one flat product.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.pose import pose_joints, rest_joints, rest_planes
from vibe.body.record import Body

MANY = 64
"""Bodies whose pose blend shapes are one product: their directions are read from memory once for all of them."""
FEW = 16
"""Bodies whose blended transforms are held at once: few enough for the cache, enough to share out to threads."""


def vertices(
    body: Body, rotmat: Float[Tensor, "*b 24 3 3"], betas: Float[Tensor, "*#b 10"]
) -> Float[Tensor, "*b vertex 3"]:
    """The posed surface, metres, about the pelvis at its place of rest."""
    R_world, posed = pose_joints(body, rotmat, betas)
    shift = posed - (R_world @ rest_joints(body, betas)[..., None])[..., 0]
    transforms = torch.cat([R_world, shift[..., None]], -1).movedim(-3, -1).reshape(-1, 12, 24)
    local, betas = rotmat.reshape(-1, 24, 3, 3), betas.expand(*rotmat.shape[:-3], 10).reshape(-1, 10)
    surface = []
    for some in range(0, len(local), MANY):
        rest = _rest(body, local[some : some + MANY], betas[some : some + MANY])
        few = zip(transforms[some : some + MANY].split(FEW), rest.split(FEW), strict=True)
        surface += [_skinned(body.weights, blended, points) for blended, points in few]
    if not surface:
        return rotmat.new_zeros(*rotmat.shape[:-3], *body.v_template.shape)
    return torch.cat(surface).reshape(*rotmat.shape[:-3], *body.v_template.shape)


def pose_feature(rotmat: Float[Tensor, "*b 24 3 3"]) -> Float[Tensor, "*b 207"]:
    """What the pose blend shapes are linear in: rotation minus identity of joints 1 to 23, row by row."""
    identity = torch.eye(3, dtype=rotmat.dtype, device=rotmat.device)
    return (rotmat[..., 1:, :, :] - identity).flatten(-3)


def _rest(
    body: Body, rotmat: Float[Tensor, "body 24 3 3"], betas: Float[Tensor, "body 10"]
) -> Float[Tensor, "body 3 vertex"]:
    """The shaped surface in the T-pose with the pose blend shapes on it."""
    rest = rest_planes(body, betas)
    if body.posedirs is None:
        return rest
    features, directions = pose_feature(rotmat).expand(3, -1, -1), body.posedirs.transpose(0, 1).mT
    return torch.baddbmm(rest.transpose(0, 1), features, directions).transpose(0, 1)


def _skinned(
    weights: Float[Tensor, "vertex 24"], transforms: Float[Tensor, "body 12 24"], rest: Float[Tensor, "body 3 vertex"]
) -> Float[Tensor, "body vertex 3"]:
    """Each vertex moved by the mean of its joints' transforms; all x before all y before all z until the end."""
    blended = torch.bmm(transforms, weights.mT.expand(len(transforms), -1, -1)).unflatten(1, (3, 4))
    moved = torch.addcmul(blended[:, :, 3], blended[:, :, 0], rest[:, :1])
    moved = moved.addcmul_(blended[:, :, 1], rest[:, 1:2]).addcmul_(blended[:, :, 2], rest[:, 2:])
    return moved.mT
