"""Losses as pure functions of prediction and truth: the published model's, those of the generator that reads keypoints,
and those of what the paper compares with.

The published model's are the paper's equation 1 with the reductions of its implementation: the paper writes norms; what
was trained are mean squares, and the weights belong to those. Evidence that a frame lacks is masked, so clips with 2D
keypoints only and clips with everything lie in one batch.

Those of keypoints are lengths, as the paper writes them, by a perspective camera. Every term is a mean over all
windows; of those without labels only the reprojection counts, onto the detected keypoints.

The paper compares with past and future (Kanazawa et al. 2019) and shuffled order (Sun et al. 2019): their networks
train beside the generator, teach its encoder, and are not part of the weights that ship.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

import roma
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from vibe.arrays import converted
from vibe.body.pose import rest_joints
from vibe.body.record import Body
from vibe.data.windows import Annotation
from vibe.evaluate.metrics import root_centred
from vibe.models.attention import OrderConfig, OrderRecovery
from vibe.models.convolutional import Dynamics, DynamicsConfig, Hallucinator, HallucinatorConfig
from vibe.records import GeneratorOutput
from vibe.skeletons import SMPL, index
from vibe.synthetic.examples import Example, example_points

JOINTS_14 = slice(25, 39)
"""The 14 joints of the 3D loss among the 49."""


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term; the defaults are those of the paper's appendix 6.1 and of the published configuration.

    These two differ in the adversarial term, which is no part of this: see `vibe.train.recipes`.
    """

    keypoints_2d: float = 300.0
    """L_2D: mean square of x and y, in half crop sides, times the confidence."""
    keypoints_3d: float = 300.0
    """L_3D: mean square of x, y and z of the 14 joints about the hips, metres."""
    pose: float = 60.0
    """L_SMPL: mean square of the entries of the rotation matrices."""
    shape: float = 0.06
    """L_SMPL: mean square of the betas."""


PUBLISHED = LossWeights()


@dataclass(frozen=True)
class PredictedClips:
    """What the generator says of a batch of clips."""

    theta: GeneratorOutput
    points: Float[Tensor, "*b time 49 3"]
    """The 49 joints, metres, about any point."""
    points_2d: Float[Tensor, "*b time 49 2"]
    """The same by the weak camera, in half crop sides from the crop's centre."""


def feature_losses(
    predicted: PredictedClips,
    truth: Annotation,
    weights: LossWeights = PUBLISHED,
    known: Mapping[str, float] | None = None,
) -> dict[str, Float[Tensor, ""]]:
    """Each term of equation 1 but the adversarial one, times its weight; 0 where no frame has the evidence.

    As published, the 2D term is the mean over all 49 joints, the unseen included, and hips and shoulders count twice.
    The pose term compares the predicted matrices as they are: the published round trip through axis-angle gives the
    same number, but no gradient to rely on near rest and half a turn. The 3D terms are means over the frames that are
    `known`: those of this batch, or as many as a process has on average ("points", "theta"), so that the mean of all
    processes is right.
    """
    if known is None:
        known = {"points": float(truth.has_points.sum()), "theta": float(truth.has_theta.sum())}
    off_2d = (predicted.points_2d - truth.keypoints_2d[..., :2]).square() * truth.keypoints_2d[..., 2:]
    off_3d = root_centred(predicted.points[..., JOINTS_14, :]) - root_centred(truth.points[..., JOINTS_14, :])
    off_pose, off_shape = predicted.theta.rotmat - truth.rotmat, predicted.theta.betas - truth.betas
    return {
        "keypoints_2d": weights.keypoints_2d * off_2d.mean(),
        "keypoints_3d": weights.keypoints_3d * _mean_square(off_3d, truth.has_points, known["points"]),
        "pose": weights.pose * _mean_square(off_pose, truth.has_theta, known["theta"]),
        "shape": weights.shape * _mean_square(off_shape, truth.has_theta, known["theta"]),
    }


def _mean_square(difference: Float[Tensor, "*b"], known: Bool[Tensor, "*frames"], count: float) -> Float[Tensor, ""]:
    """Over `count` frames, of which those that are known count, the others as 0; 0 if there is none."""
    numbers = difference.numel() // max(known.numel(), 1)
    return difference[known].square().sum() / max(count * numbers, 1.0)


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


Record = TypeVar("Record")


@dataclass(frozen=True)
class TemporalConfig:
    """Weight of each loss, 0 for none, and sizes of its network; their `features` follow the generator's."""

    order: float = 0.0
    """Cross entropy of the places in time of frames that were shuffled before the encoder read them."""
    dynamics: float = 0.0
    """The generator's own losses, of the poses some frames ago and ahead, told from the present latent vector."""
    hallucination: float = 0.0
    """Distance of latent vectors made up from single frames to those that the encoder makes of the clip."""
    order_recovery: OrderConfig = OrderConfig()
    past_future: DynamicsConfig = DynamicsConfig()
    hallucinator: HallucinatorConfig = HallucinatorConfig()


