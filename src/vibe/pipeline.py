"""The whole method on one screen: video, people, evidence, network, body, refinement, result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras
from vibe.body.coco import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.body.shape import rest_joints
from vibe.model.vibe import VIBE
from vibe.network import lift, load_network
from vibe.observe.keypoints import observe
from vibe.observe.timeline import even_times, resample_evidence, stretches
from vibe.people.detect import Detector
from vibe.people.landmarks import PoseModel
from vibe.people.track import Follower
from vibe.records import Camera, Clip, Motion, Observation, Result, Track
from vibe.refine.smooth import SMOOTHING, Smoothing, close_gaps, one_shape, smooth
from vibe.refine.smplify import fit
from vibe.refine.translation import solve_translation
from vibe.video import Video, open_video

Progress = Callable[[str, float, float | None], None]
"""Called with the stage's name, what is done, and the whole if it is known."""


def estimate(
    path: Path | str,
    *,
    smoothing: Literal["none", "light", "strong"] = "light",
    refine: bool = True,
    fov_deg: float | None = None,
    weights: Path | str | None = None,
    device: str | None = None,
    detector: Detector | None = None,
    pose_model: PoseModel | None = None,
    progress: Progress | None = None,
) -> Result:
    """Everyone's motion in a video, in the camera's frame.

    `smoothing` and `refine` choose what follows the network; `fov_deg` is the angle of view across the picture's
    diagonal where it is known. Raises FileNotFoundError or ValueError for what is not a video, OSError where it
    cannot be read.
    """
    with open_video(path) as video:
        network, about = load_network(weights)
        body = load_body()
        place = device or ("cuda" if torch.cuda.is_available() else "cpu")
        clip, tracks, notes = follow(video, Follower(detector, pose_model), progress)
    camera = cameras.default_camera(clip.width, clip.height, fov_deg)
    people = []
    for done, track in enumerate(tracks):
        if progress:
            progress("motion", done, len(tracks))
        people.append(estimate_track(track, clip, camera, network.to(place), body, SMOOTHING[smoothing], refine))
    return Result(clip, camera, tuple(people), body.origin, about, tuple(notes))


def follow(video: Video, follower: Follower, progress: Progress | None) -> tuple[Clip, list[Track], list[str]]:
    """One pass over the video: everyone in it, with their keypoints, and what was dropped or repaired."""
    for frame in video:
        follower.step(frame.index, frame.time, frame.rgb)
        if progress:
            progress("people", frame.index + 1, video.expected_frames)
    clip = video.clip()
    tracks, notes = follower.finish()
    return clip, tracks, notes + list(video.notes)


def estimate_track(
    track: Track, clip: Clip, camera: Camera, network: VIBE, body: Body, smoothing: Smoothing, refine: bool
) -> Motion:
    """One person's motion at the frames of their track, with one shape."""
    times = clip.timestamps[track.frames]
    spans = stretches(times)
    moments = [even_times(times[span]) for span in spans]
    evidence = [
        resample_evidence(track.keypoints_px[span], track.box_px[span], times[span], at)
        for span, at in zip(spans, moments, strict=True)
    ]
    read = [read_stretch(keypoints_px, box_px, camera, network) for keypoints_px, box_px in evidence]
    rotmat, betas, trans = (torch.cat(parts) for parts in zip(*read, strict=True))
    keypoints_px, when = torch.cat([part for part, _ in evidence]), torch.cat(moments)
    confidence = keypoints_px[..., 2].mean(-1)
    rotmat, trans = close_gaps(rotmat, trans, when, confidence > 0)
    shape = one_shape(betas, confidence)
    if refine:
        rotmat, shape, trans = refine_track(rotmat, shape, trans, keypoints_px, camera, when, body)
    sizes = [len(part) for part in moments]
    parts = zip(spans, *(whole.split(sizes) for whole in (rotmat, trans, when, confidence)), strict=True)
    smoothed = [smooth(turns, place, at, times[span], smoothing, sure) for span, turns, place, at, sure in parts]
    rotmat, trans = (torch.cat(parts) for parts in zip(*smoothed, strict=True))
    return to_motion(rotmat, shape, trans, track, camera, body)


@torch.no_grad()
def read_stretch(
    keypoints_px: Float[Tensor, "time 17 3"], box_px: Float[Tensor, "time 4"], camera: Camera, network: VIBE
) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "time 10"], Float[Tensor, "time 3"]]:
    """What the network says of an even stretch: rotations, betas and pelvis, in the camera's frame."""
    observation = observe(keypoints_px, box_px, camera.K_px)
    place = next(network.parameters()).device
    theta = lift(network, Observation(observation.keypoints.to(place), observation.box.to(place)))
    rotmat, betas, pred_cam = theta.rotmat.cpu(), theta.betas.cpu(), theta.pred_cam.cpu()
    R_crop_cam, _, half_side = cameras.crop_view(box_px, camera.K_px)
    depth = cameras.depth_from_scale(pred_cam[:, 0].clamp_min(0.05), half_side)
    pelvis_crop = torch.stack([pred_cam[:, 1], pred_cam[:, 2], depth], -1)
    pelvis_cam = (R_crop_cam.mT @ pelvis_crop[..., None])[..., 0]
    return torch.cat([(R_crop_cam.mT @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1), betas, pelvis_cam


def refine_track(
    rotmat: Float[Tensor, "time 24 3 3"], betas: Float[Tensor, "10"], trans: Float[Tensor, "time 3"],
    keypoints_px: Float[Tensor, "time 17 3"], camera: Camera, times: Float[Tensor, "time"], body: Body,
) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "10"], Float[Tensor, "time 3"]]:  # fmt: skip
    """The body placed where its keypoints are seen, then fitted to them over time."""

    def points(rotmat: Tensor, betas: Tensor) -> tuple[Tensor, Tensor]:
        return joints_and_keypoints(body, rotmat, betas)

    with torch.no_grad():
        joints, keypoints = points(rotmat, betas)
        trans = solve_translation(keypoints - joints[:, :1], keypoints_px, camera.K_px, times, trans)
    return fit(rotmat, betas, trans, keypoints_px, camera.K_px, times, points)


def to_motion(
    rotmat: Float[Tensor, "time 24 3 3"], betas: Float[Tensor, "10"], trans: Float[Tensor, "time 3"],
    track: Track, camera: Camera, body: Body,
) -> Motion:  # fmt: skip
    """The record of a finished motion: axis-angle, weak camera of each box, joints in space and in the picture."""
    about_origin, _ = joints_and_keypoints(body, rotmat, betas)
    pelvis = rest_joints(body, betas)[0]
    joints = about_origin - pelvis + trans[:, None]
    rotvec = roma.rotmat_to_rotvec(rotmat)
    return Motion(
        frames=track.frames,
        box_px=track.box_px,
        global_orient=rotvec[:, 0],
        body_pose=rotvec[:, 1:].flatten(1),
        betas=betas,
        trans=trans,
        pred_cam=cameras.weak_from_translation(trans - pelvis, track.box_px, camera.K_px),
        joints=joints,
        joints_px=cameras.project(joints, camera.K_px),
        keypoints_px=track.keypoints_px,
        confidence=track.confidence,
    )
