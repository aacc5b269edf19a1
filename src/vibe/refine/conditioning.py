"""Where the fit may speak, and in which numbers it searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras, skeletons
from vibe.refine import energies, energies_paper
from vibe.refine.energies import FitEvidence
from vibe.skeletons import SMPL_JOINTS

COUNT = len(skeletons.COCO)
CARRIED = {"pinky": "wrist", "index": "wrist", "thumb": "wrist", "heel": "ankle", "toes": "foot"}
"""The joint whose rotation moves a point of a hand or a foot."""
SURE = 0.3
"""Confidence from which a keypoint counts as seen in full."""
FADE = 0.5
"""Seconds over which a correction fades away from the last frame in which the joint's keypoints were seen."""


def trust_weights(keypoints_px: Float[Tensor, "time point 3"]) -> Float[Tensor, "time 24"]:
    """How far each joint's correction rests on evidence: 1 where a keypoint that it moves is seen, 0 where none is.

    Of COCO's points, or `skeletons.DETECTED27`, which begin with them.
    The first column, the pelvis's, tells whether anything of the person is seen.
    """
    sure = (keypoints_px[..., 2] / SURE).clamp(0, 1)
    return (sure[:, None] * _MOVES[:, : sure.shape[1]].to(sure)).amax(-1)


def visible_reach(share: Float[Tensor, "time joint"], times: Float[Tensor, "time"]) -> Float[Tensor, "time joint"]:
    """1 where there is any evidence, fading over `FADE` seconds to an exact 0. Times in seconds."""
    most = (share > 0).to(share)
    for here, there, _, fade in _neighbours(times):
        most[here] = torch.maximum(most[here], fade.to(share) * (share[there] > 0))
    return most


def bridge(
    change: Float[Tensor, "time joint d"], share: Float[Tensor, "time joint"], times: Float[Tensor, "time"]
) -> Float[Tensor, "time joint d"]:
    """Changes as they are where `share` is 1; where it is less, the rest comes from the trusted frames nearby.

    Their mean, the nearest counting most, fades over `FADE` seconds; beyond it stands an exact 0. Times in seconds.
    """
    total, weight, most = torch.zeros_like(change), torch.zeros_like(share), torch.zeros_like(share)
    for here, there, lag, fade in _neighbours(times):
        faded = fade.to(share) * share[there]
        total[here] += (faded / lag**2)[..., None] * change[there]
        weight[here] += faded / lag**2
        most[here] = torch.maximum(most[here], faded)
    mean = total / weight.clamp_min(1e-9)[..., None] * most[..., None]
    return torch.lerp(mean, change, share[..., None])


def _neighbours(times: Float[Tensor, "time"]) -> Iterator[tuple[slice, slice, int, Float[Tensor, "n 1"]]]:
    """Frames, those so many before or after them, how many that is, and what is left of a change on the way."""
    for lag in range(1, len(times)):
        apart = times[lag:] - times[:-lag]
        if float(apart.min()) >= FADE:
            return
        left = (1 - apart / FADE).clamp(0, 1)
        fade = (left**2 * (3 - 2 * left))[:, None]  # without a kink at either end
        yield slice(lag, None), slice(None, -lag), lag, fade
        yield slice(None, -lag), slice(lag, None), lag, fade


def _above() -> Float[Tensor, "24 24"]:
    """1 where the row's joint lies above the column's in the body's tree."""
    table = torch.zeros(SMPL_JOINTS, SMPL_JOINTS)
    for joint, parent in enumerate(skeletons.SMPL_PARENTS[1:], 1):
        table[:, joint] = table[:, parent]
        table[parent, joint] = 1
    return table


def _mover(point: str) -> int:
    """The last joint whose rotation moves a keypoint: the one above a limb's, for the face the head."""
    if point in skeletons.LIMBS:
        return skeletons.SMPL_PARENTS[skeletons.SMPL.index(point)]
    side, part = point.split("_") if "_" in point else ("", point)
    return skeletons.SMPL.index(f"{side}_{CARRIED[part]}" if part in CARRIED else "head")


_ABOVE = _above()
_MOVES = (_ABOVE + torch.eye(SMPL_JOINTS))[:, [_mover(point) for point in skeletons.DETECTED27]]


CURVATURE = 0.3
"""Mean curvature of the robust reprojection, as a fraction of that at its bottom."""
ALONG = 0.02
"""Stiffness of the depth, as a fraction of that across the picture."""
USUAL = 6.0
"""Mean stiffness of a pose prior in one angle, per radian squared."""
LEAST = 0.01
"""Of an angle that no energy holds, per radian squared."""
SHAPED = 0.01
"""Square of how far a beta of 1 moves a keypoint in the picture, metres squared at the person's depth."""


@dataclass(frozen=True)
class Whitening:
    """Maps from numbers of unit stiffness to what the fit changes."""

    offset: Float[Tensor, "24 time time"]
    across: Float[Tensor, "time time"]
    along: Float[Tensor, "time time"]
    ray: Float[Tensor, "time 3"]
    """Line of sight through the start's pelvis, at z = 1."""
    betas: float

    @property
    def size(self) -> int:
        """How many numbers there are."""
        return len(self.ray) * 3 * (SMPL_JOINTS + 1) + 10


