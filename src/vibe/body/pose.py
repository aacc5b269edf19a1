"""From rotations to joints: forward kinematics."""

from __future__ import annotations

from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.record import Body
from vibe.body.shape import rest_joints


def joints(body: Body, rotmat: Float[Tensor, "*b 24 3 3"], betas: Float[Tensor, "*#b 10"]) -> Float[Tensor, "*b 24 3"]:
    """Positions of SMPL's 24 joints, metres; the pelvis stays where it is at rest."""
    return pose_joints(body, rotmat, betas)[1]


def pose_joints(
    body: Body, rotmat: Float[Tensor, "*b 24 3 3"], betas: Float[Tensor, "*#b 10"]
) -> tuple[Float[Tensor, "*b 24 3 3"], Float[Tensor, "*b 24 3"]]:
    """Rotation of each joint in the world (R_world_joint) and its position, about the pelvis at its place of rest.

    The tree is walked level by level with the joint axis in front, so that each level is a slice and one product.
    """
    rest = rest_joints(body, betas).expand(*rotmat.shape[:-2], 3)
    local = rotmat.movedim(-3, 0).contiguous()
    bones = (rest[..., 1:, :] - rest[..., list(body.parents[1:]), :]).movedim(-2, 0)[..., None]
    R_world, posed = [local[:1]], [rest[..., :1, :].movedim(-2, 0)]
    for first, last, above, low, high in _runs(body.parents):
        R_parent, parent = R_world[above][low:high], posed[above][low:high]
        R_parent = R_parent.expand(last - first, *R_parent.shape[1:])
        R_world.append(R_parent @ local[first:last])
        posed.append(parent + (R_parent @ bones[first - 1 : last - 1])[..., 0])
    return torch.cat(R_world).movedim(0, -3), torch.cat(posed).movedim(0, -2)


@lru_cache
def _runs(parents: tuple[int, ...]) -> list[tuple[int, int, int, int, int]]:
    """Runs of joints [first, last) whose parents are the slice [low, high) of one earlier run, or one joint of it."""
    runs, bounds, first = [], [(0, 1)], 1
    while first < len(parents):
        above = next(index for index, (low, high) in enumerate(bounds) if low <= parents[first] < high)
        low, high = bounds[above]
        step = 0 if parents[first + 1 : first + 2] == (parents[first],) else 1
        last = first + 1
        while last < len(parents) and parents[last] == parents[first] + step * (last - first) < high:
            last += 1
        runs.append((first, last, above, parents[first] - low, parents[last - 1] + 1 - low))
        bounds.append((first, last))
        first = last
    return runs
