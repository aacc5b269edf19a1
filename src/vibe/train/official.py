"""The published model's losses (the paper, equation 1, with the reductions of its implementation).

The paper writes norms; what was trained are mean squares, and the weights belong to those. Evidence that a frame
lacks is masked, so clips with 2D keypoints only and clips with everything lie in one batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Bool, Float
from torch import Tensor

from vibe.evaluate.metrics import about
from vibe.records import Theta

JOINTS_14 = slice(25, 39)
"""The 14 joints of the 3D loss among the 49."""


@dataclass(frozen=True)
class LossWeights:
    """Weight of each term; the defaults are those of the paper's appendix 6.1."""

    keypoints_2d: float = 300.0
    keypoints_3d: float = 300.0
    pose: float = 60.0
    shape: float = 0.06
    adversarial: float = 2.0


PAPER = LossWeights()
"""Appendix 6.1."""
RELEASED = replace(PAPER, adversarial=0.5)
"""What the published configuration trains."""


@dataclass(frozen=True)
class Prediction:
    """What the generator says of a batch of clips."""

    theta: Theta
    points: Float[Tensor, "*b time 49 3"]
    """The 49 joints, metres, about any point."""
    points_2d: Float[Tensor, "*b time 49 2"]
    """The same by the weak camera, in half crop sides from the crop's centre."""


@dataclass(frozen=True)
class Annotation:
    """What is known of a batch of clips; what is not known may hold any number, under its mask."""

    keypoints_2d: Float[Tensor, "*b time 49 3"]
    """x, y in half crop sides from the crop's centre, confidence; an unknown joint has confidence 0."""
    points: Float[Tensor, "*b time 49 3"]
    """The 49 joints, metres, about any point."""
    rotmat: Float[Tensor, "*b time 24 3 3"]
    betas: Float[Tensor, "*b time 10"]
    has_points: Bool[Tensor, "*b time"]
    """Frames whose `points` are known (the published data's w_3d)."""
    has_theta: Bool[Tensor, "*b time"]
    """Frames whose `rotmat` and `betas` are known (the published data's w_smpl)."""


def losses(predicted: Prediction, truth: Annotation, weights: LossWeights = RELEASED) -> dict[str, Float[Tensor, ""]]:
    """Each term of equation 1 but the adversarial one, times its weight; 0 where no frame has the evidence.

    As published, the 2D term is the mean over all 49 joints, the unseen included, and hips and shoulders count twice.
    The pose term compares the predicted matrices as they are: the published round trip through axis-angle gives the
    same number, but no gradient to rely on near rest and half a turn.
    """
    off_2d = (predicted.points_2d - truth.keypoints_2d[..., :2]).square() * truth.keypoints_2d[..., 2:]
    off_3d = about(predicted.points[..., JOINTS_14, :]) - about(truth.points[..., JOINTS_14, :])
    return {
        "keypoints_2d": weights.keypoints_2d * off_2d.mean(),
        "keypoints_3d": weights.keypoints_3d * _mean_square(off_3d, truth.has_points),
        "pose": weights.pose * _mean_square(predicted.theta.rotmat - truth.rotmat, truth.has_theta),
        "shape": weights.shape * _mean_square(predicted.theta.betas - truth.betas, truth.has_theta),
    }


def _mean_square(difference: Float[Tensor, "..."], known: Bool[Tensor, "*b time"]) -> Float[Tensor, ""]:
    """Over the frames that are known; 0 if none is."""
    chosen = difference[known]
    return chosen.square().sum() / max(chosen.numel(), 1)