def build_heads(config: TemporalConfig, features: int) -> nn.ModuleDict | None:
    """The networks of the losses that have a weight, with fresh parameters; None if no loss has."""
    kinds = {
        "order": (config.order, OrderRecovery, config.order_recovery),
        "dynamics": (config.dynamics, Dynamics, config.past_future),
        "hallucinator": (config.hallucination, Hallucinator, config.hallucinator),
    }
    made = {name: head(replace(sizes, features=features)) for name, (weight, head, sizes) in kinds.items() if weight}
    return nn.ModuleDict(made) if made else None


def temporal_losses(
    heads: nn.ModuleDict, encoder: nn.Module, features: Float[Tensor, "batch time feature"],
    latent: Float[Tensor, "batch time feature"], output: GeneratorOutput,
    shifted: Callable[[GeneratorOutput, int], dict[str, Float[Tensor, ""]]], config: TemporalConfig,
    seed: torch.Generator,
) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
    """Each term times its weight.

    `features` are what the encoder read, `latent` and `output` what it and the regressor made of them. `shifted` gives
    the losses of parameters that are meant for frames so many later.
    """
    terms: dict[str, Tensor] = {}
    if "order" in heads:
        shuffled, places = shuffle(features, seed)
        terms["order"] = config.order * order_loss(heads["order"](encoder(shuffled)), places)
    if "dynamics" in heads:
        for offset, moved in heads["dynamics"](latent, output).items():
            terms |= {f"{name}{offset:+d}": config.dynamics * term for name, term in shifted(moved, offset).items()}
    if "hallucinator" in heads:
        terms["hallucination"] = config.hallucination * hallucination_loss(heads["hallucinator"](features), latent)
    return terms


def meet(predicted: GeneratorOutput, truth: Record, offset: int) -> tuple[GeneratorOutput, Record]:
    """What was predicted `offset` frames ahead (back where negative) and the truth at those frames, one beside the
    other; both are records of tensors [batch, time, ...]. Raises ValueError if the clip is too short for it."""
    frames = predicted.betas.shape[1]
    if abs(offset) >= frames:
        raise ValueError(f"a clip of {frames} frames has none {offset} frames away: take longer clips")
    now = slice(max(-offset, 0), frames - max(offset, 0))
    then = slice(max(offset, 0), frames + min(offset, 0))
    return converted(predicted, lambda tensor: tensor[:, now]), converted(truth, lambda tensor: tensor[:, then])


def best_camera(
    points: Float[Tensor, "*b point 3"], keypoints: Float[Tensor, "*b point 2"], confidence: Float[Tensor, "*b point"]
) -> Float[Tensor, "*b 3"]:
    """The weak camera s, tx, ty that best shows points at 2D keypoints (half crop sides), in the sense of least
    squares weighted by confidence.

    Past and future poses are compared with 2D evidence through it, as nobody says how the camera will move. Points
    without any spread or confidence leave s at 0.01.
    """
    weight = confidence[..., None] / confidence.sum(-1)[..., None, None].clamp_min(1e-6)
    middle, middle_2d = (weight * points[..., :2]).sum(-2), (weight * keypoints).sum(-2)
    apart, apart_2d = points[..., :2] - middle[..., None, :], keypoints - middle_2d[..., None, :]
    spread = (weight * apart.square()).sum((-2, -1)).clamp_min(1e-6)
    scale = ((weight * apart * apart_2d).sum((-2, -1)) / spread).clamp_min(0.01)[..., None]
    return torch.cat([scale, middle_2d / scale - middle], -1)


def hallucination_loss(
    hallucinated: Float[Tensor, "*b time feature"], latent: Float[Tensor, "*b time feature"]
) -> Float[Tensor, ""]:
    """Mean distance between what is made up from single frames and what the encoder makes of the whole clip.

    Only the hallucinator learns from it: the encoder is not to forget what a single frame can't show.
    """
    return (hallucinated - latent.detach()).square().sum(-1).add(1e-8).sqrt().mean()


def shuffle(
    features: Float[Tensor, "*b time feature"], seed: torch.Generator
) -> tuple[Float[Tensor, "*b time feature"], Int[Tensor, "*b time"]]:
    """Each track's frames in a random order of its own, and the place in time that each was taken from."""
    places = torch.rand(features.shape[:-1], generator=seed, device=seed.device).argsort(-1).to(features.device)
    return features.take_along_dim(places[..., None], -2), places


def order_loss(logits: Float[Tensor, "*b time time"], places: Int[Tensor, "*b time"]) -> Float[Tensor, ""]:
    """Mean cross entropy of the frames' places in time; the logarithm of their number for who guesses."""
    return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), places.flatten())
