"""Errors of 3D joints and surfaces: float64 inside, batched, never across a gap in time; and of joint angles and of
strikes and offs of feet, against a truth that has SMPL's rotations and contacts.

Metres in, millimetres out, one number for each frame; means are taken by who counts (`vibe.evaluate.scores`). What is
measured over several frames is not a number (NaN) where a frame between them is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from vibe.body.lbs import vertices
from vibe.body.pose import rest_joints
from vibe.body.record import Body
from vibe.motion import Motion
from vibe.motion.gait import Gait, gait
from vibe.motion.joint_angles import R_GROUND_SPACE, SIDES, angle_names, joint_angles_deg
from vibe.records import SmplParams

Joints = Float[Tensor, "*b joint 3"]
"""Metres."""
Moving = Float[Tensor, "*b time joint 3"]
"""Metres."""
Frames = Int[Tensor, "*#b time"] | None
"""Places in the video; None where each follows the one before."""
HIPS = (2, 3)
"""Right and left among the 14 evaluation joints; their mean is what MPJPE and the acceleration call the pelvis."""
ONE_POINT = 1e-20
"""Square metres: joints whose squared distances from their mean sum to less are one point, and rounding."""
PCK_MM = 150.0
"""A joint within this distance is correct: half a head (Mehta et al., 3DV 2017, section 6)."""
AUC_MM = tuple(range(0, 151, 5))
"""The 31 thresholds from 0 to 150 mm whose PCK is averaged, as MPI-INF-3DHP's own evaluation does."""
SLOWEST = 0.15
"""Metres a second: a foot that is slower stands."""


def root_centred(points: Float[Tensor, "*b point 3"], centre: Sequence[int] = HIPS) -> Float[Tensor, "*b point 3"]:
    """The points seen from the mean of some of them."""
    return points - points[..., list(centre), :].mean(-2, keepdim=True)


def mpjpe_mm(predicted: Joints, truth: Joints) -> Float[Tensor, "*b"]:
    """Mean distance of joints, or vertices, as they stand; align joints first (Ionescu et al., PAMI 2014)."""
    return _lengths_mm(predicted.double() - truth.double())


def pa_mpjpe_mm(predicted: Joints, truth: Joints) -> Float[Tensor, "*b"]:
    """The mean distance after the similarity that brings each frame closest to the truth (Gower, 1975)."""
    return _lengths_mm(procrustes_aligned(predicted, truth) - truth.double())


def procrustes_aligned(predicted: Joints, truth: Joints) -> Joints:
    """The prediction after the similarity (scale, rotation, translation; no reflection) that brings it closest.

    Metres, float64. Where all joints of a frame are one point, that point lands on the mean of the truth.
    """
    predicted, truth = predicted.double(), truth.double()
    predicted_mean, truth_mean = predicted.mean(-2, keepdim=True), truth.mean(-2, keepdim=True)
    source, target = predicted - predicted_mean, truth - truth_mean
    rotation = cast(Tensor, roma.special_procrustes(target.mT @ source))
    turned = source @ rotation.mT
    size = source.square().sum((-2, -1))
    scale = (turned * target).sum((-2, -1)) / size.where(size > ONE_POINT, torch.inf)
    return scale[..., None, None] * turned + truth_mean


def pck(predicted: Joints, truth: Joints) -> Float[Tensor, "*b"]:
    """Percentage of the joints that lie within `PCK_MM` of the truth as they stand (Mehta et al., 3DV 2017)."""
    return (_distances_mm(predicted, truth) <= PCK_MM).double().mean(-1) * 100


def auc(predicted: Joints, truth: Joints) -> Float[Tensor, "*b"]:
    """Area under the curve: the mean of the percentage of correct joints over the thresholds `AUC_MM`."""
    distances = _distances_mm(predicted, truth)
    passed = len(AUC_MM) - torch.searchsorted(distances.new_tensor(AUC_MM), distances)
    return passed.double().mean(-1) * (100 / len(AUC_MM))


def acceleration_mm(joints: Moving, frames: Frames = None) -> Float[Tensor, "*b _"]:
    """Mean length of the second differences, in millimetres per frame squared (Kanazawa et al., CVPR 2019).

    Metres per second squared are this times the square of the frame rate, over 1000.
    """
    return _where_unbroken(_lengths_mm(joints.double().diff(n=2, dim=-3)), frames, 2)


