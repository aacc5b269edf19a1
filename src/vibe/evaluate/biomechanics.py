"""Errors of joint angles and of strikes and offs of feet, against a truth that has SMPL's rotations and contacts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vibe.body.pose import rest_joints
from vibe.body.record import Body
from vibe.motion import Motion
from vibe.motion.gait import Gait, gait
from vibe.motion.joint_angles import R_GROUND_SPACE, SIDES, angle_names, joint_angles_deg

ANGLES = ("hip_flexion", "knee_flexion", "ankle_dorsiflexion", "elbow_flexion")
"""Those that are told, of both sides."""
NEAR = 2
"""Frames within which an event counts as found."""
FARTHEST = 10
"""Frames beyond which two events are not the same."""


def angle_errors_deg(
    motion: Motion, rotmat: Float[ndarray, "time 24 3 3"], betas: Float[ndarray, "10"], body: Body
) -> dict[str, Float[Tensor, "_"]]:
    """Of each of `ANGLES`, the error in every frame, of both sides in one row; degrees, from -180 to 180.

    The truth's rotations are at the motion's frames, in a world with z up; `body` is of NumPy's arrays.
    """
    true = joint_angles_deg(rotmat, rest_joints(body, betas), np.array(R_GROUND_SPACE["world"]))
    off = (motion.joint_angles(body).values - true + 180) % 360 - 180
    names = angle_names()
    return {
        name: torch.from_numpy(np.concatenate([off[:, names.index(f"{side}_{name}")] for side in SIDES]))
        for name in ANGLES
    }


def event_errors(motion: Motion, truth: Mapping[str, Tensor], fps: float) -> dict[str, Float[Tensor, "_"]]:
    """`frames`: of each true event, how many frames the found one is off, NaN where there is none. `f1`: in percent, of
    events within `NEAR` frames; NaN where there truly are none and none were found.

    `truth` has `joints_world` and `contacts` at the motion's frames.
    """
    if motion.contacts is None:
        return {name: torch.full((1,), torch.nan, dtype=torch.float64) for name in ("frames", "f1")}
    contacts, joints = (truth[name].double().numpy() for name in ("contacts", "joints_world"))
    true, found = gait(contacts, joints, np.array([0.0, 0.0, 1.0]), motion.times), motion.gait()
    frames = _nearest(true, found, FARTHEST / fps) * fps
    hits, all_events = int((frames <= NEAR + 1e-6).sum()), len(true.events) + len(found.events)
    f1 = 200 * hits / all_events if all_events else np.nan
    return {"frames": torch.from_numpy(frames), "f1": torch.tensor([f1], dtype=torch.float64)}


def _nearest(true: Gait, found: Gait, far: float) -> Float[ndarray, "event"]:
    """Seconds from each true event to the one found that is taken for it, of the same side and kind; NaN for none."""
    off = np.full(len(true.events), np.nan)
    if not true.events or not found.events:
        return off
    cost = np.array([[abs(a - b) if one == two else 1e3 for b, *two in found.events] for a, *one in true.events])
    for row, column in zip(*linear_sum_assignment(cost.clip(max=1e3))):
        if cost[row, column] <= far:
            off[row] = cost[row, column]
    return off
