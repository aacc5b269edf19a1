"""Where the body stands, from its pose and the picture: one banded least-squares problem for a whole track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import scipy.linalg
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.record import Body
from vibe.records import SmplParams, ViewEvidence

ROBUST = 0.102
"""Distance in metres, at the person's depth, at which a keypoint starts to count as wrong."""
NOISE = 0.04
"""What is expected of a keypoint and the pose together, metres at the person's depth."""
ACCELERATION = 4.0
"""What is expected of a pelvis, metres per second squared."""
TRUST = 0.5
"""Standard deviation of the given translation, as a fraction of its depth."""
LEAST_EVIDENCE = 3.0
"""Below this sum of squared confidences over the whole track the given translation stands."""
NEAREST = 0.2
"""Metres; a depth below it is no answer."""
RELAX = (4.0, 2.0, 1.0, 1.0)
"""Robust scale of each round, in `ROBUST`; the round before them counts every keypoint in full."""


@torch.no_grad()
def place_pelvis(
    smpl: SmplParams, keypoints_px: Float[Tensor, "time 17 3"], K_px: Float[Tensor, "3 3"],
    times: Float[Tensor, "time"], body: Body, others: Sequence[ViewEvidence] = (),
) -> Float[Tensor, "time 3"]:  # fmt: skip
    """Where the pelvis is for the body, its rotations and one shape as they are, to lie on its keypoints; metres."""
    joints, points = joints_and_keypoints(body, smpl.rotmat, smpl.betas, "detected17")
    return solve_translation(points - joints[:, :1], keypoints_px, K_px, times, smpl.pelvis, others)


def solve_translation(
    points_rel: Float[Tensor, "time 17 3"],
    keypoints_px: Float[Tensor, "time 17 3"],
    K_px: Float[Tensor, "3 3"],
    times: Float[Tensor, "time"],
    trans: Float[Tensor, "time 3"],
    others: Sequence[ViewEvidence] = (),
) -> Float[Tensor, "time 3"]:
    """The translation that takes points given about the pelvis (camera axes, metres) onto their keypoints.

    Each keypoint asks that its point lie on its ray, weighted by confidence squared and, in rounds, by a robust
    weight; between frames an acceleration is paid for, so that frames without evidence are bridged. `trans` is the
    start, a weak prior, and the answer where the evidence is too thin or the solution is not in front of the camera.
    What `others` saw at the same moments counts likewise.
    """
    eye = torch.eye(3, dtype=torch.float64, device=points_rel.device)
    views = [_view(points_rel, keypoints_px, K_px, eye, 0 * eye[0])]
    views += [_view(points_rel, one.keypoints_px, one.K_px, one.R_view_cam, one.t_view_cam) for one in others]
    if float(torch.stack([view.weight for view in views]).sum()) < LEAST_EVIDENCE:
        return trans
    start, stiff = trans.double(), _stiffness(times.double())
    solution, robust = start, [torch.ones_like(view.weight) for view in views]
    for scale in (None, *RELAX):
        if scale is not None:
            off = [view.offset(solution).norm(dim=-1) / (scale * ROBUST) for view in views]
            robust = [(1 + each.square()).reciprocal().square() for each in off]
        solution = _solve(views, [view.weight * sure / NOISE**2 for view, sure in zip(views, robust)], start, stiff)
        if not bool((solution[:, 2] > NEAREST).all()):
            return trans
    return solution.to(trans)


@dataclass(frozen=True)
class _View:
    """What one camera says of places; `R_view_cam` turns from the axes in which they are wanted."""

    points: Float[Tensor, "time joint 3"]
    """In the view's axes, from its centre to where they lie if the translation is 0."""
    rays: Float[Tensor, "time joint 3"]
    weight: Float[Tensor, "time joint"]
    R_view_cam: Float[Tensor, "3 3"]

    def offset(self, trans: Float[Tensor, "time 3"]) -> Float[Tensor, "time joint 2"]:
        """How far each placed point lies beside its ray, metres along the view's x and y."""
        placed = self.points + (trans @ self.R_view_cam.mT)[:, None]
        return placed[..., :2] - self.rays[..., :2] * placed[..., 2:]


def _view(
    points_rel: Float[Tensor, "time joint 3"], keypoints_px: Float[Tensor, "time joint 3"], K_px: Float[Tensor, "3 3"],
    R_view_cam: Float[Tensor, "3 3"], t_view_cam: Float[Tensor, "3"],
) -> _View:  # fmt: skip
    weight = keypoints_px[..., 2].double().square()
    pixels = keypoints_px[..., :2].where(weight[..., None] > 0, 0.0).double()
    R, t = R_view_cam.double(), t_view_cam.double()
    return _View(points_rel.double() @ R.mT + t, cameras.rays(pixels, K_px.double()), weight, R)


def _stiffness(times: Float[Tensor, "time"]) -> Float[Tensor, "3 time"]:
    """Energy of the second differences of one coordinate, as the lower diagonals 0, 1, 2 of its matrix."""
    bands = times.new_zeros(3, len(times))
    before, after = times.diff()[:-1], times.diff()[1:]
    scale = 2 / (before + after) / ACCELERATION
    left, right = scale / before, scale / after
    middle = -left - right
    bands[0, :-2] += left**2
    bands[0, 1:-1] += middle**2
    bands[0, 2:] += right**2
    bands[1, :-2] += left * middle
    bands[1, 1:-1] += middle * right
    bands[2, :-2] += left * right
    return bands


def _solve(
    views: Sequence[_View],
    weights: Sequence[Float[Tensor, "time joint"]],
    prior: Float[Tensor, "time 3"],
    stiff: Float[Tensor, "3 time"],
) -> Float[Tensor, "time 3"]:
    """Minimum of the weighted offsets, the stiffness and the prior: seven diagonals, three unknowns a frame."""
    near = 1 / (TRUST * prior[:, 2].clamp_min(NEAREST)).square()
    squares, right = torch.diag_embed(near[:, None].expand_as(prior)), near[:, None] * prior
    for view, weight in zip(views, weights, strict=True):
        # each keypoint has two equations: x and y beside its ray, of which z takes its share
        x, y = view.rays[..., 0], view.rays[..., 1]
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        rows = torch.stack([torch.stack([one, zero, -x], -1), torch.stack([zero, one, -y], -1)], -2) @ view.R_view_cam
        squares = squares + torch.einsum("tj,tjki,tjkl->til", weight, rows, rows)
        right = right - torch.einsum("tj,tjki,tjk->ti", weight, rows, view.offset(torch.zeros_like(prior)))
    bands = stiff.new_zeros(7, len(prior), 3)
    bands[0] = squares.diagonal(dim1=1, dim2=2) + stiff[0, :, None]
    bands[1, :, 0], bands[1, :, 1], bands[2, :, 0] = squares[:, 1, 0], squares[:, 2, 1], squares[:, 2, 0]
    bands[3], bands[6] = stiff[1, :, None], stiff[2, :, None]
    solution = scipy.linalg.solveh_banded(bands.flatten(1).cpu().numpy(), right.flatten().cpu().numpy(), lower=True)
    return torch.from_numpy(solution).to(right).unflatten(0, (-1, 3))
