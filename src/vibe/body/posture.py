"""How a body is held: its centre of mass over its feet, and which way is up as far as that tells."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from vibe.rotations import unit
from vibe.skeletons import SMPL

SEGMENTS = (
    ("pelvis", "spine3", 0.43, 0.5), ("neck", "head", 0.08, 0.8), ("left_hip", "left_knee", 0.14, 0.43),
    ("right_hip", "right_knee", 0.14, 0.43), ("left_knee", "left_ankle", 0.043, 0.43),
    ("right_knee", "right_ankle", 0.043, 0.43), ("left_ankle", "left_foot", 0.014, 0.5),
    ("right_ankle", "right_foot", 0.014, 0.5), ("left_shoulder", "left_elbow", 0.027, 0.44),
    ("right_shoulder", "right_elbow", 0.027, 0.44), ("left_elbow", "left_wrist", 0.016, 0.43),
    ("right_elbow", "right_wrist", 0.016, 0.43), ("left_wrist", "left_hand", 0.006, 0.5),
    ("right_wrist", "right_hand", 0.006, 0.5),
)  # fmt: skip
"""From joint to joint: share of the body's mass, and how far along its centre lies (Winter, Biomechanics and Motor
Control of Human Movement, table 4.1; the trunk is one)."""
STRAIGHT_KNEE_DEG, STRAIGHT_TRUNK_DEG = 45.0, 25.0
"""By how much knees, and the trunk against the legs, may be bent in somebody who stands or walks."""
STEEPEST_DEG = 60.0
"""By how much a camera may be tilted: who is straight but farther from the picture's up is taken to lie."""
FEWEST = 5
"""Frames of standing that are asked for."""
ROUNDS, NEAREST = 10, 0.02
"""Of the geometric median, and the least distance in it."""


def posture(joints: Float[ndarray, "time 24 3"]) -> tuple[Float[ndarray, "time 3"], Bool[ndarray, "time"]]:
    """Unit vectors from the middle of the feet to the centre of mass, and whether knees and trunk are nearly straight.

    Where they are, which is in people who stand or walk, the vectors' mean over time is up: a body is in balance. On
    the true joints of 24 clips of 2.5 s it misses up by 2 degrees.
    """
    at = {name: joints[:, place] for place, name in enumerate(SMPL)}
    centre = sum(mass * ((1 - along) * at[a] + along * at[b]) for a, b, mass, along in SEGMENTS)
    centre = centre / sum(mass for _, _, mass, _ in SEGMENTS)
    ankles, balls = ((at[f"left_{name}"] + at[f"right_{name}"]) / 2 for name in ("ankle", "foot"))
    bent = [
        _angle_deg(at[f"{side}_knee"] - at[f"{side}_hip"], at[f"{side}_ankle"] - at[f"{side}_knee"])
        for side in ("left", "right")
    ]
    leaning = _angle_deg(at["neck"] - at["pelvis"], at["pelvis"] - ankles)
    straight = (np.maximum(*bent) < STRAIGHT_KNEE_DEG) & (leaning < STRAIGHT_TRUNK_DEG)
    return unit(centre - (ankles + balls) / 2), straight


def mean_up(
    rising: Float[ndarray, "time 3"], upright: Bool[ndarray, "time"], picture_up: Float[ndarray, "3"]
) -> tuple[Float[ndarray, "3"], int] | None:
    """The geometric median of `posture` where somebody is upright, and in how many frames; None of who hardly is.

    Nor of who is farther than `STEEPEST_DEG` from the picture's up.
    """
    directions = rising[upright & (rising @ picture_up > math.cos(math.radians(STEEPEST_DEG)))]
    if len(directions) < FEWEST:
        return None
    middle = directions.mean(0)
    for _ in range(ROUNDS):  # a bow or a lunge hardly moves it
        weight = 1 / np.linalg.norm(directions - middle, axis=-1, keepdims=True).clip(NEAREST)
        middle = (directions * weight).sum(0) / weight.sum()
    return unit(middle), len(directions)


def _angle_deg(one: Float[ndarray, "*b 3"], two: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b"]:
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(one, two), axis=-1), (one * two).sum(-1)))
