"""Which way is up, and how low the feet come, as far as a motion tells."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.body.pose import pose_joints, rest_joints, rest_vertices
from vibe.body.posture import mean_up, posture
from vibe.body.record import Body
from vibe.records import SmplParams
from vibe.skeletons import SMPL

FEET = [SMPL.index(f"{side}_{joint}") for joint in ("ankle", "foot") for side in ("left", "right")]
PICTURE_UP = np.array([0.0, -1.0, 0.0], np.float32)
STEP = np.arange(256, dtype=np.float32)
HEIGHT, TURN = 1 - (2 * STEP + 1) / len(STEP), STEP * np.float32(math.pi * (3 - math.sqrt(5)))
DIRECTIONS = np.stack([np.sqrt(1 - HEIGHT**2) * np.cos(TURN), HEIGHT, np.sqrt(1 - HEIGHT**2) * np.sin(TURN)], 1)
"""Spread evenly over the sphere, along a spiral."""


def upright(joints: Float[ndarray, "frame 24 3"]) -> tuple[Float[ndarray, "3"], int] | None:
    """The direction up, in the camera's frame as the joints are, and the number of frames it was read from.

    None if hardly anybody stands in any frame, or the camera is tilted by more than 60 degrees. Somebody who leans all
    the time can't be told from a camera that is tilted (`vibe.body.posture`).
    """
    return mean_up(*posture(joints), PICTURE_UP)


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
