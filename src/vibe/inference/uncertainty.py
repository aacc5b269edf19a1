"""How far each joint of a motion may be off: standard deviations that a small network tells from cheap signs of trouble
in the evidence and in what the network said before the fit; and the stretches that are not to be trusted, with what is
to blame.

The small network was fitted by `tools/joint_uncertainty.py` to the errors of this package's own answers on rendered
people.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.ndimage import binary_closing, binary_opening
from torch import Tensor
from torch.nn.functional import max_pool1d, normalize

from vibe import cameras, skeletons
from vibe.arrays import as_numpy, as_tensors
from vibe.body.pose import joints, turn_root
from vibe.body.record import Body
from vibe.inference.predict import TrackPrediction
from vibe.models.keypoint_embedding import detected_points
from vibe.motion import Motion
from vibe.records import Camera, Track, ViewEvidence
from vibe.refine.energies import HEIGHT
from vibe.refine.energies_paper import axis_angle, load_mixture, mixture_energy
from vibe.skeletons import BLAZEPOSE, COCO, DETECTED27, SMPL, SMPL_PARENTS, index

TOGETHER = 1.15
"""Factor of the deviations that several views would have if they erred independently of each other: on four rendered
scenes of subjects that weights are trained on two views ask 1.0 and four 1.25."""
PIECE = 3000
"""Frames looked at at once: an hour takes no more memory than a minute."""


@torch.no_grad()
def motion_std(
    motion: Motion, track: Track, predicted: TrackPrediction, camera: Camera, body: Body,
    others: Sequence[ViewEvidence] = (),
) -> Float[ndarray, "time 24 2"]:  # fmt: skip
    """Standard deviations as `Motion.joints_std` has them, of a track as a pinhole sees it.

    What `others` saw at all moments of the prediction makes joints surer where lines of sight cross.
    """
    own = torch.cat([joint_std(signs) for signs in motion_signs(motion, track, predicted, camera, body)])
    if not others:
        return as_numpy(own)
    places = torch.from_numpy(motion.joints_cam)
    sight = normalize(places, dim=-1)
    alone = _precision(own, sight)
    total = alone * (track.confidence > 0)[:, None, None, None]
    for view in others:
        std = torch.cat([joint_std(signs) for signs in motion_signs(motion, track, predicted, camera, body, view)])
        theirs = normalize(places + view.t_view_cam @ view.R_view_cam, dim=-1)
        at = _nearest(predicted, torch.from_numpy(motion.times))
        total = total + _precision(std, theirs) * (view.keypoints_px[at, :, 2] > 0).any(-1)[:, None, None, None]
    variance = TOGETHER**2 * torch.linalg.inv(total.where(total.any(-1).any(-1)[..., None, None], alone / TOGETHER**2))
    along = (sight * (variance @ sight[..., None])[..., 0]).sum(-1)
    across = (variance.diagonal(dim1=-2, dim2=-1).sum(-1) - along) / 2
    # the pelvis is as far off as the cameras are, which err together
    return as_numpy(torch.cat([own[:, :1], torch.stack([across, along], -1).sqrt()[:, 1:]], 1))


def _precision(std: Float[Tensor, "time 24 2"], sight: Float[Tensor, "time 24 3"]) -> Float[Tensor, "time 24 3 3"]:
    """Inverse covariances of places, by their deviations across and along a line of sight."""
    across, along = std.square().reciprocal().unbind(-1)
    outer = sight[..., :, None] * sight[..., None, :]
    return across[..., None, None] * torch.eye(3) + (along - across)[..., None, None] * outer


@torch.no_grad()
def motion_signs(
    motion: Motion, track: Track, predicted: TrackPrediction, camera: Camera, body: Body,
    view: ViewEvidence | None = None,
) -> Iterator[Float[Tensor, "row 24 sign"]]:  # fmt: skip
    """What the deviations are told from, piece by piece; from what another view saw, if that is given."""
    seen = detected_points(track.keypoints_px, track.landmarks) if view is None else _points(view)
    for first in range(0, max(len(motion), 1), PIECE):
        rows = slice(first, first + PIECE)
        times, places, rotmat = map(as_tensors, (motion.times[rows], motion.joints_cam[rows], motion.smpl.rotmat[rows]))
        at = _nearest(predicted, times)
        said = predicted.part(slice(int(at[0]), int(at[-1]) + 1)).smpl.at(at - at[0])
        theirs = joints(body, said.rotmat, said.betas)
        theirs = theirs - theirs[:, :1] + said.pelvis[:, None]
        if view is None:
            yield uncertainty_signs(places, theirs, rotmat, seen[rows], camera.K_px, times)
            continue
        R, t = view.R_view_cam, view.t_view_cam
        turned = turn_root(R, rotmat)
        yield uncertainty_signs(places @ R.mT + t, theirs @ R.mT + t, turned, seen[at], view.K_px, times)


def _nearest(predicted: TrackPrediction, times: Float[Tensor, "time"]) -> Int[Tensor, "time"]:
    """The moment of the prediction at each time, or the next one."""
    line = predicted.timeline.times
    return torch.searchsorted(line, times).clamp(max=len(line) - 1)


def _points(view: ViewEvidence) -> Float[Tensor, "moment 27 6"]:
    """What another view saw, as `detected_points` has it."""
    points = view.keypoints_px.new_zeros(len(view.keypoints_px), len(DETECTED27), 6)
    if view.landmarks is not None:
        points = view.landmarks[:, index(BLAZEPOSE, DETECTED27)].clone()
    points[:, : len(COCO), [0, 1, 5]] = view.keypoints_px
    return points


DOUBTFUL = 0.12
"""Metres: mean over the joints of how far they may be off in space, from which a frame is not to be trusted. On
rendered clips of subjects that weights are trained on it is reached in 3 % of the frames, whose error is twice the
usual one."""
HIDDEN, FEWEST_HIDDEN = 0.3, 5
"""Confidence below which a keypoint is not seen, and how many must not be."""
FEWEST_OUTSIDE = 3
"""Joints outside the picture."""
FAST = 1.0
"""Metres per second of the mean joint about the pelvis, as one in twenty frames has them."""
UNUSUAL = 120.0
"""Energy under the mixture of free motion capture, as one in ten frames has it."""
LONGEST_HOLE, SHORTEST = 0.3, 0.2
"""Seconds between doubtful frames that are no end of a stretch, and of one that is worth a word."""
CAUSES = ("hidden", "cut", "fast", "unusual", "unclear")


@dataclass(frozen=True)
class Doubt:
    """A stretch of one motion that is not to be trusted."""

    start: float
    """Seconds in the video."""
    end: float
    cause: str
    """hidden: too few keypoints are seen; cut: by the picture's border; fast: limbs are, so that they blur; unusual:
    poses are unlike the motion that all was learnt from; unclear: what was seen can be read in several ways."""


def doubtful_stretches(motion: Motion, camera: Camera) -> list[Doubt]:
    """Where the standard deviations are large, in order; none where they are not known."""
    if motion.joints_std is None or len(motion) < 2:
        return []
    off = np.sqrt((motion.joints_std[:, 1:, [0, 0, 1]] ** 2).sum(-1)).mean(1)
    rate = 1 / float(np.median(np.diff(motion.times)))
    hole, least = (1 + round(seconds * rate) for seconds in (LONGEST_HOLE, SHORTEST))
    # both keep what reaches to the first or the last frame
    doubtful = np.pad((off > DOUBTFUL) | (motion.confidence == 0), hole)
    doubtful = binary_opening(binary_closing(doubtful, np.ones(hole)), np.ones(least))[hole:-hole]
    causes, found = np.argmax([*_causes(motion, camera), np.ones(len(motion), bool)], 0), []
    ends = np.flatnonzero((np.diff(doubtful.astype(int)) != 0) | (np.diff(motion.times) > LONGEST_HOLE)) + 1
    for rows in np.split(np.arange(len(motion)), ends):
        if doubtful[rows[0]]:
            (most, _), *_ = Counter(causes[rows].tolist()).most_common()
            found.append(Doubt(float(motion.times[rows[0]]), float(motion.times[rows[-1]]), CAUSES[most]))
    return found


def _causes(motion: Motion, camera: Camera) -> list[Bool[ndarray, "time"]]:
    """Whether each of `CAUSES` but the last applies to each frame."""
    about = motion.joints_cam - motion.joints_cam[:, :1]
    speed = np.linalg.norm(np.gradient(about, motion.times, axis=0), axis=-1).mean(1)
    energy = mixture_energy(axis_angle(torch.from_numpy(motion.smpl.rotmat)), load_mixture()).numpy()
    inside = ((motion.joints_px >= 0) & (motion.joints_px <= [camera.width, camera.height])).all(-1)
    return [
        (motion.keypoints_px[..., 2] < HIDDEN).sum(1) >= FEWEST_HIDDEN,
        (~inside).sum(1) >= FEWEST_OUTSIDE,
        speed > FAST,
        energy > UNUSUAL,
    ]


MODEL = Path(__file__).parent / "joint_uncertainty.npz"
"""Fitted by `tools/joint_uncertainty.py`."""
MOST = 3.0
"""Deviations from the mean beyond which a sign counts no more: what is rarer was not calibrated."""
NEARBY = 5
"""Frames to either side in which a keypoint's least confidence is looked for."""
SEEN_AT = {
    "pelvis": "left_hip right_hip", "spine1": "left_hip right_hip", "spine2": "left_hip right_hip left_shoulder "
    "right_shoulder", "spine3": "left_shoulder right_shoulder", "neck": "left_shoulder right_shoulder",
    "head": "left_ear right_ear nose", "foot": "toes", "collar": "shoulder", "hand": "index",
}  # fmt: skip
"""Keypoints at which a joint is seen, where they are not called as it is."""
KINDS = sorted({name.split("_")[-1] for name in SMPL})
"""Of joints; left and right are alike."""
_KIND = [KINDS.index(name.split("_")[-1]) for name in SMPL]


