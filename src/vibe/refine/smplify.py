"""Temporal SMPLify: the body fitted over time to the keypoints, from where the network left it (paper, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import roma
import torch
from jaxtyping import Float
from scipy import optimize
from torch import Tensor

from vibe import skeletons
from vibe.overlap import equal_spans, overlap_add, ramp
from vibe.parallel import one_thread
from vibe.records import SmplParams, ViewEvidence
from vibe.refine import energies, energies_paper
from vibe.refine.conditioning import Whitening, bridge, trust_weights, visible_reach, whitening
from vibe.refine.energies import HEIGHT, TORSO, Energy, FitEvidence, FitPose, OtherView, bones_in_depth
from vibe.refine.presets import FITTINGS, IGNORED, FitStage, Fitting, Hedging
from vibe.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from vibe.skeletons import DETECTED27, SMPL, SMPL_JOINTS

ENERGIES: dict[str, Energy] = {
    "reprojection": energies.reprojection_energy,
    "nearness": energies.nearness,
    "steadiness": energies.steadiness,
    "joint_acceleration": energies.joint_acceleration,
    "root_acceleration": energies.root_acceleration,
    "straightness": energies.straightness,
    "shape": energies.shape,
    "bone_depth": energies.bone_depth,
    "crop_reprojection": energies_paper.crop_reprojection,
    "pose_prior": energies_paper.pose_prior,
    "angle_prior": energies_paper.angle_prior,
    "smooth_picture": energies_paper.smooth_picture,
    "smooth_space": energies_paper.smooth_space,
    "torso": energies_paper.torso,
    "depth": energies_paper.depth_energy,
}
"""Every energy by name. A pose prior of another kind is handed in under the name `pose_prior`."""

HINGES = [SMPL.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("knee", "elbow")]
"""Joints whose bends are hedged."""

BodyPoints = Callable[
    [Float[Tensor, "time 24 3 3"], Float[Tensor, "1 10"]],
    tuple[Float[Tensor, "time 24 3"], Float[Tensor, "time point 3"]],
]
"""From rotations and betas to SMPL's joints and to the points of a set; metres, about the same point."""


@dataclass(frozen=True)
class Fit:
    """What the fit changes."""

    offset: Float[Tensor, "time 24 3"]
    """Rotation vectors, in the frame of each joint, from the network's rotations to the fitted ones."""
    betas: Float[Tensor, "10"]
    pelvis: Float[Tensor, "time 3"]


@dataclass(frozen=True)
class Problem:
    """What the fit does not change."""

    start: SmplParams
    """As the network says it; betas [10]."""
    evidence: FitEvidence
    body: BodyPoints
    energies: Mapping[str, Energy]
    ignored: tuple[int, ...]
    """Points that only a stage with `hips` looks at."""


def unhedged(rotmat: Float[Tensor, "*b 24 3 3"], how: Hedging) -> Float[Tensor, "*b 24 3 3"]:
    """The same poses with knees and elbows bent as is likely: about the same axes, by other angles.

    Two per cent of a leg's length in the picture is 24 degrees of a knee that is nearly straight, so that a picture
    leaves open whether it is straight or bent a little. A network that is taught by distances answers with what lies
    between, which is rarely anybody's pose. The fit decides by the picture, and decides better from a likelier start.
    """
    bends = rotvec_from_rotmat(rotmat[..., HINGES, :, :])
    factor = bend_factor(torch.rad2deg(bends.norm(dim=-1)), how)
    likelier = rotmat.clone()
    likelier[..., HINGES, :, :] = rotmat_from_rotvec(bends * factor[..., None])
    return likelier


def bend_factor(bend_deg: Float[Tensor, "*b"], how: Hedging) -> Float[Tensor, "*b"]:
    """What a bend becomes, over itself: less where it is nearly straight, more where it is bent much.

    The bend that comes out grows with the one that goes in, without a leap, and stays below half a turn.
    """
    straighter = (bend_deg / how.straight_deg).clamp(1e-3, 1) ** how.straightens
    further = how.bends * (bend_deg - how.bent_deg).clamp_min(0)
    return straighter + torch.minimum(further, (180 - bend_deg).clamp_min(0) / 2) / bend_deg.clamp_min(1)


