"""Temporal SMPLify: the body fitted over time to the keypoints, from where the network left it (paper, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.refine.priors import ENERGIES, HEIGHT, WEIGHTS, Energy, Evidence, Pose
from vibe.refine.whiten import Whitening, whitening

BodyPoints = Callable[
    [Float[Tensor, "time 24 3 3"], Float[Tensor, "1 10"]],
    tuple[Float[Tensor, "time 24 3"], Float[Tensor, "time 17 3"]],
]
"""From rotations and betas to SMPL's joints and to COCO-17 keypoints; metres, about the same point."""


@dataclass(frozen=True)
class Fitting:
    """How the fit weighs its energies, and how long it looks."""

    weights: Mapping[str, float] = field(default_factory=lambda: dict(WEIGHTS))
    """Factor of each energy."""
    evaluations: int = 45
    """Most evaluations of the energies for a window."""
    history: int = 12
    """Steps that L-BFGS remembers."""
    window: int = 300
    """Frames fitted at once."""
    overlap: int = 60
    """Frames that neighbouring windows share, where the one fades into the other."""

    def __post_init__(self) -> None:
        if not 3 <= self.window > self.overlap >= 0:
            raise ValueError(f"windows of {self.window} frames can't share {self.overlap}: let them share fewer")


@dataclass(frozen=True)
class Fit:
    """What the fit changes."""

    offset: Float[Tensor, "time 24 3"]
    """Rotation vectors, in the frame of each joint, from the network's rotations to the fitted ones."""
    betas: Float[Tensor, "10"]
    trans: Float[Tensor, "time 3"]


@dataclass(frozen=True)
class Problem:
    """What the fit does not change."""

    rotmat: Float[Tensor, "time 24 3 3"]
    evidence: Evidence
    body: BodyPoints
    weights: Mapping[str, float]
    energies: Mapping[str, Energy]


def fit(
    rotmat: Float[Tensor, "time 24 3 3"],
    betas: Float[Tensor, "10"],
    trans: Float[Tensor, "time 3"],
    keypoints_px: Float[Tensor, "time 17 3"],
    K_px: Float[Tensor, "3 3"],
    times: Float[Tensor, "time"],
    body: BodyPoints,
    fitting: Fitting = Fitting(),
    energies: Mapping[str, Energy] = ENERGIES,
) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "10"], Float[Tensor, "time 3"]]:
    """Rotations, one shape and pelvis positions (camera frame, metres) that agree with the keypoints as well.

    `times` in seconds, increasing. A long track is fitted in windows; the one with the most evidence sets the shape.
    The start comes back where the fit found nothing of lower energy, and for fewer than three frames. Raises
    ValueError if a weight has no energy.
    """
    if lost := set(fitting.weights) - set(energies):
        raise ValueError(f"no energy is called {', '.join(sorted(lost))}: there are {', '.join(energies)}")
    if len(times) < 3:
        return rotmat, betas, trans
    keypoints_px = keypoints_px.where(keypoints_px[..., 2:] > 0, 0.0)
    size_px = K_px[0, 0] * HEIGHT / trans[:, 2].clamp_min(0.1)
    evidence = Evidence(keypoints_px, K_px, size_px, times)
    problem = Problem(rotmat, evidence, body, fitting.weights, energies)
    start = Fit(trans.new_zeros(len(times), 24, 3), betas, trans)
    spans = _spans(len(times), fitting)
    found = _fit_spans(problem, start, spans, fitting)
    with torch.no_grad():
        before, after = (sum(_energy(*_cut(problem, each, span)) for span in spans) for each in (start, found))
    if not after < before:
        return rotmat, betas, trans
    return rotmat @ roma.rotvec_to_rotmat(found.offset), found.betas, found.trans


