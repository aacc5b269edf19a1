"""Which way is up, and how low the feet come, as far as a motion tells."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.body.pose import pose_joints, rest_joints, rest_vertices
from vibe.body.record import Body
from vibe.records import SmplParams
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
STEP = np.arange(256, dtype=np.float32)
HEIGHT, TURN = 1 - (2 * STEP + 1) / len(STEP), STEP * np.float32(math.pi * (3 - math.sqrt(5)))
DIRECTIONS = np.stack([np.sqrt(1 - HEIGHT**2) * np.cos(TURN), HEIGHT, np.sqrt(1 - HEIGHT**2) * np.sin(TURN)], 1)
"""Spread evenly over the sphere, along a spiral."""


def upright(joints: Float[ndarray, "frame 24 3"]) -> tuple[Float[ndarray, "3"], int] | None:
    """The direction up, in the camera's frame as the joints are, and the number of frames it was read from.

    None if hardly anybody stands in any frame, or the camera is tilted by more than 45 degrees.

    It is the geometric median of the direction from the middle of the ankles to the neck over the frames in which knees
    and trunk are nearly straight. On 151 excerpts of 10 s of motion capture it misses the truth by 2.4 degrees in the
    median, and by 8.0 in one of ten: somebody who leans all the time can't be told from a camera that is tilted.
    """
    ankles = joints[:, ANKLES].mean(1)
    knees = _angle_deg(joints[:, KNEES] - joints[:, HIPS], joints[:, ANKLES] - joints[:, KNEES]).max(1)
    trunk = _angle_deg(joints[:, NECK] - joints[:, 0], joints[:, 0] - ankles)
    stands = (knees < STRAIGHT_KNEE_DEG) & (trunk < STRAIGHT_TRUNK_DEG)
    directions = unit(joints[:, NECK] - ankles)
    directions = directions[stands & (-directions[:, 1] > math.cos(math.radians(STEEPEST_DEG)))]
    if len(directions) < FEWEST:
        return None
    middle = directions.mean(0)
    for _ in range(ROUNDS):
        weight = 1 / np.linalg.norm(directions - middle, axis=-1, keepdims=True).clip(NEAREST)
        middle = (directions * weight).sum(0) / weight.sum()
    return unit(middle), len(directions)


def unit(vectors: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b 3"]:
    """The same directions, of length 1; zero stays zero."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-12)


def _angle_deg(one: Float[ndarray, "*b 3"], two: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b"]:
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(one, two), axis=-1), (one * two).sum(-1)))


def lowest_foot(body: Body, smpl: SmplParams, joints: Float[ndarray, "time 24 3"], up: Float[ndarray, "3"]) -> float:
    """The least height that the skin of a foot reaches in any frame, metres along `up`; `body` is of NumPy's arrays.

    `joints` are where the frame of `up` and of the pelvis's rotation has them. A foot's skin is taken to follow the one
    joint that carries most of it.
    """
    rest, surface = rest_joints(body, smpl.betas), rest_vertices(body, smpl.betas)
    R_world_joint, _ = pose_joints(body, smpl.rotmat, smpl.betas)
    carrier, lowest = body.weights.argmax(1), math.inf
    for foot in FEET:
        around = np.concatenate([surface[carrier == foot] - rest[foot], np.zeros((1, 3), np.float32)])
        outermost = around[np.unique((around @ DIRECTIONS.T).argmax(0))]
        heights = (up @ R_world_joint[:, foot]) @ outermost.T + (joints[:, foot] @ up)[:, None]
        lowest = min(lowest, float(heights.min()))
    return lowest
