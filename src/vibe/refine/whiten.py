"""Better numbers to search in: correlated over time, and each about as stiff as the next.

L-BFGS needs hundreds of steps on the raw offsets, since a jerk costs ten thousand times what a drift does. The
quadratic that the energies nearly are is known for each joint by itself (a band matrix over time: nearness, evidence,
speed, acceleration), and the inverse of its Cholesky factor turns independent numbers into offsets. The minimum stays
where it was; forty evaluations then come as far as four hundred.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras, skeletons
from vibe.refine import priors, published
from vibe.refine.priors import Evidence

COUNT = len(skeletons.COCO)
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
        return len(self.ray) * 75 + 10


def whitening(
    joints: Float[Tensor, "time 24 3"], trans: Float[Tensor, "time 3"], evidence: Evidence, weights: Mapping[str, float]
) -> Whitening:
    """Built at the start of the fit, from its joints and pelvis (camera axes, metres) and the energies' weights."""
    times = evidence.times.double()
    speed = times.diff()
    velocity = torch.eye(len(times), dtype=torch.float64, device=times.device).diff(dim=0) / speed[:, None]
    bend = velocity.diff(dim=0) / ((speed[1:] + speed[:-1]) / 2)[:, None]
    steady, smooth = velocity.mT @ velocity, bend.mT @ bend
    pull = _pull(evidence, weights)
    moved, seen = _levers(joints.double())
    still = weights.get("nearness", 0.0) / priors.doubt().to(times).square() + weights.get("pose_prior", 0.0) * USUAL
    drag = weights.get("joint_acceleration", 0.0) * moved
    offset = (still.clamp_min(LEAST)[:, None] + seen[:, None] * pull).diag_embed()
    offset = offset + weights.get("steadiness", 0.0) * steady + drag[:, None, None] * smooth
    root = weights.get("root_acceleration", 0.0) * smooth
    metres = published.FOCAL_PX / (evidence.K_px[0, 0] * published.zoom(evidence)).double()
    fixed = weights.get("depth", 0.0) * metres.square()
    across = (COUNT * pull + 0.1).diag_embed() + root
    along = (COUNT * pull * ALONG + fixed + 0.1).diag_embed() + root
    betas = len(times) * weights.get("shape", 0.0) + COUNT * float(pull.sum()) * SHAPED
    ray = trans / trans[:, 2:].clamp_min(0.01)
    return Whitening(
        offset=_inverse_root(offset).to(trans),
        across=_inverse_root(across).to(trans),
        along=_inverse_root(along).to(trans),
        ray=ray,
        betas=(betas + 1e-3) ** -0.5,
    )


def _pull(evidence: Evidence, weights: Mapping[str, float]) -> Float[Tensor, "time"]:
    """Stiffness of a keypoint across the picture in each frame, per metre squared at the person's depth."""
    confidence = evidence.keypoints_px[..., 2].double()
    seen = confidence.square().sum(-1) / COUNT
    torso = (confidence[:, evidence.torso] > 0).all(-1) * len(evidence.torso) / COUNT
    crop = (published.CROP_PX / cameras.CROP_SCALE / priors.HEIGHT) ** 2
    robust = weights.get("reprojection", 0.0) * CURVATURE / (priors.ROBUST * priors.HEIGHT) ** 2
    return (robust + weights.get("crop_reprojection", 0.0) * crop) * seen + weights.get("torso", 0.0) * crop * torso


def _levers(joints: Float[Tensor, "time 24 3"]) -> tuple[Float[Tensor, "24"], Float[Tensor, "24"]]:
    """For each joint, the squares of the levers by which it turns all joints after it, and all keypoints; summed.

    Two thirds of them: the part across the axis, on average.
    """
    square = (joints[:, :, None] - joints[:, None]).square().sum(-1).mean(0) * _AFTER.to(joints) * 2 / 3
    return square.sum(-1), (square * _SHOWN.to(joints)).sum(-1)


def _inverse_root(stiffness: Float[Tensor, "*b n n"]) -> Float[Tensor, "*b n n"]:
    """The transposed inverse of the Cholesky factor."""
    root = torch.linalg.cholesky(stiffness)
    identity = torch.eye(root.shape[-1], dtype=root.dtype, device=root.device)
    return torch.linalg.solve_triangular(root, identity, upper=False).mT.contiguous()


def _after() -> Float[Tensor, "24 24"]:
    """1 where the column's joint comes after the row's in the body's tree."""
    table = torch.zeros(24, 24)
    for joint in range(24):
        above = skeletons.SMPL_PARENTS[joint]
        while above >= 0:
            table[above, joint] = 1
            above = skeletons.SMPL_PARENTS[above]
    return table


_AFTER = _after()
_SHOWN = torch.tensor([5.0 if name == "head" else float(name in skeletons.LIMBS) for name in skeletons.SMPL])