def joint_std(signs: Float[Tensor, "time 24 sign"]) -> Float[Tensor, "time 24 2"]:
    """Standard deviation of each joint's place, metres: along each axis across the line of sight to it, and along it.

    Of the pelvis it is that of its place in the camera's frame, of the others that of their place about the pelvis.
    `signs` are those of `uncertainty_signs`.
    """
    return deviations(signs, _model())


def deviations(signs: Float[Tensor, "*b 24 sign"], model: Mapping[str, Tensor]) -> Float[Tensor, "*b 24 2"]:
    """The same under a model of other numbers."""
    plain = ((signs - model["mean"]) / model["spread"]).clamp(-MOST, MOST)
    inner = torch.tanh(plain @ model["first"] + model["kind_first"][_KIND])
    return (inner @ model["second"] + model["kind_second"][_KIND]).exp()


@functools.cache
def _model() -> dict[str, Tensor]:
    with np.load(MODEL, allow_pickle=False) as file:
        return {name: torch.from_numpy(file[name]) for name in file.files if file[name].dtype.kind == "f"}


def uncertainty_signs(
    joints_cam: Float[Tensor, "time 24 3"], said_cam: Float[Tensor, "time 24 3"],
    rotmat: Float[Tensor, "time 24 3 3"], points: Float[Tensor, "time 27 6"], K_px: Float[Tensor, "3 3"],
    times: Float[Tensor, "time"],
) -> Float[Tensor, "time 24 sign"]:  # fmt: skip
    """What tells how far joints may be off, from where they were found and where the network `said` that they are.

    `points` are the evidence as a pinhole shows it: x, y in pixels; x, y, z in metres in axes of which z is the line
    of sight; confidence (`vibe.models.keypoint_embedding.detected_points`).
    """
    sight = normalize(joints_cam, dim=-1)
    about, said = (places - places[:, :1] for places in (joints_cam, said_cam))
    sure = points[..., 5] @ _SEEN.mT
    # one after the other, so that a sign stands where it is explained
    least = -max_pool1d(-sure.mT[None], 2 * NEARBY + 1, 1, NEARBY)[0].mT
    chain = torch.minimum(sure, sure[:, _PARENT])
    size_px = K_px[0, 0] * HEIGHT / joints_cam[:, :1, 2].clamp_min(0.1)
    places_px = (points[..., 5:] * points[..., :2]).mT @ _SEEN.mT / sure[:, None].clamp_min(1e-6)
    missed = (cameras.project(joints_cam, K_px) - places_px.mT).norm(dim=-1) / size_px * sure.clamp(max=1)
    moved_across, moved_along = _parts(about - said, sight)
    # the pose model's own places, turned to the line of sight of the pelvis
    deep = (points[..., 5:] * points[..., 2:5]).mT @ _SEEN.mT / sure[:, None].clamp_min(1e-6)
    known = points[..., 2:5].any(-1).any(-1)[:, None]
    unlike = ((about @ sight[:, 0, :, None])[..., 0] - deep[:, 2]).abs().where(known & (sure > 0.05), 0.08)
    bone = normalize(about - about[:, _PARENT], dim=-1)
    lean = (bone * sight).sum(-1)
    step = (times.float(),)
    speed = torch.gradient(about, spacing=step, dim=0)[0].norm(dim=-1) if len(times) > 1 else torch.zeros_like(sure)
    up, front = rotmat[:, 0, :, 1], rotmat[:, 0, :, 2]
    strange = mixture_energy(axis_angle(rotmat), load_mixture())
    whole = [
        missed.mean(1).add(0.003).log(), moved_along.mean(1).add(0.005).log(), moved_across.mean(1).add(0.005).log(),
        unlike.mean(1).add(0.01).log(), sure.mean(1), size_px[:, 0].log(), joints_cam[:, 0].norm(dim=-1).log(),
        speed.mean(1).add(0.05).log(), (front * sight[:, 0]).sum(-1), (front * sight[:, 0]).sum(-1).abs(), up[:, 1],
        (up * sight[:, 0]).sum(-1), strange,
    ]  # fmt: skip
    own = [
        sure, least, chain, missed.add(0.003).log(), moved_across.add(0.005).log(), moved_along.add(0.005).log(),
        unlike.add(0.01).log(), lean, lean.abs(), (about * sight).sum(-1), about.norm(dim=-1), speed.add(0.05).log(),
    ]  # fmt: skip
    return torch.stack([*own, *(each[:, None].expand_as(sure) for each in whole)], -1)


def _parts(
    change: Float[Tensor, "*b 3"], sight: Float[Tensor, "*b 3"]
) -> tuple[Float[Tensor, "*b"], Float[Tensor, "*b"]]:
    """Lengths across and along a line of sight."""
    along = (change * sight).sum(-1, keepdim=True)
    return (change - along * sight).norm(dim=-1), along[..., 0].abs()


def _seen() -> Float[Tensor, "24 27"]:
    """How much each keypoint has to do with each joint; rows sum to 1."""
    table = torch.zeros(len(SMPL), len(DETECTED27))
    for row, name in enumerate(SMPL):
        side, kind = name.split("_") if "_" in name else ("", name)
        points = [f"{side}_{point}" if side else point for point in SEEN_AT.get(kind, kind).split()]
        table[row, skeletons.index(DETECTED27, points)] = 1 / len(points)
    return table


_SEEN = _seen()
_PARENT = [max(parent, 0) for parent in SMPL_PARENTS]