def acceleration_error_mm(predicted: Moving, truth: Moving, frames: Frames = None) -> Float[Tensor, "*b _"]:
    """Mean distance of the second differences, in millimetres per frame squared (Kanazawa et al., CVPR 2019)."""
    return acceleration_mm(predicted.double() - truth.double(), frames)


def jitter_mm(joints: Moving, frames: Frames = None) -> Float[Tensor, "*b _"]:
    """Mean length of the third differences, in millimetres per frame cubed (Yi et al., CVPR 2022, section 4).

    Metres per second cubed are this times the cube of the frame rate, over 1000.
    """
    return _where_unbroken(_lengths_mm(joints.double().diff(n=3, dim=-3)), frames, 3)


def foot_slide_mm(predicted: Moving, truth: Moving, fps: float, frames: Frames = None) -> Float[Tensor, "*b _"]:
    """How far the predicted feet travel from one frame to the next while the true ones stand, in millimetres.

    A foot stands while it is slower than `SLOWEST`; NaN where none does. Both in a frame of reference that does not
    move. After the foot skating of He et al. (NeMF, NeurIPS 2022), with the contact read off the truth.
    """
    way, true_way = (feet.double().diff(dim=-3).norm(dim=-1) for feet in (predicted, truth))
    stands = true_way * fps < SLOWEST
    return _where_unbroken((way * stands).sum(-1) / stands.sum(-1) * 1000, frames, 1)


def _where_unbroken(errors: Float[Tensor, "*b step"], frames: Frames, order: int) -> Float[Tensor, "*b step"]:
    """NaN where `order` + 1 neighbours don't follow each other: at a gap, or another clip's beginning."""
    if frames is None or not errors.shape[-1]:
        return errors
    return errors.where((frames.diff(dim=-1) == 1).unfold(-1, order, 1).all(-1), torch.nan)


def _distances_mm(predicted: Joints, truth: Joints) -> Float[Tensor, "*b joint"]:
    return (predicted.double() - truth.double()).norm(dim=-1) * 1000


def _lengths_mm(vectors: Float[Tensor, "*b point 3"]) -> Float[Tensor, "*b"]:
    return vectors.norm(dim=-1).mean(-1) * 1000


PIECE = 32
"""Frames whose surfaces are held at once: few enough for the cache."""


@dataclass(frozen=True)
class PosedBodies:
    """A body in the shapes and poses of a clip."""

    body: Body
    smpl: SmplParams


def has_one_mesh(predicted: Body, truth: Body) -> bool:
    """Whether the vertices of one body stand for those of the other."""
    return predicted.faces.shape == truth.faces.shape and bool((predicted.faces == truth.faces).all())


@torch.no_grad()
def surface_errors_mm(predicted: PosedBodies, truth: PosedBodies) -> dict[str, Float[Tensor, "time"]]:
    """Per-vertex error of each frame, by the metric's name.

    `pve_mm` brings both together at the pelvis joint. `pve_unaligned_mm` leaves them about each body's own origin, as
    the published evaluator does.
    """
    found: dict[str, list[Tensor]] = {"pve_mm": [], "pve_unaligned_mm": []}
    for start in range(0, len(truth.smpl.rotmat), PIECE):
        (mine, my_pelvis), (true, its_pelvis) = (_piece(each, start) for each in (predicted, truth))
        found["pve_unaligned_mm"].append(mpjpe_mm(mine, true))
        found["pve_mm"].append(mpjpe_mm(mine - my_pelvis, true - its_pelvis))
    none = truth.smpl.rotmat.new_zeros(0, dtype=torch.float64)
    return {name: torch.cat([none, *errors]) for name, errors in found.items()}


def _piece(posed: PosedBodies, start: int) -> tuple[Float[Tensor, "part vertex 3"], Float[Tensor, "*part 1 3"]]:
    smpl = posed.smpl.at(slice(start, start + PIECE))
    return vertices(posed.body, smpl.rotmat, smpl.betas), rest_joints(posed.body, smpl.betas)[..., :1, :]


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
