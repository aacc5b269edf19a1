"""Which way is up, and how low the feet come, as far as a motion tells."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body import Body, pose_joints, rest_joints, rest_vertices
from vibe.skeletons import SMPL

HIPS, KNEES, ANKLES = (
    [SMPL.index(f"{side}_{joint}") for side in ("left", "right")] for joint in ("hip", "knee", "ankle")
)
NECK = SMPL.index("neck")
FEET = [SMPL.index(f"{side}_{joint}") for joint in ("ankle", "foot") for side in ("left", "right")]
STRAIGHT_KNEE_DEG, STRAIGHT_TRUNK_DEG = 45.0, 25.0
"""By how much knees, and the trunk against the legs, may be bent in somebody who stands or walks."""
STEEPEST_DEG = 45.0
"""By how much a camera may be tilted: who is straight but farther from the picture's up is taken to lie."""
FEWEST = 5
"""Frames of standing that are asked for."""
ROUNDS, NEAREST = 10, 0.02
"""Of the geometric median, and the least distance in it."""
DIRECTIONS = 256


def upright(joints: Float[Tensor, "frame 24 3"]) -> tuple[Float[Tensor, "3"], int] | None:
    """The direction up, in the camera's frame as the joints are, and the number of frames it was read from.

    None if hardly anybody stands in any frame, or the camera is tilted by more than 45 degrees.

    It is the geometric median of the direction from the middle of the ankles to the neck over the frames in which knees
    and trunk are nearly straight. On 151 excerpts of 10 s of motion capture it misses the truth by 2.4 degrees in the
    median, and by 8.0 in one of ten: somebody who leans all the time can't be told from a camera that is tilted.
    """
    ankles = joints[:, ANKLES].mean(1)
    knees = _angle_deg(joints[:, KNEES] - joints[:, HIPS], joints[:, ANKLES] - joints[:, KNEES]).amax(1)
    trunk = _angle_deg(joints[:, NECK] - joints[:, 0], joints[:, 0] - ankles)
    stands = (knees < STRAIGHT_KNEE_DEG) & (trunk < STRAIGHT_TRUNK_DEG)
    directions = torch.nn.functional.normalize(joints[:, NECK] - ankles, dim=-1)
    directions = directions[stands & (-directions[:, 1] > math.cos(math.radians(STEEPEST_DEG)))]
    if len(directions) < FEWEST:
        return None
    middle = directions.mean(0)
    for _ in range(ROUNDS):
        weight = 1 / (directions - middle).norm(dim=-1, keepdim=True).clamp_min(NEAREST)
        middle = (directions * weight).sum(0) / weight.sum()
    return torch.nn.functional.normalize(middle, dim=0), len(directions)


def _angle_deg(one: Float[Tensor, "*b 3"], two: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b"]:
    return torch.rad2deg(torch.atan2(torch.linalg.cross(one, two).norm(dim=-1), (one * two).sum(-1)))


@torch.no_grad()
def lowest_foot(
    body: Body,
    betas: Float[Tensor, "10"],
    rotmat: Float[Tensor, "time 24 3 3"],
    joints: Float[Tensor, "time 24 3"],
    up: Float[Tensor, "3"],
) -> float:
    """The least height that the skin of a foot reaches in any frame, metres along `up`.

    A foot's skin is taken to follow the one joint that carries most of it.
    """
    rest, surface = rest_joints(body, betas), rest_vertices(body, betas)
    R_world_joint, _ = pose_joints(body, rotmat, betas)
    carrier, lowest = body.weights.argmax(1), math.inf
    for foot in FEET:
        around = torch.cat([surface[carrier == foot] - rest[foot], torch.zeros(1, 3)])
        outermost = around[(around @ _directions().mT).argmax(0).unique()]
        heights = (up @ R_world_joint[:, foot]) @ outermost.mT + (joints[:, foot] @ up)[:, None]
        lowest = min(lowest, float(heights.min()))
    return lowest


def _directions() -> Float[Tensor, "direction 3"]:
    """Spread evenly over the sphere, along a spiral."""
    step = torch.arange(DIRECTIONS, dtype=torch.float32)
    height = 1 - (2 * step + 1) / DIRECTIONS
    turn = step * math.pi * (3 - math.sqrt(5))
    across = (1 - height**2).sqrt()
    return torch.stack([across * turn.cos(), height, across * turn.sin()], 1)
