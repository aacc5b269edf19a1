"""Losses of the generator that reads keypoints, as pure functions of prediction and truth (the paper, equation 1).

Lengths, as the paper writes them, by a perspective camera. Every term is a mean over all windows; of those without
labels only the reprojection counts, onto the detected keypoints. The published reductions (mean squares) stand apart in
`official`: their weights are for other numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vibe.body.record import Body
from vibe.records import GeneratorOutput
from vibe.skeletons import SMPL
from vibe.synthetic.examples import FEET, Example, example_points


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


def pelvis_of(pred_cam: Float[Tensor, "*b 3"], half_side: Float[Tensor, "*b"]) -> Float[Tensor, "*b 3"]:
    """Where a weak camera of a crop with this half side at unit distance has the pelvis, metres."""
    depth = 1 / (pred_cam[..., 0].clamp_min(0.05) * half_side)
    return torch.cat([pred_cam[..., 1:], depth[..., None]], -1)


def project_weak(
    points: Float[Tensor, "batch time point 3"], pred_cam: Float[Tensor, "batch time 3"],
    half_side: Float[Tensor, "batch time"],
) -> Float[Tensor, "batch time point 2"]:  # fmt: skip
    """Perspective view of points about the pelvis by a weak camera, in half crop sides."""
    placed = points + pelvis_of(pred_cam, half_side)[..., None, :]
    return placed[..., :2] / (placed[..., 2:].clamp_min(0.1) * half_side[..., None, None])


def keypoint_losses(
    predicted: GeneratorOutput, truth: Example, body: Body, config: LossConfig
) -> dict[str, Float[Tensor, ""]]:
    """Each term times its weight."""
    points = example_points(body, predicted.rotmat, predicted.betas)
    own = points @ predicted.rotmat[..., 0, :, :]
    true_own = truth.points @ truth.rotmat[..., 0, :, :]
    step = points.diff(dim=-3) - truth.points.diff(dim=-3)
    known = truth.labelled
    terms = {
        "points": config.points * _mean(_length(points - truth.points), known),
        "shape_of_pose": config.shape_of_pose * _mean(_length(own - true_own), known),
        "reprojection": config.reprojection * reprojection_loss(points[..., len(SMPL) :, :], predicted.pred_cam, truth),
        "rotations": config.rotations * _mean((predicted.rotmat - truth.rotmat).square().sum((-1, -2)), known),
        "betas": config.betas * _mean((predicted.betas - truth.betas[:, None]).square().sum(-1), known),
        "velocity": config.velocity * _mean(_length(step), known),
    }
    if config.slide:
        terms["slide"] = config.slide * slide(step[..., FEET, :], truth.feet_down & known[:, None, None])
    return terms


def reprojection_loss(
    keypoints: Float[Tensor, "batch time 17 3"], pred_cam: Float[Tensor, "batch time 3"], truth: Example
) -> Float[Tensor, ""]:
    """Mean distance to the true keypoints, or by confidence to the detected ones; of those not far outside the crop."""
    known = truth.labelled[:, None, None]
    detected = truth.observation.keypoints
    wanted = torch.where(known[..., None], truth.keypoints_2d, detected[..., :2])
    counts = torch.where(known, 1.0, detected[..., 2]) * (wanted.abs().amax(-1) < 2.5)
    return (_length(project_weak(keypoints, pred_cam, truth.half_side) - wanted) * counts).mean()


def _mean(value: Float[Tensor, "batch *rest"], known: Bool[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Over all windows, those that are not known counting 0."""
    return (value.flatten(1).mean(1) * known).mean()


def slide(step: Float[Tensor, "*b step foot 3"], down: Bool[Tensor, "*b step foot"]) -> Float[Tensor, ""]:
    """Mean length of the steps of feet that stand, metres; 0 if none does.

    A step is counted against the true one, which is that of the view where the foot stands still.
    """
    return (_length(step) * down).sum() / down.sum().clamp_min(1)


def _length(vector: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
    """Euclidean norm with a gradient at zero."""
    return (vector.square().sum(-1) + 1e-8).sqrt()
