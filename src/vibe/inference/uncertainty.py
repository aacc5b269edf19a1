"""How far each joint of a motion may be off, from the evidence and from what the network said before the fit; and the
stretches that are not to be trusted, with what is to blame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.ndimage import binary_closing, binary_opening
from torch import Tensor
from torch.nn.functional import normalize

from vibe.arrays import as_numpy, as_tensors
from vibe.body.pose import joints
from vibe.body.record import Body
from vibe.inference.predict import TrackPrediction
from vibe.models.keypoint_embedding import detected_points
from vibe.motion import Motion
from vibe.records import Camera, Track, ViewEvidence
from vibe.refine.energies_paper import axis_angle, load_mixture, mixture_energy
from vibe.refine.uncertainty import joint_std, uncertainty_signs
from vibe.skeletons import BLAZEPOSE, COCO, DETECTED27, index

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
        rotmat = torch.cat([(R @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1)
        yield uncertainty_signs(places @ R.mT + t, theirs @ R.mT + t, rotmat, seen[at], view.K_px, times)


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
