"""Fitting in the loop: the 3D labels that clips lack, by Temporal SMPLify from the generator's output (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vibe import skeletons
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.record import Body
from vibe.data.windows import Annotation
from vibe.records import GeneratorOutput, SmplParams
from vibe.refine.presets import FITTINGS, OPEN
from vibe.refine.smplify import fit
from vibe.refine.translation import solve_translation
from vibe.synthetic.examples import Example, example_points
from vibe.train.losses import pelvis_of

WINDOW_GAP_S = 1e4
"""Seconds from window to window where many are fitted at once: no energy over time reaches across."""
RATE = 30.0
"""Frames of a window in a second."""
HALF_SIDE = 0.1
"""Of a crop at unit distance, where no clip says it: whoever fills it stands some 11 metres away. The published camera,
nearly weak at 50 metres, would make metres of depth out of every change of scale."""
OPENPOSE_COCO = [f"op_{name}" for name in skeletons.COCO]
"""COCO's joints by the names that OpenPose's have among the 49."""


@dataclass(frozen=True)
class LabelConfig:
    """Labels for the windows that have none."""

    fit: bool = False
    """Whether they are fitted; without it such windows teach by their 2D keypoints alone."""
    evaluations: int = 20
    """Of the fit's energy; six steps of L-BFGS, as published (appendix 6.1), make about as many."""
    surest: float = 0.3
    """Mean confidence of the keypoints that a window must have to be fitted."""

    def choose(self, bare: Bool[Tensor, "window"], keypoints: Float[Tensor, "window time 17 3"]) -> Int[Tensor, "n"]:
        """Which of the windows without labels are seen well enough to be fitted."""
        return (bare & (keypoints[..., 2].mean((1, 2)) > self.surest)).nonzero()[:, 0]


def fit_labels(made: GeneratorOutput, batch: Example, body: Body, config: LabelConfig) -> Example:
    """The batch with labels for the windows that have none but enough evidence, fitted from what the generator made.

    All are fitted in one search, each with the shape that the generator gave it; so the labels of a batch that several
    processes share differ slightly from those of one process. As published, no best fits are kept.
    """
    seen = batch.evidence.keypoints[..., : len(skeletons.COCO), :]
    chosen = config.choose(~batch.labelled, seen)
    if not len(chosen):
        return batch
    rotmat, betas = fit_windows(made, seen, batch.half_side, chosen, body, config.evaluations, "detected17")
    return replace(
        batch,
        rotmat=batch.rotmat.index_copy(0, chosen, rotmat),
        betas=batch.betas.index_copy(0, chosen, betas),
        points=batch.points.index_copy(0, chosen, example_points(body, rotmat, betas[:, None])),
        labelled=batch.labelled.index_fill(0, chosen, value=True),
    )


def fit_clip_labels(made: GeneratorOutput, truth: Annotation, body: Body, config: LabelConfig) -> Annotation:
    """The same of clips of data sets."""
    seen = coco_keypoints(truth.keypoints_2d)
    chosen = config.choose(~(truth.has_points | truth.has_theta).any(1), seen)
    if not len(chosen):
        return truth
    half_side = seen.new_full(seen.shape[:2], HALF_SIDE)
    rotmat, betas = fit_windows(made, seen, half_side, chosen, body, config.evaluations, "coco17")
    betas = betas[:, None].expand(-1, rotmat.shape[1], -1)
    return replace(
        truth,
        rotmat=truth.rotmat.index_copy(0, chosen, rotmat),
        betas=truth.betas.index_copy(0, chosen, betas),
        points=truth.points.index_copy(0, chosen, joints_and_keypoints(body, rotmat, betas, "spin49")[1]),
        has_points=truth.has_points.index_fill(0, chosen, value=True),
        has_theta=truth.has_theta.index_fill(0, chosen, value=True),
    )


def fit_windows(
    made: GeneratorOutput, keypoints: Float[Tensor, "window time 17 3"], half_side: Float[Tensor, "window time"],
    chosen: Int[Tensor, "n"], body: Body, evaluations: int, points: str,
) -> tuple[Float[Tensor, "n time 24 3 3"], Float[Tensor, "n 10"]]:  # fmt: skip
    """Rotations of some windows that agree with the keypoints (half crop sides) as well, and the shapes, as they were.

    `points` is the set of the body's points that the keypoints are of.
    """
    rotmat, betas = made.rotmat[chosen].detach(), made.betas[chosen].detach().mean(1)
    seen, half_side = keypoints[chosen], half_side[chosen]
    pelvis = pelvis_of(made.pred_cam[chosen].detach(), half_side).flatten(0, 1)
    # As a camera of focal length 1 has them.
    seen = torch.cat([seen[..., :2] * half_side[..., None, None], seen[..., 2:]], -1).flatten(0, 1)
    count, frames = rotmat.shape[:2]
    shapes = betas.repeat_interleave(frames, 0)

    def found_points(turned: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        return joints_and_keypoints(body, turned, shapes, points)

    times = WINDOW_GAP_S * torch.arange(count, dtype=torch.float64)[:, None] + torch.arange(frames) / RATE
    stage = replace(
        OPEN, free=("orientation", "pose", "place"), evaluations=evaluations,
        weights={name: weight for name, weight in OPEN.weights.items() if name != "shape"},
    )  # fmt: skip
    K, times = torch.eye(3).to(betas), times.flatten()
    with torch.no_grad():
        joints, marks = found_points(rotmat.flatten(0, 1), betas)
        place = solve_translation(marks - joints[:, :1], seen, K, times, pelvis)
    fitting = replace(FITTINGS["open"], stages=(stage,), window=max(3, count * frames), overlap=0, points=points)
    start = SmplParams(rotmat.flatten(0, 1), betas.new_zeros(10), place)
    found = fit(start, seen, K, times.to(betas.device), found_points, fitting)
    return found.rotmat.unflatten(0, (count, frames)), betas


def coco_keypoints(keypoints: Float[Tensor, "*b 49 3"]) -> Float[Tensor, "*b 17 3"]:
    """COCO's keypoints out of the 49: each as data sets mark it or as OpenPose finds it, whichever is surer."""
    marked, found = (
        keypoints[..., skeletons.index(skeletons.SPIN49, names), :] for names in (skeletons.COCO, OPENPOSE_COCO)
    )
    return torch.where(marked[..., 2:] >= found[..., 2:], marked, found)
