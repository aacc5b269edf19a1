"""The published model's losses (the paper, equation 1, with the reductions of its implementation).

The paper writes norms; what was trained are mean squares, and the weights belong to those. Evidence that a frame
lacks is masked, so clips with 2D keypoints only and clips with everything lie in one batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from vibe.data.windows import Annotation
from vibe.evaluate.metrics import root_centred
from vibe.records import GeneratorOutput

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
