"""The points of the feet that stand on a floor, under each heel and under the toes, and when they do."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import find_objects, label

from vibe.body.pose import pose_joints, rest_joints, rest_vertices
from vibe.body.record import Body
from vibe.records import SmplParams
from vibe.skeletons import SMPL

CARRIERS = [SMPL.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("ankle", "foot")]
"""The joints that carry left heel, left toe, right heel and right toe: the order of all contacts."""
SKIN = 0.012
"""Metres above the sole at rest in which skin counts as part of it, and from the heel's back to the heel's point."""
LEAST = 0.1
"""Seconds that a stance lasts at least."""


def rest_soles(body: Body, betas: Float[ndarray, "10"]) -> Float[ndarray, "4 3"]:
    """Heel and toe of each side as seen from the joint that carries it, at rest, metres.

    The heel's point lies under the back of what the ankle carries, the toe's between the ball of the foot and its tip.
    """
    surface, joints = rest_vertices(body, betas), rest_joints(body, betas)
    carrier, points = body.weights.argmax(1), []
    for joint in CARRIERS:
        skin = surface[carrier == joint]
        skin = skin if len(skin) else joints[joint : joint + 1]
        low = skin[:, 1].min()
        z = skin[skin[:, 1] < low + SKIN, 2]
        heel = SMPL[joint].endswith("ankle")
        along = z.min() + SKIN if heel else (joints[joint, 2] + z.max()) / 2
        points.append(np.array([joints[joint, 0], low, along]) - joints[joint])
    return np.stack(points).astype(np.float32)


def sole_points(
    body: Body, smpl: SmplParams, joints: Float[ndarray, "time 24 3"]
) -> tuple[Float[ndarray, "time 4 3"], Float[ndarray, "time 4 3 3"]]:
    """Left heel, left toe, right heel, right toe where the joints are, and the rotations of what carries them.

    In the frame of the joints and of the pelvis's rotation, metres; `body` is of NumPy's arrays.
    """
    R, _ = pose_joints(body, smpl.rotmat, smpl.betas)
    R_carrier = R[:, CARRIERS]
    return joints[:, CARRIERS] + (R_carrier @ rest_soles(body, smpl.betas)[..., None])[..., 0], R_carrier


def standing_spans(standing: Bool[ndarray, "time"], times: Float[ndarray, "time"]) -> list[slice]:
    """Stretches of at least `LEAST` seconds in which a sole stands."""
    numbered: Any = label(standing)
    spans = [found[0] for found in find_objects(numbered[0])]
    return [span for span in spans if times[span.stop - 1] - times[span.start] >= LEAST]
