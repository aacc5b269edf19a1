"""What several views know of one person, put together: one track, one prediction to start from, and all evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.pose import shape_of_height, turn_root
from vibe.body.record import Body
from vibe.cache import StageCache, chunked
from vibe.cameras import BOX_MARGIN, project
from vibe.distortion import distort, undistort_track
from vibe.inference.predict import (
    CHUNK,
    LAYOUT,
    STAGE,
    Timeline,
    TrackPrediction,
    predict_track,
    resample_evidence,
    timeline,
)
from vibe.models.network import Network
from vibe.records import Camera, Clip, HandReadings, Lens, SmplParams, Track, ViewEvidence
from vibe.refine.smooth import one_shape
from vibe.rotations import interpolate
from vibe.skeletons import BLAZEPOSE
from vibe.views.camera_poses import PosedCamera
from vibe.views.record import LONGEST_GAP
from vibe.world.camera_motion import CameraMotion


@dataclass(frozen=True)
class SeenView:
    """One video by itself: who is in it, and what the network says of them."""

    path: Path
    clip: Clip
    lens: Lens
    tracks: list[Track]
    predictions: list[TrackPrediction]
    moved: CameraMotion | None = None
    """How its camera moved, where that was asked for."""
    hands: HandReadings | None = None
    """Where they were looked for."""
    notes: tuple[str, ...] = ()
    """What the pass over it dropped or repaired."""
    height_m: float | None = None
    """Of everybody, metres, where it is known; then the predictions are of people so tall."""


@dataclass(frozen=True)
class JointPerson:
    """One person as all views have them, in the time and the frame of the first."""

    track: Track
    prediction: TrackPrediction
    others: list[ViewEvidence]
    seen: Mapping[int, tuple[Track, TrackPrediction]]
    """Their track, and what the network says of it, in each view that sees them, by its place in the list."""


def join_people(
    views: Sequence[SeenView], cameras: Sequence[PosedCamera], groups: Sequence[Sequence[tuple[int, int]]],
    network: Network, body: Body,
) -> list[JointPerson]:  # fmt: skip
    """Everybody with all views' evidence, in frames of the first video; who is in none of them is left out."""
    people = []
    for group in groups:
        mine = {}
        for view in sorted({view for view, _ in group}):
            tracks = [views[view].tracks[track] for at, track in group if at == view]
            said = [views[view].predictions[track] for at, track in group if at == view]
            if len(tracks) > 1:
                tracks = [_one_track(tracks)]
                said = [said_of(tracks[0], views[view], network, body)]
            mine[view] = tracks[0], said[0]
        person = join_person(views, cameras, mine, network, body)
        people += [person] if person is not None else []
    return people


def said_of(track: Track, view: SeenView, network: Network, body: Body) -> TrackPrediction:
    """What the network says of a track in a view, by the lens that is known of the view alone, as of all tracks."""
    said = predict_track(track, view.clip.timestamps[track.frames], view.lens.camera, network, body)
    return said if view.height_m is None else _tall(said, view.height_m, body)[0]


def as_tall(
    views: Sequence[SeenView], cameras: Sequence[PosedCamera], height_m: float, body: Body
) -> tuple[list[SeenView], list[PosedCamera]]:
    """The same pictures, of people who are all so tall, metres: they and the cameras are farther apart, or nearer.

    By the median ratio of all moments; cameras whose places are known stay.
    """
    tall = [[_tall(said, height_m, body) for said in view.predictions] for view in views]
    views = [
        replace(view, predictions=[said for said, _ in each], height_m=height_m)
        for view, each in zip(views, tall, strict=True)
    ]
    if any(camera.is_fixed for camera in cameras):
        return views, list(cameras)
    growth = float(np.median([ratio for each in tall for said, ratio in each for _ in said.timeline.times]))
    return views, [replace(camera, t_view_ref=growth * camera.t_view_ref) for camera in cameras]