def fit(
    start: SmplParams,
    keypoints_px: Float[Tensor, "time 17 3"],
    K_px: Float[Tensor, "3 3"],
    times: Float[Tensor, "time"],
    body: BodyPoints,
    fitting: Fitting = FITTINGS["open"],
    energies: Mapping[str, Energy] = ENERGIES,
    held: bool = False,
    pool: Executor | None = None,
    landmarks: Float[Tensor, "time 33 6"] | None = None,
    R_steady_cam: Float[Tensor, "time 3 3"] | None = None,
    others: Sequence[ViewEvidence] = (),
) -> SmplParams:
    """Rotations, one shape and pelvis positions (camera frame, metres) that agree with the keypoints as well.

    `times` in seconds, increasing; the body gives the points of `fitting.points`. A long track is fitted in windows;
    the one with the most evidence sets the shape, unless the given one is `held`. Joints that move no keypoint seen
    within half a second keep the start's rotation, and frames without any keypoint their place too. The
    start comes back where the fit found nothing of lower energy, without evidence, and for fewer than three frames.
    What `others` saw at the same moments counts as much, for the energies that look at every view.
    Windows are fitted in a pool of threads, by default in one of their own. Raises ValueError if a weight has no energy
    or the set lacks the torso.
    """
    wanted = {name for stage in fitting.stages for name in stage.weights}
    if lost := wanted - set(energies):
        raise ValueError(f"no energy is called {', '.join(sorted(lost))}: there are {', '.join(energies)}")
    names = skeletons.JOINT_SETS[fitting.points]
    evidence, share = _evidence(start.pelvis, keypoints_px, landmarks, K_px, times, fitting.points)
    views = []
    for view in others:
        pelvis = start.pelvis @ view.R_view_cam.mT + view.t_view_cam
        seen, theirs = _evidence(pelvis, view.keypoints_px, view.landmarks, view.K_px, times, fitting.points)
        views.append(OtherView(seen, view.R_view_cam, view.t_view_cam))
        share = torch.maximum(share, theirs)
    if len(times) < 3 or not bool(share.any()):
        return start
    evidence = replace(evidence, R_steady_cam=R_steady_cam, others=tuple(views))
    ignored = tuple(place for place, name in enumerate(names) if name in IGNORED)
    problem = Problem(start, evidence, body, energies, ignored)
    unmoved = Fit(torch.zeros_like(start.rotmat[..., 0]), start.betas, start.pelvis)
    spans = equal_spans(len(times), fitting.window, fitting.overlap)
    found = _kept(unmoved, _fit_spans(problem, unmoved, spans, fitting, held, pool), share, times, fitting)
    # Windows are faded into one another and into the start, which may undo what each has gained by itself.
    with torch.no_grad():
        last = fitting.stages[-1]
        problem = _looking(problem, last)
        before, after = (
            sum(energy(*_cut(problem, each, span), last.weights) for span in spans) for each in (unmoved, found)
        )
    if not after < before:
        return start
    moved = (found.offset != 0).any(-1)[..., None, None]
    turned = torch.where(moved, start.rotmat @ roma.rotvec_to_rotmat(found.offset), start.rotmat)
    return SmplParams(turned, found.betas, found.pelvis)


def _evidence(
    pelvis: Float[Tensor, "time 3"], keypoints_px: Float[Tensor, "time 17 3"],
    landmarks: Float[Tensor, "time 33 6"] | None, K_px: Float[Tensor, "3 3"], times: Float[Tensor, "time"], points: str,
) -> tuple[FitEvidence, Float[Tensor, "time 24"]]:  # fmt: skip
    """What one view tells of a person whose pelvis starts there, and how far each joint's correction rests on it."""
    names, bones = skeletons.JOINT_SETS[points], None
    if points == "detected27":
        keypoints_px, bones = _with_landmarks(keypoints_px, landmarks, names)
    keypoints_px = keypoints_px.where(keypoints_px[..., 2:] > 0, 0.0)
    evidence = FitEvidence(
        keypoints_px=skeletons.convert_joints(keypoints_px, DETECTED27[: keypoints_px.shape[1]], names),
        K_px=K_px,
        size_px=K_px[0, 0] * HEIGHT / pelvis[:, 2].clamp_min(0.1),
        times=times,
        depth=pelvis[:, 2],
        torso=tuple(skeletons.index(names, TORSO)),
        bones=bones,
    )
    return evidence, trust_weights(keypoints_px)


