"""Fitting in the loop: the 3D labels that clips lack, by Temporal SMPLify from the generator's output (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
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
from vibe.train.losses_keypoints import pelvis_of

WINDOW_GAP_S = 1e4
"""Seconds from window to window where many are fitted at once: no energy over time reaches across."""
RATE = 30.0
"""Frames of a window in a second."""


@dataclass(frozen=True)
class LabelConfig:
    """Labels for the windows that have none."""

    fit: bool = False
    """Whether they are fitted; without it such windows teach by their 2D keypoints alone."""
    evaluations: int = 20
    """Of the fit's energy; six steps of L-BFGS, as published (appendix 6.1), make about as many."""
    surest: float = 0.3
    """Mean confidence of the keypoints that a window must have to be fitted."""


def fit_labels(made: GeneratorOutput, batch: Example, body: Body, config: LabelConfig) -> Example:
    """The batch with labels for the windows that have none but enough evidence, fitted from what the generator made.

    All are fitted in one search, each with the shape that the generator gave it; so the labels of a batch that several
    processes share differ slightly from those of one process. As published, no best fits are kept.
    """
    seen = batch.observation.keypoints
    chosen = (~batch.labelled & (seen[..., 2].mean((1, 2)) > config.surest)).nonzero()[:, 0]
    if not len(chosen):
        return batch
    betas = made.betas[chosen].detach().mean(1)
    pelvis = pelvis_of(made.pred_cam[chosen].detach(), batch.half_side[chosen])
    keypoints = scaled(seen[chosen], batch.half_side[chosen])
    rotmat = fit_windows(made.rotmat[chosen].detach(), betas, pelvis, keypoints, body, config.evaluations)
    points = example_points(body, rotmat, betas[:, None])
    known = batch.labelled.index_fill(0, chosen, value=True)
    return replace(
        batch,
        rotmat=batch.rotmat.index_copy(0, chosen, rotmat),
        betas=batch.betas.index_copy(0, chosen, betas),
        points=batch.points.index_copy(0, chosen, points),
        labelled=known,
    )


def scaled(keypoints: Float[Tensor, "*b 17 3"], half_side: Float[Tensor, "*b"]) -> Float[Tensor, "*b 17 3"]:
    """Keypoints of a crop, in half sides of it, as a camera of focal length 1 has them."""
    return torch.cat([keypoints[..., :2] * half_side[..., None, None], keypoints[..., 2:]], -1)


def fit_windows(
    rotmat: Float[Tensor, "window time 24 3 3"], betas: Float[Tensor, "window 10"],
    trans: Float[Tensor, "window time 3"], keypoints: Float[Tensor, "window time 17 3"], body: Body, evaluations: int,
    points: str = "detected17",
) -> Float[Tensor, "window time 24 3 3"]:  # fmt: skip
    """Rotations that agree with the keypoints (focal length 1; confidence) as well; the shapes stay as they are.

    `points` is the set of the body's points that the keypoints are of.
    """
    count, frames = rotmat.shape[:2]
    shapes = betas.repeat_interleave(frames, 0)

    def found_points(turned: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        return joints_and_keypoints(body, turned, shapes, points)

    times = WINDOW_GAP_S * torch.arange(count, dtype=torch.float64)[:, None] + torch.arange(frames) / RATE
    stage = replace(
        OPEN, free=("orientation", "pose", "place"), iterations=evaluations, evaluations=evaluations,
        weights={name: weight for name, weight in OPEN.weights.items() if name != "shape"},
    )  # fmt: skip
    seen, K = keypoints.flatten(0, 1), torch.eye(3).to(betas)
    with torch.no_grad():
        joints, marks = found_points(rotmat.flatten(0, 1), betas)
        place = solve_translation(marks - joints[:, :1], seen, K, times.flatten(), trans.flatten(0, 1))
    fitting = replace(FITTINGS["open"], stages=(stage,), window=max(3, count * frames), overlap=0)
    start = SmplParams(rotmat.flatten(0, 1), betas.new_zeros(10), place)
    found = fit(start, seen, K, times.flatten().to(betas.device), found_points, fitting)
    return found.rotmat.unflatten(0, (count, frames))


HALF_SIDE = 0.1
"""Of a crop at unit distance, where no clip says it: whoever fills it stands some 11 metres away. The published camera,
nearly weak at 50 metres, would make metres of depth out of every change of scale."""
OPENPOSE_COCO = [f"op_{name}" for name in skeletons.COCO]
"""COCO's joints by the names that OpenPose's have among the 49."""


def fit_clip_labels(made: GeneratorOutput, truth: Annotation, body: Body, config: LabelConfig) -> Annotation:
    """The truth with labels for the clips that have none but enough keypoints, fitted from what the generator made.

    Their shape is the generator's own. All are fitted in one search, so the labels of a batch that several processes
    share differ slightly from those of one process.
    """
    seen = coco_keypoints(truth.keypoints_2d)
    bare = ~(truth.has_points | truth.has_theta).any(1)
    chosen = (bare & (seen[..., 2].mean((1, 2)) > config.surest)).nonzero()[:, 0]
    if not len(chosen):
        return truth
    half_side = seen.new_full(seen[chosen].shape[:2], HALF_SIDE)
    betas = made.betas[chosen].detach().mean(1)
    pelvis = pelvis_of(made.pred_cam[chosen].detach(), half_side)
    start, keypoints = made.rotmat[chosen].detach(), scaled(seen[chosen], half_side)
    rotmat = fit_windows(start, betas, pelvis, keypoints, body, config.evaluations, "coco17")
    betas = betas[:, None].expand(-1, rotmat.shape[1], -1)
    _, points = joints_and_keypoints(body, rotmat, betas, "spin49")
    return replace(
        truth,
        rotmat=truth.rotmat.index_copy(0, chosen, rotmat),
        betas=truth.betas.index_copy(0, chosen, betas),
        points=truth.points.index_copy(0, chosen, points),
        has_points=truth.has_points.index_fill(0, chosen, value=True),
        has_theta=truth.has_theta.index_fill(0, chosen, value=True),
    )


def coco_keypoints(keypoints: Float[Tensor, "*b 49 3"]) -> Float[Tensor, "*b 17 3"]:
    """COCO's keypoints out of the 49: each as data sets mark it or as OpenPose finds it, whichever is surer."""
    marked, found = (
        keypoints[..., skeletons.index(skeletons.SPIN49, names), :] for names in (skeletons.COCO, OPENPOSE_COCO)
    )
    return torch.where(marked[..., 2:] >= found[..., 2:], marked, found)
