"""Losses of the generator that reads keypoints, as pure functions of prediction and truth (the paper, equation 1).

Lengths, as the paper writes them, by a perspective camera and of a truth that is known everywhere. The published
reductions (mean squares, masks for what a clip lacks) stand apart in `official`: their weights are for other numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from vibe.body.record import Body
from vibe.records import Theta
from vibe.train.synthesis import FEET, Example, body_points


@dataclass(frozen=True)
class LossConfig:
    """Weight of each term."""

    points: float = 10.0
    """L_3D: distance of joints and keypoints about the pelvis, metres."""
    shape_of_pose: float = 10.0
    """The same in the pelvis' own frame, so that a wrong heading does not hide a right pose."""
    reprojection: float = 3.0
    """L_2D: distance of the projected keypoints, in half crop sides."""
    rotations: float = 0.5
    """L_SMPL, pose: squared difference of the rotation matrices."""
    betas: float = 0.02
    """L_SMPL, shape: squared difference."""
    velocity: float = 20.0
    """Distance of the joints' steps from frame to frame, metres."""
    slide: float = 0.0
    """What a foot that stands moves from frame to frame, metres, the pelvis going its true way."""


def project_in_crop(
    points: Float[Tensor, "batch time point 3"], pred_cam: Float[Tensor, "batch time 3"],
    half_side: Float[Tensor, "batch time"],
) -> Float[Tensor, "batch time point 2"]:  # fmt: skip
    """Perspective view of points about the pelvis by a weak camera, in half crop sides."""
    depth = 1 / (pred_cam[..., 0].clamp_min(0.05) * half_side)
    z = (points[..., 2] + depth[..., None]).clamp_min(0.1) * half_side[..., None]
    return (points[..., :2] + pred_cam[..., None, 1:]) / z[..., None]


def losses(predicted: Theta, truth: Example, body: Body, config: LossConfig) -> dict[str, Float[Tensor, ""]]:
    """Each term times its weight."""
    points = body_points(body, predicted.rotmat, predicted.betas)
    own = points @ predicted.rotmat[..., 0, :, :]
    true_own = truth.points @ truth.rotmat[..., 0, :, :]
    seen = project_in_crop(points[..., 24:, :], predicted.pred_cam, truth.half_side)
    inside = (truth.keypoints_2d.abs().amax(-1) < 2.5).float()
    step = points.diff(dim=-3) - truth.points.diff(dim=-3)
    terms = {
        "points": config.points * _length(points - truth.points).mean(),
        "shape_of_pose": config.shape_of_pose * _length(own - true_own).mean(),
        "reprojection": config.reprojection * (_length(seen - truth.keypoints_2d) * inside).mean(),
        "rotations": config.rotations * (predicted.rotmat - truth.rotmat).square().sum((-1, -2)).mean(),
        "betas": config.betas * (predicted.betas - truth.betas[:, None]).square().sum(-1).mean(),
        "velocity": config.velocity * _length(step).mean(),
    }
    if config.slide:
        terms["slide"] = config.slide * slide(step[..., FEET, :], truth.feet_down)
    return terms


def slide(step: Float[Tensor, "*b step foot 3"], down: Bool[Tensor, "*b step foot"]) -> Float[Tensor, ""]:
    """Mean length of the steps of feet that stand, metres; 0 if none does.

    A step is counted against the true one, which is that of the view where the foot stands still.
    """
    return (_length(step) * down).sum() / down.sum().clamp_min(1)


def _length(vector: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
    """Euclidean norm with a gradient at zero."""
    return (vector.square().sum(-1) + 1e-8).sqrt()