def _with_landmarks(
    keypoints_px: Float[Tensor, "time 17 3"], landmarks: Float[Tensor, "time 33 6"] | None, names: Sequence[str]
) -> tuple[Float[Tensor, "time 27 3"], Float[Tensor, "time bone 2"] | None]:
    """The keypoints with the landmarks' hands and feet behind them, and which way the landmarks say that bones lean."""
    keypoints_px = skeletons.convert_joints(keypoints_px, skeletons.COCO, names)
    if landmarks is None:
        return keypoints_px, None
    more = skeletons.convert_joints(landmarks[..., [0, 1, 5]], skeletons.BLAZEPOSE, names)
    return torch.cat([keypoints_px[:, :17], more[:, 17:]], 1), bones_in_depth(landmarks)


def _kept(
    start: Fit, found: Fit, share: Float[Tensor, "time 24"], times: Float[Tensor, "time"], fitting: Fitting
) -> Fit:
    """What was found, as far as it rests on evidence; beyond, the start."""
    step = (found.pelvis - start.pelvis)[:, None]
    if fitting.bridged:
        offset, step = bridge(found.offset, share, times), bridge(step, share[:, :1], times)
    else:
        near = visible_reach(share, times)[..., None]
        offset, step = near * found.offset, near[:, :1] * step
    return Fit(offset, found.betas, start.pelvis + step[:, 0])


def _fit_spans(
    problem: Problem, start: Fit, spans: list[slice], fitting: Fitting, held: bool, pool: Executor | None
) -> Fit:
    """Each window by itself, the best seen one first, which sets the shape; then faded into one another.

    A window is fitted on one thread, several windows at once: threads that share a window's small sums gain a quarter
    where nothing else runs, and lose four times their time where something does.
    """
    views = [problem.evidence, *(view.seen for view in problem.evidence.others)]
    evidence = torch.stack([seen.keypoints_px[..., 2].sum(-1) for seen in views]).sum(0)
    best = max(range(len(spans)), key=lambda place: float(evidence[spans[place]].sum()))
    threads = torch.get_num_threads()
    with one_thread(), nullcontext(pool) if pool else ThreadPoolExecutor(threads) as workers:
        first = workers.submit(_run, *_cut(problem, start, spans[best]), fitting, one_shape=held).result()
        if len(spans) == 1:
            return first
        start = replace(start, betas=first.betas)
        others = [span for place, span in enumerate(spans) if place != best]
        found = list(workers.map(lambda span: _run(*_cut(problem, start, span), fitting, one_shape=True), others))
    found.insert(best, first)
    parts = {
        span.start: {"offset": part.offset, "pelvis": part.pelvis} for span, part in zip(spans, found, strict=True)
    }
    weights = ramp(len(found[0].pelvis), fitting.overlap)
    pieces = list(overlap_add(spans, lambda span: parts[span.start], weights))
    offset, pelvis = (torch.cat([piece[name] for piece in pieces]) for name in ("offset", "pelvis"))
    return Fit(offset, first.betas, pelvis)


def _run(problem: Problem, start: Fit, fitting: Fitting, one_shape: bool) -> Fit:
    """All stages for one window, each from where the last one stopped; `one_shape` keeps the betas as they are."""
    for stage in fitting.stages:
        free = tuple(name for name in stage.free if not (one_shape and name == "shape"))
        start = _minimise(problem, start, replace(stage, free=free))
    return start


def _cut(problem: Problem, fit: Fit, span: slice) -> tuple[Problem, Fit]:
    """Both, for the frames of one window."""
    evidence = _cut_evidence(problem.evidence, span)
    part = Fit(fit.offset[span], fit.betas, fit.pelvis[span])
    return replace(problem, start=problem.start.at(span), evidence=evidence), part


