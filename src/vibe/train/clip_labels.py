"""Fitting in the loop for clips of data sets: 3D labels of those that have 2D keypoints alone (section 3.3)."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from vibe import skeletons
from vibe.body.marks import joints_and_keypoints
from vibe.body.record import Body
from vibe.records import Theta
from vibe.train.labels import LabelConfig, fit_windows, scaled
from vibe.train.losses import pelvis_of
from vibe.train.official import Annotation

HALF_SIDE = 0.1
"""Of a crop at unit distance, where no clip says it: whoever fills it stands some 11 metres away. The published camera,
nearly weak at 50 metres, would make metres of depth out of every change of scale."""
FOUND = [f"op_{name}" for name in skeletons.COCO]
"""COCO's joints by the names that OpenPose's have among the 49."""


def fitted_clips(made: Theta, truth: Annotation, body: Body, config: LabelConfig) -> Annotation:
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
    marked, found = (keypoints[..., skeletons.index(skeletons.SPIN49, names), :] for names in (skeletons.COCO, FOUND))
    return torch.where(marked[..., 2:] >= found[..., 2:], marked, found)
