"""From betas and rotations to joints: the body at rest, forward kinematics, and poses seen in a mirror.

All take tensors or NumPy's arrays, of the body and of the pose the same kind.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float

from vibe import skeletons
from vibe.arrays import Array, concatenate, constant, contiguous, expanded, moved_axis
from vibe.body.record import Body


def rest_joints(body: Body, betas: Float[Array, "*b 10"]) -> Float[Array, "*b joint 3"]:
    """Joints of the shaped body in the T-pose, without touching its vertices."""
    return body.J_template + linear(body.J_shapedirs, betas)


def rest_vertices(body: Body, betas: Float[Array, "*b 10"]) -> Float[Array, "*b vertex 3"]:
    """Vertices of the shaped body in the T-pose."""
    return contiguous(rest_planes(body, betas).mT)


def rest_planes(body: Body, betas: Float[Array, "*b 10"]) -> Float[Array, "*b 3 vertex"]:
    """The same, all x before all y before all z, which is how the body keeps its directions."""
    flat = betas @ planes(body.shapedirs).mT
    flat += body.v_template.mT.reshape(-1)
    return flat.reshape(*betas.shape[:-1], 3, -1)


def shape_of_height(body: Body, betas: Float[Array, "10"], height_m: float) -> Float[Array, "10"]:
    """The likeliest betas of somebody so tall at rest, from the soles to the top of the head, near the given ones."""
    for _ in range(3):  # another vertex may become the topmost or the lowest
        up = rest_planes(body, betas)[1]
        top, sole = int(up.argmax()), int(up.argmin())
        taller = body.shapedirs[top, 1] - body.shapedirs[sole, 1]
        betas = betas + taller * (height_m - (up[top] - up[sole])) / (taller**2).sum()
    return betas


def planes(directions: Float[Array, "vertex 3 n"]) -> Float[Array, "coordinate n"]:
    """Directions of x of all vertices, then y, then z."""
    return directions.swapaxes(0, 1).reshape(-1, directions.shape[-1])


def linear(directions: Float[Array, "row *tail n"], numbers: Float[Array, "*b n"]) -> Float[Array, "*b row width"]:
    """Sum of directions, each times its number; all axes of a row are laid out flat."""
    flat = numbers @ directions.reshape(-1, directions.shape[-1]).mT
    return flat.reshape(*numbers.shape[:-1], len(directions), -1)


def joints(
    body: Body, rotmat: Float[Array, "*b joint 3 3"], betas: Float[Array, "*#b 10"]
) -> Float[Array, "*b joint 3"]:
    """Positions of SMPL's 24 joints, metres; the pelvis stays where it is at rest."""
    return pose_joints(body, rotmat, betas)[1]


def pose_joints(
    body: Body, rotmat: Float[Array, "*b joint 3 3"], betas: Float[Array, "*#b 10"]
) -> tuple[Float[Array, "*b joint 3 3"], Float[Array, "*b joint 3"]]:
    """Rotation of each joint in the world (R_world_joint) and its position, about the pelvis at its place of rest.

    The tree is walked level by level with the joint axis in front, so that each level is a slice and one product.
    """
    rest = expanded(rest_joints(body, betas), (*rotmat.shape[:-2], 3))
    local = contiguous(moved_axis(rotmat, -3, 0))
    bones = moved_axis(rest[..., 1:, :] - rest[..., list(body.parents[1:]), :], -2, 0)[..., None]
    R_world, posed = [local[:1]], [moved_axis(rest[..., :1, :], -2, 0)]
    for first, last, above, low, high in _runs(body.parents):
        R_parent, parent = R_world[above][low:high], posed[above][low:high]
        R_parent = expanded(R_parent, (last - first, *R_parent.shape[1:]))
        R_world.append(R_parent @ local[first:last])
        posed.append(parent + (R_parent @ bones[first - 1 : last - 1])[..., 0])
    return moved_axis(concatenate(R_world), 0, -3), moved_axis(concatenate(posed), 0, -2)


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


def turn_root(R: Float[Array, "*#b 3 3"], rotmat: Float[Array, "*b joint 3 3"]) -> Float[Array, "*b joint 3 3"]:
    """The same poses in axes to which `R` leads: only the root's rotation is another."""
    return concatenate([R[..., None, :, :] @ rotmat[..., :1, :, :], rotmat[..., 1:, :, :]], -3)


def pose_feature(rotmat: Float[Array, "*b 24 3 3"]) -> Float[Array, "*b 207"]:
    """What the pose blend shapes are linear in: rotation minus identity of joints 1 to 23, row by row."""
    moving = rotmat[..., 1:, :, :] - constant(np.eye(3), rotmat)
    return moving.reshape(*rotmat.shape[:-3], 9 * (rotmat.shape[-3] - 1))


def mirror_rotmat(rotmat: Float[Array, "*b 24 3 3"]) -> Float[Array, "*b 24 3 3"]:
    """SMPL's 24 rotations as matrices."""
    flip = constant([1.0, -1.0, -1.0], rotmat)
    return rotmat[..., skeletons.mirrored(skeletons.SMPL), :, :] * flip[:, None] * flip


def mirror_quaternions(quaternions: Float[Array, "*b 24 4"]) -> Float[Array, "*b 24 4"]:
    """SMPL's 24 rotations as quaternions (x, y, z, w)."""
    flip = constant([1.0, -1.0, -1.0, 1.0], quaternions)
    return quaternions[..., skeletons.mirrored(skeletons.SMPL), :] * flip