def _spans(frames: int, fitting: Fitting) -> list[slice]:
    """Windows of equal length that cover the track."""
    step = fitting.window - fitting.overlap
    count = max(1, -(-(frames - fitting.overlap) // step))
    length = min(frames, fitting.window)
    firsts = torch.linspace(0, frames - length, count).round().int().tolist()
    return [slice(first, first + length) for first in firsts]


def _fit_spans(problem: Problem, start: Fit, spans: list[slice], fitting: Fitting) -> Fit:
    """Each window by itself, the best seen one first, which sets the shape; then faded into one another."""
    evidence = problem.evidence.keypoints_px[..., 2].sum(-1)
    best = max(range(len(spans)), key=lambda place: float(evidence[spans[place]].sum()))
    first = _minimise(*_cut(problem, start, spans[best]), fitting, free_shape=True)
    if len(spans) == 1:
        return first
    start = replace(start, betas=first.betas)
    total = Fit(torch.zeros_like(start.offset), first.betas, torch.zeros_like(start.trans))
    share = torch.zeros_like(evidence)
    for place, span in enumerate(spans):
        part = first if place == best else _minimise(*_cut(problem, start, span), fitting, free_shape=False)
        ramp = _ramp(len(part.trans), fitting.overlap).to(share)
        total.offset[span] += ramp[:, None, None] * part.offset
        total.trans[span] += ramp[:, None] * part.trans
        share[span] += ramp
    return Fit(total.offset / share[:, None, None], first.betas, total.trans / share[:, None])


def _ramp(frames: int, overlap: int) -> Float[Tensor, "{frames}"]:
    """Shares of a window's frames: rising without a kink over the overlap, 1, falling likewise."""
    place = torch.arange(frames) + 0.5
    part = (torch.minimum(place, frames - place) / max(overlap, 1)).clamp_max(1)
    return part**2 * (3 - 2 * part)


def _cut(problem: Problem, fit: Fit, span: slice) -> tuple[Problem, Fit]:
    """Both, for the frames of one window."""
    seen = problem.evidence
    evidence = Evidence(seen.keypoints_px[span], seen.K_px, seen.size_px[span], seen.times[span])
    return replace(problem, rotmat=problem.rotmat[span], evidence=evidence), Fit(
        fit.offset[span], fit.betas, fit.trans[span]
    )


def _pose(problem: Problem, fit: Fit) -> Pose:
    rotmat = problem.rotmat @ roma.rotvec_to_rotmat(fit.offset)
    joints, keypoints = problem.body(rotmat, fit.betas[None])
    pelvis = joints[:, :1]
    return Pose(fit.offset, rotmat, fit.betas, fit.trans, joints - pelvis, keypoints - pelvis)


def _energy(problem: Problem, fit: Fit) -> Float[Tensor, ""]:
    pose = _pose(problem, fit)
    terms = [weight * problem.energies[name](pose, problem.evidence) for name, weight in problem.weights.items()]
    return torch.stack(terms).sum()


def _moved(start: Fit, white: Whitening, numbers: Float[Tensor, "n"]) -> Fit:
    """The start, moved by numbers of unit stiffness."""
    frames = len(start.trans)
    turn, place, shape = numbers.split([72 * frames, 3 * frames, 10])
    place = place.view(frames, 3)
    across = torch.nn.functional.pad(white.across @ place[:, :2], (0, 1))
    along = white.ray * (white.along @ place[:, 2:])
    offset = (white.offset @ turn.view(24, frames, 3)).transpose(0, 1)
    return Fit(start.offset + offset, start.betas + white.betas * shape, start.trans + across + along)


def _minimise(problem: Problem, start: Fit, fitting: Fitting, free_shape: bool) -> Fit:
    """The best that L-BFGS with strong Wolfe line search comes across; the start, if nothing is better."""
    with torch.no_grad():
        joints = _pose(problem, start).joints
    white = whitening(joints, start.trans, problem.evidence, fitting.weights)
    white = white if free_shape else replace(white, betas=0.0)
    numbers = torch.zeros(white.size, dtype=joints.dtype, device=joints.device, requires_grad=True)
    least, best = float("inf"), numbers.detach().clone()
    search = torch.optim.LBFGS(
        [numbers],
        max_iter=fitting.evaluations,
        max_eval=fitting.evaluations,
        history_size=fitting.history,
        line_search_fn="strong_wolfe",
    )

    def evaluate() -> Tensor:
        nonlocal least, best
        search.zero_grad()
        energy = _energy(problem, _moved(start, white, numbers))
        energy.backward()
        if energy.item() < least:
            least, best = energy.item(), numbers.detach().clone()
        return energy

    with torch.enable_grad():
        search.step(evaluate)
    with torch.no_grad():
        return _moved(start, white, best)