def _tall(said: TrackPrediction, height_m: float, body: Body) -> tuple[TrackPrediction, float]:
    """What is said of somebody so tall, as much farther away as their skeleton is larger, and how much that is.

    A body that is taller has other proportions: the ratio is that by which the old skeleton fits the new one best.
    """
    whole, mean = said.whole, one_shape(*said.shapes)
    change = shape_of_height(body, mean, height_m) - mean
    with torch.no_grad():
        before, after = (
            joints_and_keypoints(body, whole.smpl.rotmat, betas, "detected17")[1]
            for betas in (whole.smpl.betas, whole.smpl.betas + change)
        )
    before, after = (points - points.mean(1, keepdim=True) for points in (before, after))
    growth = float((before * after).sum() / before.square().sum())
    smpl = replace(whole.smpl, betas=whole.smpl.betas + change, pelvis=growth * whole.smpl.pelvis)
    return _prediction(said.timeline, smpl, whole.keypoints_px), growth


def _prediction(line: Timeline, smpl: SmplParams, keypoints_px: Float[Tensor, "moment 17 3"]) -> TrackPrediction:
    whole = {**vars(smpl), "keypoints_px": keypoints_px}
    compute = lambda first: iter([({name: each[first:] for name, each in whole.items()}, {})])  # noqa: E731
    return TrackPrediction(line, chunked(StageCache(), STAGE, "", len(line.times), CHUNK, LAYOUT, compute))


def _one_track(tracks: Sequence[Track]) -> Track:
    """Tracks of one person in one view as one; of frames that two have the earlier track's."""
    frames = torch.cat([track.frames for track in tracks])
    order = torch.from_numpy(np.unique(frames.numpy(), return_index=True)[1])
    parts = {name: [getattr(track, name) for track in tracks] for name in vars(tracks[0])}
    return Track(**{name: None if part[0] is None else torch.cat(part)[order] for name, part in parts.items()})


def join_person(
    views: Sequence[SeenView], cameras: Sequence[PosedCamera], mine: Mapping[int, tuple[Track, TrackPrediction]],
    network: Network, body: Body,
) -> JointPerson | None:  # fmt: skip
    """One person, from their track and what the network says of it in each view that sees them.

    None of who is in fewer than two frames of the first video.
    """
    clip = views[0].clip
    known = torch.stack([
        _covered(clip.timestamps + cameras[view].offset_s, views[view].clip.timestamps[track.frames])
        for view, (track, _) in mine.items()
    ]).any(0)  # fmt: skip
    frames = known.nonzero()[:, 0]
    if len(frames) < 2:
        return None
    line = timeline(clip.timestamps[frames], network)
    parts = [
        _said(said, line.times + cameras[view].offset_s, torch.from_numpy(cameras[view].R_view_ref).float())
        for view, (_, said) in mine.items()
    ]
    start = _start(parts, [cameras[view] for view in mine])
    others = [
        _evidence(views[view], cameras[view], track, line.times + cameras[view].offset_s)
        for view, (track, _) in mine.items()
        if view
    ]
    track = _reference_track(views[0], cameras[0], mine.get(0), frames, start, line.times, body)
    here = line.times[0] * 0 + line.times
    keypoints_px = _evidence(views[0], cameras[0], track, here).keypoints_px
    return JointPerson(track, _prediction(line, start, keypoints_px), others, mine)


def _covered(moments: Float[Tensor, "moment"], times: Float[Tensor, "time"]) -> Bool[Tensor, "moment"]:
    """Whether each moment lies within times that have no gap there."""
    after = torch.searchsorted(times, moments).clamp(1, max(len(times) - 1, 1))
    gap = times[after.clamp(max=len(times) - 1)] - times[after - 1]
    inside = (moments >= times[0] - 1e-6) & (moments <= times[-1] + 1e-6)
    return inside & (gap <= LONGEST_GAP)


def _said(
    prediction: TrackPrediction, moments: Float[Tensor, "moment"], R_view_ref: Float[Tensor, "3 3"]
) -> tuple[SmplParams, Float[Tensor, "moment"]]:
    """What the network says in one view at moments of its clock, turned into the reference's axes, and how surely."""
    times, said = prediction.timeline.times, prediction.whole
    after = torch.searchsorted(times, moments).clamp(1, max(len(times) - 1, 1))
    before, after = after - 1, after.clamp(max=len(times) - 1)
    share = ((moments - times[before]) / (times[after] - times[before]).clamp_min(1e-9)).clamp(0, 1).float()
    rotmat = interpolate(said.smpl.rotmat[before], said.smpl.rotmat[after], share[:, None])
    pelvis = torch.lerp(said.smpl.pelvis[before], said.smpl.pelvis[after], share[:, None])
    betas = torch.lerp(said.smpl.betas[before], said.smpl.betas[after], share[:, None])
    sure = torch.minimum(said.confidence[before], said.confidence[after]) * _covered(moments, times)
    return SmplParams(turn_root(R_view_ref.mT, rotmat), betas, pelvis), sure


