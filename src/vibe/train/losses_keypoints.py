"""Losses of the generator that reads keypoints, as pure functions of prediction and truth (the paper, equation 1).

Lengths, as the paper writes them, by a perspective camera. Every term is a mean over all windows; of those without
labels only the reprojection counts, onto the detected keypoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vibe.body.pose import rest_joints
from vibe.body.record import Body
from vibe.records import GeneratorOutput
from vibe.skeletons import SMPL, index
from vibe.synthetic.examples import Example, example_points


@dataclass(frozen=True)
class LossConfig:
    """Weight of each term."""

    points: float = 10.0
    """L_3D: distance of joints and keypoints about the pelvis, metres."""
    shape_of_pose: float = 10.0
    """The same in the pelvis' own frame, so that a wrong heading does not hide a right pose."""
    reprojection: float = 3.0
    """L_2D: distance of the projected keypoints, in half crop sides."""
    rotations: float = 1.0
    """L_SMPL, pose: angle between predicted and true local rotations, radians; no mean of two answers wins it."""
    betas: float = 0.02
    """L_SMPL, shape: squared difference."""
    rest: float = 20.0
    """Distance of the joints of both bodies at rest, about the pelvis, metres."""
    flexion: float = 1.0
    """Difference of the flexion of knees and elbows, radians."""
    velocity: float = 20.0
    """Distance of the joints' displacements over some frames, metres; over n of them divided by the root of n."""
    speed: float = 10.0
    """Difference of the lengths of these displacements, metres; who damps a motion whose direction is doubtful pays."""
    acceleration: float = 10.0
    """Distance of the changes of these displacements, metres."""


MOST_TURNED = 0.999
"""Sine of the half angle from which on a rotation's error pulls no more: at half a turn its gradient has no bound."""
STRIDES = (1, 2, 4, 8)
"""Frames over which displacements are compared; windows shorter than twice a stride go without it."""
HINGES = tuple(
    index(SMPL, [f"{side}_{joint}" for joint in joints for side in ("left", "right")])
    for joints in (("hip", "shoulder"), ("knee", "elbow"), ("ankle", "wrist"))
)
"""Upper ends, hinges and lower ends of thighs with shanks and of upper arms with forearms."""


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
    """Each term times its weight.

    Where the truth is known, shapes are learnt from the terms of shape alone: the best answer to a doubtful limb is a
    short one, so that of poses people would learn to be small.
    """
    known = truth.labelled
    shaped = torch.where(known[:, None, None], predicted.betas.detach(), predicted.betas)
    points = example_points(body, predicted.rotmat, shaped)
    rest, true_rest = rest_joints(body, predicted.betas), rest_joints(body, truth.betas)[:, None]
    apart = (rest - rest[..., :1, :]) - (true_rest - true_rest[..., :1, :])
    own = points @ predicted.rotmat[..., 0, :, :]
    true_own = truth.points @ truth.rotmat[..., 0, :, :]
    angle = roma.rotmat_geodesic_distance(predicted.rotmat, truth.rotmat, clamping=MOST_TURNED)
    bent = flexion(points) - flexion(truth.points)
    terms = {
        "points": config.points * _mean(_length(points - truth.points), known),
        "shape_of_pose": config.shape_of_pose * _mean(_length(own - true_own), known),
        "reprojection": config.reprojection * reprojection_loss(points[..., len(SMPL) :, :], predicted.pred_cam, truth),
        "rotations": config.rotations * _mean(angle, known),
        "betas": config.betas * _mean((predicted.betas - truth.betas[:, None]).square().sum(-1), known),
        "rest": config.rest * _mean(_length(apart), known),
        "flexion": config.flexion * _mean(bent.abs(), known),
    }
    for name, moved in motion_errors(points, truth.points).items():
        terms[name] = getattr(config, name) * _mean(moved, known)
    return terms


def motion_errors(
    points: Float[Tensor, "batch time point 3"], truth: Float[Tensor, "batch time point 3"]
) -> dict[str, Float[Tensor, "batch _"]]:
    """Errors of displacement, speed and acceleration by window, metres, those of all strides side by side."""
    errors: dict[str, list[Tensor]] = {"velocity": [], "speed": [], "acceleration": []}
    for stride in (each for each in STRIDES if 2 * each < points.shape[1]):
        moved, wanted = ((each[:, stride:] - each[:, :-stride]) / stride**0.5 for each in (points, truth))
        apart = moved - wanted
        errors["velocity"].append(_length(apart))
        errors["speed"].append((_length(moved) - _length(wanted)).abs())
        errors["acceleration"].append(_length(apart[:, stride:] - apart[:, :-stride]))
    return {name: torch.cat([each.flatten(1).mean(1, True) for each in found], 1) for name, found in errors.items()}


def flexion(points: Float[Tensor, "*b point 3"]) -> Float[Tensor, "*b 4"]:
    """Flexion of left and right knee and elbow, radians, of SMPL's joints (and what follows them); 0 if straight."""
    upper, hinge, lower = (points[..., each, :] for each in HINGES)
    above, below = hinge - upper, lower - hinge
    return torch.atan2(_length(torch.linalg.cross(above, below)), (above * below).sum(-1))


def reprojection_loss(
    keypoints: Float[Tensor, "batch time 27 3"], pred_cam: Float[Tensor, "batch time 3"], truth: Example
) -> Float[Tensor, ""]:
    """Mean distance to the true keypoints, or by confidence to the detected ones; of those not far outside the crop."""
    known = truth.labelled[:, None, None]
    detected = truth.evidence.keypoints
    wanted = torch.where(known[..., None], truth.keypoints_2d, detected[..., :2])
    counts = torch.where(known, 1.0, detected[..., 2]) * (wanted.abs().amax(-1) < 2.5)
    return (_length(project_weak(keypoints, pred_cam, truth.half_side) - wanted) * counts).mean()


def _mean(value: Float[Tensor, "batch *rest"], known: Bool[Tensor, "batch"]) -> Float[Tensor, ""]:
    """Over all windows, those that are not known counting 0."""
    return (value.flatten(1).mean(1) * known).mean()


def _length(vector: Float[Tensor, "*b n"]) -> Float[Tensor, "*b"]:
    """Euclidean norm with a gradient at zero."""
    return (vector.square().sum(-1) + 1e-8).sqrt()