def whitening(
    joints: Float[Tensor, "time 24 3"],
    trans: Float[Tensor, "time 3"],
    evidence: FitEvidence,
    weights: Mapping[str, float],
) -> Whitening:
    """Built at the start of the fit, from its joints and pelvis (camera axes, metres) and the energies' weights."""
    # In float64: `smooth` holds some 5e6 at 30 moments a second, beside which float32 would lose `LEAST`.
    times = evidence.times.double()
    speed = times.diff()
    velocity = torch.eye(len(times), dtype=torch.float64, device=times.device).diff(dim=0) / speed[:, None]
    bend = velocity.diff(dim=0) / ((speed[1:] + speed[:-1]) / 2)[:, None]
    steady, smooth = velocity.mT @ velocity, bend.mT @ bend
    pull, sideways = _pull(evidence, weights), ALONG * _pull(evidence, weights)
    for view in evidence.others:
        # a camera that stands elsewhere holds the depth as firmly as its line of sight lies across this one's
        there = _pull(view.seen, weights)
        sight = trans @ view.R_view_cam.mT + view.t_view_cam
        cosine = torch.nn.functional.cosine_similarity(trans @ view.R_view_cam.mT, sight, dim=-1).double()
        pull, sideways = pull + there, sideways + there * (1 - (1 - ALONG) * cosine.square())
    ends = evidence.keypoints_px[:, COUNT:, 2].square().sum() / max(evidence.keypoints_px[:, COUNT:, 2].numel(), 1)
    moved, seen = _levers(joints.double(), _SHOWN + float(ends) * _ENDS)
    still = weights.get("nearness", 0.0) / energies.doubt().to(times).square() + weights.get("pose_prior", 0.0) * USUAL
    drag = weights.get("joint_acceleration", 0.0) * moved
    offset = (still.clamp_min(LEAST)[:, None] + seen[:, None] * pull).diag_embed()
    offset = offset + weights.get("steadiness", 0.0) * steady + drag[:, None, None] * smooth
    root = weights.get("root_acceleration", 0.0) * smooth
    metres = cameras.CROP_FOCAL_PX / (evidence.K_px[0, 0] * energies_paper.zoom(evidence)).double()
    fixed = weights.get("depth", 0.0) * metres.square()
    across = (COUNT * pull + 0.1).diag_embed() + root
    along = (COUNT * sideways + fixed + 0.1).diag_embed() + root
    betas = len(times) * weights.get("shape", 0.0) + COUNT * float(pull.sum()) * SHAPED
    ray = trans / trans[:, 2:].clamp_min(0.01)
    return Whitening(
        offset=_inverse_root(offset).to(trans),
        across=_inverse_root(across).to(trans),
        along=_inverse_root(along).to(trans),
        ray=ray,
        betas=(betas + 1e-3) ** -0.5,
    )


def _pull(evidence: FitEvidence, weights: Mapping[str, float]) -> Float[Tensor, "time"]:
    """Stiffness of a keypoint across the picture in each frame, per metre squared at the person's depth."""
    confidence = evidence.keypoints_px[..., 2].double()
    seen, sure = (confidence.pow(power).sum(-1) / COUNT for power in (2, 4))
    torso = (confidence[:, evidence.torso] > 0).all(-1) * len(evidence.torso) / COUNT
    crop = (cameras.CROP_PX / cameras.CROP_SCALE / energies.HEIGHT) ** 2
    robust = weights.get("reprojection", 0.0) * CURVATURE / (energies.ROBUST * energies.HEIGHT) ** 2
    crops = weights.get("crop_reprojection", 0.0) * seen + weights.get("torso", 0.0) * torso
    return robust * sure + crop * crops


def _levers(
    joints: Float[Tensor, "time 24 3"], shown: Float[Tensor, "24"]
) -> tuple[Float[Tensor, "24"], Float[Tensor, "24"]]:
    """For each joint, the squares of the levers by which it turns all joints after it, and all keypoints; summed.

    Two thirds of them: the part across the axis, on average.
    """
    square = (joints[:, :, None] - joints[:, None]).square().sum(-1).mean(0) * _ABOVE.to(joints) * 2 / 3
    return square.sum(-1), (square * shown.to(joints)).sum(-1)


def _inverse_root(stiffness: Float[Tensor, "*b n n"]) -> Float[Tensor, "*b n n"]:
    """The transposed inverse of the Cholesky factor."""
    root = torch.linalg.cholesky(stiffness)
    identity = torch.eye(root.shape[-1], dtype=root.dtype, device=root.device)
    return torch.linalg.solve_triangular(root, identity, upper=False).mT.contiguous()


_SHOWN = torch.tensor([5.0 if name == "head" else float(name in skeletons.LIMBS) for name in skeletons.SMPL])
_ENDS = torch.tensor([{"hand": 3.0, "foot": 2.0}.get(name.split("_")[-1], 0.0) for name in skeletons.SMPL])