def _start(parts: Sequence[tuple[SmplParams, Float[Tensor, "moment"]]], cameras: Sequence[PosedCamera]) -> SmplParams:
    """The views' mean by confidence, in the reference's frame."""
    sure = torch.stack([sure for _, sure in parts]).square() + 1e-6
    share = (sure / sure.sum(0))[..., None]
    rotmat = sum((s[..., None, None] * smpl.rotmat for s, (smpl, _) in zip(share, parts)), torch.zeros(()))
    betas = sum((s * smpl.betas for s, (smpl, _) in zip(share, parts)), torch.zeros(()))
    places = []
    for camera, (smpl, _) in zip(cameras, parts, strict=True):
        R, t = (torch.from_numpy(each).float() for each in (camera.R_view_ref, camera.t_view_ref))
        places.append((smpl.pelvis - t) @ R)
    pelvis = sum((s * place for s, place in zip(share, places)), torch.zeros(()))
    return SmplParams(roma.special_procrustes(rotmat), betas, pelvis)


def _evidence(view: SeenView, camera: PosedCamera, track: Track, moments: Float[Tensor, "moment"]) -> ViewEvidence:
    """What a view saw of a person at moments of its own clock, as a pinhole shows it."""
    times, track = view.clip.timestamps[track.frames], undistort_track(track, view.lens.camera)
    landmarks = None
    if track.landmarks is not None:
        points = torch.cat([track.landmarks[..., :5], track.landmarks[..., 5:].prod(-1, keepdim=True)], -1)
        landmarks = resample_evidence(points, track.box_px, times, moments)[0]
    keypoints_px = resample_evidence(track.keypoints_px, track.box_px, times, moments)[0]
    R, t, K_px = (torch.from_numpy(each).float() for each in (camera.R_view_ref, camera.t_view_ref, camera.K_px))
    return ViewEvidence(keypoints_px, K_px, R, t, landmarks)


def _reference_track(
    view: SeenView, posed: PosedCamera, mine: tuple[Track, TrackPrediction] | None, frames: Tensor, start: SmplParams,
    moments: Float[Tensor, "moment"], body: Body,
) -> Track:  # fmt: skip
    """The person's track in the first view; where it does not see them the box is around where they would be."""
    near = torch.searchsorted(moments, view.clip.timestamps[frames]).clamp(max=len(moments) - 1)
    with torch.no_grad():
        joints, points = joints_and_keypoints(body, start.rotmat, start.betas, "detected17")
    placed = (points - joints[:, :1] + start.pelvis[:, None])[near]
    camera = posed_camera(view.lens.camera, posed)
    places_px = project(distort(placed, camera), camera.K_px)
    low, high = places_px.amin(1), places_px.amax(1)
    track = Track(
        frames,
        torch.cat([(low + high) / 2, (high - low) * BOX_MARGIN], -1),
        torch.zeros(len(frames), 17, 3),
        torch.zeros(len(frames), len(BLAZEPOSE), 8),
    )
    if mine is None:
        return track
    rows = torch.searchsorted(frames, mine[0].frames).clamp(max=len(frames) - 1)
    inside = frames[rows] == mine[0].frames
    for name in ("box_px", "keypoints_px", "landmarks"):
        if (array := getattr(mine[0], name)) is not None:
            getattr(track, name)[rows[inside]] = array[inside]
    return replace(track, landmarks=None) if mine[0].landmarks is None else track


def posed_camera(camera: Camera, posed: PosedCamera) -> Camera:
    """The camera with the focal length that was found."""
    return replace(camera, K_px=torch.from_numpy(posed.K_px).float())
