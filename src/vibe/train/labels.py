"""Fitting in the loop: the 3D labels that clips lack, by Temporal SMPLify from the generator's output (section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.marks import joints_and_keypoints
from vibe.body.record import Body
from vibe.records import Theta
from vibe.refine.fitting import FITTINGS, OPEN
from vibe.refine.smplify import fit
from vibe.refine.translation import solve_translation
from vibe.train.losses import pelvis_of
from vibe.train.synthesis import Example, body_points

APART = 1e4
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


def fitted(made: Theta, batch: Example, body: Body, config: LabelConfig) -> Example:
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
    points = body_points(body, rotmat, betas[:, None])
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

    times = APART * torch.arange(count, dtype=torch.float64)[:, None] + torch.arange(frames) / RATE
    stage = replace(
        OPEN, free=("orientation", "pose", "place"), iterations=evaluations, evaluations=evaluations,
        weights={name: weight for name, weight in OPEN.weights.items() if name != "shape"},
    )  # fmt: skip
    seen, K = keypoints.flatten(0, 1), torch.eye(3).to(betas)
    with torch.no_grad():
        joints, marks = found_points(rotmat.flatten(0, 1), betas)
        place = solve_translation(marks - joints[:, :1], seen, K, times.flatten(), trans.flatten(0, 1))
    fitting = replace(FITTINGS["open"], stages=(stage,), window=max(3, count * frames), overlap=0)
    start = rotmat.flatten(0, 1), betas.new_zeros(10), place
    found, _, _ = fit(*start, seen, K, times.flatten().to(betas.device), found_points, fitting)
    return found.unflatten(0, (count, frames))