def _cut_evidence(seen: FitEvidence, span: slice) -> FitEvidence:
    of_frames = ("keypoints_px", "size_px", "times", "depth", "bones", "R_steady_cam")
    found = {name: value[span] for name in of_frames if (value := getattr(seen, name)) is not None}
    others = tuple(replace(view, seen=_cut_evidence(view.seen, span)) for view in seen.others)
    return replace(seen, **found, others=others)


def _pose(problem: Problem, fit: Fit) -> FitPose:
    rotmat = problem.start.rotmat @ roma.rotvec_to_rotmat(fit.offset)
    joints, keypoints = problem.body(rotmat, fit.betas[None])
    smpl, root = SmplParams(rotmat, fit.betas, fit.pelvis), joints[:, :1]
    return FitPose(fit.offset, smpl, joints - root, keypoints - root)


def _looking(problem: Problem, stage: FitStage) -> Problem:
    """With the evidence as far as a stage looks at it."""
    if stage.hips:
        return problem
    keypoints_px = problem.evidence.keypoints_px.clone()
    keypoints_px[:, list(problem.ignored), 2] = 0
    return replace(problem, evidence=replace(problem.evidence, keypoints_px=keypoints_px))


def energy(problem: Problem, fit: Fit, weights: Mapping[str, float]) -> Float[Tensor, ""]:
    """What a stage is to lower, of the evidence that it looks at."""
    pose = _pose(problem, fit)
    each = [weight * problem.energies[name](pose, problem.evidence) for name, weight in weights.items() if weight]
    return torch.stack(each).sum()


def _moved(start: Fit, white: Whitening, numbers: Float[Tensor, "n"], stage: FitStage) -> Fit:
    """The start, moved by numbers of unit stiffness."""
    frames = len(start.pelvis)
    turn, place, shape = numbers.split([3 * SMPL_JOINTS * frames, 3 * frames, 10])
    offset, betas, pelvis = start.offset, start.betas, start.pelvis
    turns = (white.offset @ turn.view(SMPL_JOINTS, frames, 3)).transpose(0, 1)
    if "orientation" in stage.free:
        offset = torch.cat([offset[:, :1] + turns[:, :1], offset[:, 1:]], 1)
    if "pose" in stage.free:
        offset = torch.cat([offset[:, :1], offset[:, 1:] + turns[:, 1:]], 1)
    if "shape" in stage.free:
        betas = betas + white.betas * shape
    if "place" in stage.free:
        place = place.view(frames, 3)
        across = torch.nn.functional.pad(white.across @ place[:, :2], (0, 1))
        pelvis = pelvis + across + white.ray * (white.along @ place[:, 2:])
    return Fit(offset, betas, pelvis)


def _minimise(problem: Problem, start: Fit, stage: FitStage) -> Fit:
    """The best that L-BFGS with a line search for the strong Wolfe conditions comes across; the start, if nothing is.

    SciPy's, for torch's own loads a compiler when it is made, which takes longer than the fit of ten seconds.
    """
    problem = _looking(problem, stage)
    with torch.no_grad():
        joints = _pose(problem, start).joints
        white = whitening(joints, start.pelvis, problem.evidence, stage.weights)
    least, best = float("inf"), joints.new_zeros(white.size)

    def evaluate(place: Float[np.ndarray, "n"]) -> tuple[float, Float[np.ndarray, "n"]]:
        nonlocal least, best
        numbers = torch.from_numpy(place).to(joints).requires_grad_()
        with torch.enable_grad():
            found = energy(problem, _moved(start, white, numbers, stage), stage.weights)
        (slope,) = torch.autograd.grad(found, numbers)
        # The line search passes better points than the one it ends at, and may end at one that is no number.
        if found.item() < least:
            least, best = found.item(), numbers.detach()
        return found.item(), slope.double().cpu().numpy()

    limits = {"maxfun": stage.evaluations, "maxiter": stage.evaluations, "maxcor": stage.history}
    # Neither flat energies nor small slopes end it: only how often it may look.
    ends = {"ftol": 0.0, "gtol": 0.0}
    optimize.minimize(evaluate, np.zeros(white.size), jac=True, method="L-BFGS-B", options=limits | ends)
    with torch.no_grad():
        return _moved(start, white, best, stage)
