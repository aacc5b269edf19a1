"""Where the body stands, from its pose and the picture: one banded least-squares problem for a whole track."""

from __future__ import annotations

import scipy.linalg
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.record import Body
from vibe.records import SmplParams

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
    times: Float[Tensor, "time"], body: Body,
) -> Float[Tensor, "time 3"]:  # fmt: skip
    """Where the pelvis is for the body, its rotations and one shape as they are, to lie on its keypoints; metres."""
    joints, points = joints_and_keypoints(body, smpl.rotmat, smpl.betas, "detected17")
    return solve_translation(points - joints[:, :1], keypoints_px, K_px, times, smpl.pelvis)


def solve_translation(
    points_rel: Float[Tensor, "time 17 3"],
    keypoints_px: Float[Tensor, "time 17 3"],
    K_px: Float[Tensor, "3 3"],
    times: Float[Tensor, "time"],
    trans: Float[Tensor, "time 3"],
) -> Float[Tensor, "time 3"]:
    """The translation that takes points given about the pelvis (camera axes, metres) onto their keypoints.

    Each keypoint asks that its point lie on its ray, weighted by confidence squared and, in rounds, by a robust
    weight; between frames an acceleration is paid for, so that frames without evidence are bridged. `trans` is the
    start, a weak prior, and the answer where the evidence is too thin or the solution is not in front of the camera.
    """
    weight = keypoints_px[..., 2].double().square()
    if float(weight.sum()) < LEAST_EVIDENCE:
        return trans
    pixels = keypoints_px[..., :2].where(weight[..., None] > 0, 0.0).double()
    rays = cameras.rays(pixels, K_px.double())
    points, start = points_rel.double(), trans.double()
    stiff = _stiffness(times.double())
    solution, robust = start, torch.ones_like(weight)
    for scale in (None, *RELAX):
        if scale is not None:
            off = _offset(points, rays, solution).norm(dim=-1) / (scale * ROBUST)
            robust = (1 + off.square()).reciprocal().square()
        solution = _solve(points, rays, weight * robust / NOISE**2, start, stiff)
        if not bool((solution[:, 2] > NEAREST).all()):
            return trans
    return solution.to(trans)


def _offset(
    points: Float[Tensor, "time joint 3"], rays: Float[Tensor, "time joint 3"], trans: Float[Tensor, "time 3"]
) -> Float[Tensor, "time joint 2"]:
    """How far each placed point lies beside its ray, metres along x and y."""
    placed = points + trans[:, None]
    return placed[..., :2] - rays[..., :2] * placed[..., 2:]


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
    points: Float[Tensor, "time joint 3"],
    rays: Float[Tensor, "time joint 3"],
    weight: Float[Tensor, "time joint"],
    prior: Float[Tensor, "time 3"],
    stiff: Float[Tensor, "3 time"],
) -> Float[Tensor, "time 3"]:
    """Minimum of the weighted offsets, the stiffness and the prior: seven diagonals, three unknowns a frame."""
    x, y = rays[..., 0], rays[..., 1]
    aim = -_offset(points, rays, torch.zeros_like(prior))
    near = 1 / (TRUST * prior[:, 2].clamp_min(NEAREST)).square()
    total = weight.sum(-1)
    toward = (weight * x).sum(-1), (weight * y).sum(-1)
    pull = (weight * (x**2 + y**2)).sum(-1)
    bands = stiff.new_zeros(7, len(prior), 3)
    bands[0] = torch.stack([total, total, pull], -1) + near[:, None] + stiff[0, :, None]
    bands[1, :, 1] = -toward[1]
    bands[2, :, 0] = -toward[0]
    bands[3], bands[6] = stiff[1, :, None], stiff[2, :, None]
    sums = (weight[..., None] * aim).sum(1)
    along = -(weight * (x * aim[..., 0] + y * aim[..., 1])).sum(-1, keepdim=True)
    right = torch.cat([sums, along], -1) + near[:, None] * prior
    solution = scipy.linalg.solveh_banded(bands.flatten(1).cpu().numpy(), right.flatten().cpu().numpy(), lower=True)
    return torch.from_numpy(solution).to(right).unflatten(0, (-1, 3))
