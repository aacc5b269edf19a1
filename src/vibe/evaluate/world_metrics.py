"""Errors of motion in the world: where people went, whether their feet stood, how the camera was turned.

Metres in; float64 inside. The definitions are those by which WHAM (Shin et al., CVPR 2024), GVHMR (Shen et al.,
SIGGRAPH Asia 2024) and those after them report EMDB-2 and RICH, read from their published evaluation; where a name
alone leaves something open, the docstring says what is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vibe.evaluate.metrics import mpjpe_mm

Moving = Float[Tensor, "time joint 3"]
"""Metres, in a world that does not move."""
CHUNK = 100
"""Frames over which W-MPJPE and WA-MPJPE are taken."""
CONTACT_STEP = 0.010
"""Metres from a frame to the next at 30 a second: a foot's point that moves less is in contact (WHAM, GVHMR)."""
RATE = 30.0
"""Frames a second of the sets on which these numbers are published."""
STANDING = 0.5
"""Probability from which a contact counts as said."""


@dataclass(frozen=True)
class WorldCompared:
    """A person and the camera in the world, as found and as they were, frame by frame; metres.

    The two worlds differ by a rigid motion: each is right-handed, z up, with its floor at 0.
    """

    joints: tuple[Moving, Moving]
    """SMPL's 24, as found and as they were."""
    feet: tuple[Float[Tensor, "time 4 3"], Float[Tensor, "time 4 3"]]
    """Left heel, left big toe, right heel, right big toe: on SMPL's mesh the vertices 3387, 3216, 6787, 6617."""
    soles: Float[Tensor, "time"]
    """Height of the lowest vertex that was found."""
    R_world_cam: tuple[Float[Tensor, "time 3 3"], Float[Tensor, "time 3 3"]]
    """The camera's rotation, as found and as it was."""
    stands: Bool[Tensor, "time 4"]
    """Which of the feet's points truly stand on the floor; none where the set does not say."""
    contacts: Float[Tensor, "time 4"]
    """Probability that was found for it; NaN where nothing was said."""

    @property
    def roots(self) -> tuple[Float[Tensor, "time 3"], Float[Tensor, "time 3"]]:
        """Pelvis joints."""
        predicted, truth = self.joints
        return predicted[:, 0], truth[:, 0]


def w_mpjpe_mm(predicted: Moving, truth: Moving) -> Float[Tensor, "time"]:
    """W-MPJPE of each frame: in every chunk of 100 frames, after the similarity of the joints of its first two.

    Rotation, translation and scale, as in the code of SLAHMR, WHAM and GVHMR; the last chunk is as long as it is.
    """
    return _chunked(predicted, truth, 2)


def wa_mpjpe_mm(predicted: Moving, truth: Moving) -> Float[Tensor, "time"]:
    """WA-MPJPE of each frame: in every chunk of 100 frames, after the similarity of all its joints; scale included."""
    return _chunked(predicted, truth, CHUNK)


def _chunked(predicted: Moving, truth: Moving, seen: int) -> Float[Tensor, "time"]:
    errors = [torch.zeros(0, dtype=torch.float64)]
    for start in range(0, len(truth), CHUNK):
        mine, true = (each[start : start + CHUNK].double() for each in (predicted, truth))
        ends = mine[:seen].flatten(0, 1), true[:seen].flatten(0, 1)
        R, t, scale = cast(tuple[Tensor, Tensor, Tensor], roma.rigid_points_registration(*ends, compute_scaling=True))
        errors.append(mpjpe_mm(scale * mine @ R.mT + t, true))
    return torch.cat(errors)


def rte_percent(predicted: Float[Tensor, "time 3"], truth: Float[Tensor, "time 3"]) -> Float[Tensor, "time"]:
    """Root trajectory error of each frame, in percent of the length of the true path.

    Pelvis joints, after the rotation and translation, without scale, that bring the whole paths closest. The length is
    the sum of the steps from frame to frame; NaN for one who does not move at all.
    """
    predicted, truth = predicted.double(), truth.double()
    R, t = cast(tuple[Tensor, Tensor], roma.rigid_points_registration(predicted, truth))
    length = path_length(truth)
    return 100 * (predicted @ R.mT + t - truth).norm(dim=-1) / length.where(length > 0, torch.nan)


def path_length(root: Float[Tensor, "time 3"]) -> Float[Tensor, ""]:
    """Metres from the first frame to the last, step by step."""
    return root.double().diff(dim=0).norm(dim=-1).sum()


def jitter_10_m_s3(joints: Moving, fps: float) -> Float[Tensor, "_"]:
    """Mean length of the joints' third derivative in the world, in 10 m/s^3: the scale of WHAM's and GVHMR's tables."""
    return joints.double().diff(n=3, dim=0).norm(dim=-1).mean(-1) * fps**3 / 10


def foot_sliding_mm(
    predicted: Float[Tensor, "time foot 3"], truth: Float[Tensor, "time foot 3"], fps: float = RATE
) -> Float[Tensor, "contact"]:
    """Way of each of the feet's points from a frame to the next while the true one is in contact, in millimetres.

    In contact is what truly moves by less than 10 mm a frame; all such steps of all points are in one row. Steps of
    other rates than 30 frames a second are taken for a thirtieth of one.
    """
    step, true_step = (feet.double().diff(dim=0).norm(dim=-1) * (fps / RATE) for feet in (predicted, truth))
    return 1000 * step[true_step < CONTACT_STEP]


def penetration_mm(soles: Float[Tensor, "time"]) -> Float[Tensor, "time"]:
    """How far the lowest vertex is below the floor in each frame; 0 above it (Yuan et al., PhysDiff, ICCV 2023)."""
    return -1000 * soles.double().clamp(max=0)


def floating_mm(soles: Float[Tensor, "time"], stands: Bool[Tensor, "time 4"]) -> Float[Tensor, "standing"]:
    """How far the lowest vertex is above the floor in each frame in which the person truly stands; 0 below it."""
    return 1000 * soles.double()[stands.any(-1)].clamp(min=0)


def floor_tilt_deg(predicted: Float[Tensor, "time 3 3"], truth: Float[Tensor, "time 3 3"]) -> Float[Tensor, "time"]:
    """Angle between the upward direction that was found and the true one, both in the camera's frame.

    Of R_world_cam of worlds with z up.
    """
    up, true_up = (each.double()[:, 2] for each in (predicted, truth))
    return torch.rad2deg(torch.atan2(torch.linalg.cross(up, true_up).norm(dim=-1), (up * true_up).sum(-1)))


def camera_rotation_deg(
    predicted: Float[Tensor, "time 3 3"], truth: Float[Tensor, "time 3 3"]
) -> Float[Tensor, "time"]:
    """Angle by which the camera is turned wrongly in each frame, after the one rotation that fits all frames best."""
    predicted, truth = predicted.double(), truth.double()
    R_truth_predicted = cast(Tensor, roma.special_procrustes((truth @ predicted.mT).sum(0)))
    return torch.rad2deg(roma.rotmat_geodesic_distance(R_truth_predicted @ predicted, truth))


def contact_f1(contacts: Float[Tensor, "time 4"], stands: Bool[Tensor, "time 4"]) -> Float[Tensor, "1"]:
    """F1 of the contacts of all four points of a clip, in percent; NaN where nobody stands, or nothing was said."""
    said, nothing = contacts >= STANDING, contacts.isnan().any()
    hits, wrong = (said & stands).sum().double(), (said ^ stands).sum().double()
    return (100 * 2 * hits / (2 * hits + wrong)).masked_fill(nothing, torch.nan)[None]
