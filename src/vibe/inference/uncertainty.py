"""How far each joint of a motion may be off, from the evidence and from what the network said before the fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor
from torch.nn.functional import normalize

from vibe.arrays import as_numpy, as_tensors
from vibe.body.pose import joints
from vibe.body.record import Body
from vibe.inference.predict import TrackPrediction
from vibe.models.keypoint_embedding import detected_points
from vibe.motion import Motion
from vibe.records import Camera, Track, ViewEvidence
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
