"""The whole method on one screen: video, people, evidence, network, body, refinement, result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import assets, cameras
from vibe.body.load import load_body
from vibe.body.marks import joints_and_keypoints
from vibe.body.pose import joints as posed_joints
from vibe.body.record import Body
from vibe.body.shape import rest_joints
from vibe.motion import Motion, Result
from vibe.network import Network, load_network
from vibe.people.detect import Detector
from vibe.people.landmarks import PoseModel
from vibe.people.track import Follower
from vibe.prior import load_prior, prior_energy
from vibe.reading import Reading, extract, in_eight_bits, knows_shapes, read_features, read_keypoints
from vibe.records import Camera, Clip, Progress, Track
from vibe.refine.fitting import ENERGIES, FITTINGS, Fitting
from vibe.refine.mixture import load_mixture
from vibe.refine.one_euro import OneEuro
from vibe.refine.priors import Energy
from vibe.refine.published import mixture_prior
from vibe.refine.smooth import SMOOTHING, Smoothing, close_gaps, one_shape, smooth
from vibe.refine.smplify import fit
from vibe.refine.translation import solve_translation
from vibe.video import Video, open_video

Smooth = Literal["none", "light", "strong", "one-euro"]
MIXTURE = "mixture"
"""The prior of poses that the paper's fit uses by default, beside the learnt ones."""


def estimate(
    path: Path | str,
    *,
    smoothing: Smooth | None = None,
    refine: bool | None = None,
    fitting: Literal["open", "paper"] = "open",
    prior: Path | str = MIXTURE,
    fov_deg: float | None = None,
    body: Path | str | None = None,
    weights: Path | str | None = None,
    runtime: Literal["torch", "openvino", "onnxruntime"] = "torch",
    int8: bool = False,
    device: str | None = None,
    detector: Detector | None = None,
    pose_model: PoseModel | None = None,
    progress: Progress | None = None,
) -> Result:
    """Everyone's motion in a video, in the camera's frame.

        import vibe

        result = vibe.estimate("dance.mp4")
        result.save("motion.npz")

    `smoothing` and `refine` choose what follows the network, `fitting` by which recipe it is refined; where they are
    None, keypoint evidence is refined and smoothed lightly, and what the paper's networks say of pictures stays as it
    is. `prior` judges poses in the paper's fit: mixture, mposer, vposer or a file of one. `fov_deg` is the angle of
    view across the picture's diagonal where it is known; `body` is open, smpl, smpl-male, smpl-female or a file, by
    default the one whose shapes the weights know, if it is here. `runtime` computes the features of pictures; `int8`
    makes it faster and less exact, which a note measures, and needs one of the last two.
    Raises FileNotFoundError or ValueError for what is not a video, body or weights, OSError where it cannot be read,
    ImportError for a runtime that is not installed.
    """
    if prior != MIXTURE and fitting != "paper":
        raise ValueError(f"the {fitting} fit asks no prior of poses, {prior} was given: choose the fitting paper")
    with open_video(path) as video:
        place = device or ("cuda" if torch.cuda.is_available() else "cpu")
        network = load_network(weights, place, "torch" if int8 else runtime)
        shape, remarks = choose_body(body, network)
        clip, tracks, notes = follow(video, Follower(detector, pose_model), progress)
    if int8:
        network, error = in_eight_bits(network, clip, tracks, runtime)
        remarks += error
    camera = cameras.default_camera(clip.width, clip.height, fov_deg)
    keypoints = network.evidence == "keypoints"
    smoothed = SMOOTHING[smoothing or ("light" if keypoints else "none")]
    fitted = FITTINGS[fitting] if (keypoints if refine is None else refine) else None
    if fitted and pose_model and fitted.points == "detected17":
        fitted = replace(fitted, points="coco17")
    terms = energies(prior)
    readings = read(network, clip, tracks, camera, shape, progress)
    people = []
    for done, (track, reading) in enumerate(zip(tracks, readings, strict=True)):
        if progress:
            progress("motion", done, len(tracks))
        people.append(finish_track(track, reading, clip, camera, shape, smoothed, fitted, terms))
    return Result(clip, camera, tuple(people), shape.origin, network.about, (*notes, *remarks))


def choose_body(body: Path | str | None, network: Network) -> tuple[Body, list[str]]:
    """The body asked for, by default the one whose shapes the network knows, or else the open one; with remarks.

    Raises FileNotFoundError or ValueError, with what to do, if a body that was asked for is not here.
    """
    if body is not None:
        chosen = load_body(body)
    else:
        try:
            chosen = load_body(network.body)
        except FileNotFoundError:
            chosen = load_body()
    if knows_shapes(network, chosen):
        return chosen, []
    return chosen, [
        f"the weights {network.about.name} know no shapes of the body {chosen.origin.name}: its mean is the start"
    ]


def follow(video: Video, follower: Follower, progress: Progress | None) -> tuple[Clip, list[Track], list[str]]:
    """One pass over the video: everyone in it, with their keypoints, and what was dropped or repaired."""
    for frame in video:
        follower.step(frame.index, frame.time, frame.rgb)
        if progress:
            progress("people", frame.index + 1, video.expected_frames)
    clip = video.clip()
    tracks, notes = follower.finish()
    return clip, tracks, notes + list(video.notes)


def read(
    network: Network, clip: Clip, tracks: Sequence[Track], camera: Camera, body: Body, progress: Progress | None
) -> Iterator[Reading]:
    """What the network says of everybody: of their keypoints, or of their pictures in a second pass over the video."""
    if network.extractor is None:
        yield from (read_keypoints(track, clip.timestamps[track.frames], camera, network, body) for track in tracks)
        return
    features = extract(clip.path, tracks, network.extractor, len(clip.timestamps), progress)
    for track, seen in zip(tracks, features, strict=True):
        yield read_features(track, clip.timestamps[track.frames], camera, network, seen, body)


def finish_track(
    track: Track, reading: Reading, clip: Clip, camera: Camera, body: Body,
    smoothing: Smoothing | OneEuro, fitting: Fitting | None, terms: Mapping[str, Energy] | None = None,
) -> Motion:  # fmt: skip
    """One person's motion at the frames of their track: refined, smoothed, and brought to the video's own times."""
    rotmat, betas, trans = reading.rotmat, reading.betas, reading.trans
    confidence = reading.keypoints_px[..., 2].mean(-1)
    if not reading.everywhere:
        rotmat, trans = close_gaps(rotmat, trans, reading.times, confidence > 0)
    if fitting or smoothing != SMOOTHING["none"] or not reading.everywhere:
        betas = one_shape(betas, confidence)
    if fitting:
        rotmat, betas, trans = refine_track(rotmat, betas, trans, reading, camera, body, fitting, terms or energies())
    times = clip.timestamps[track.frames]
    smoothed = [
        smooth(rotmat[at], trans[at], reading.times[at], times[rows], smoothing, confidence[at])
        for rows, at in zip(reading.frames, reading.moments, strict=True)
    ]
    rotmat, trans = (torch.cat(parts) for parts in zip(*smoothed, strict=True))
    return to_motion(rotmat, betas, trans, track, times, camera, body)


def refine_track(
    rotmat: Float[Tensor, "time 24 3 3"], betas: Float[Tensor, "10"], trans: Float[Tensor, "time 3"],
    reading: Reading, camera: Camera, body: Body, fitting: Fitting, terms: Mapping[str, Energy],
) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "10"], Float[Tensor, "time 3"]]:  # fmt: skip
    """The body placed where its keypoints are seen, then fitted to them over time."""
    with torch.no_grad():
        joints, keypoints = joints_and_keypoints(body, rotmat, betas, "detected17")
        trans = solve_translation(keypoints - joints[:, :1], reading.keypoints_px, camera.K_px, reading.times, trans)
    points = partial(joints_and_keypoints, body, points=fitting.points)
    return fit(rotmat, betas, trans, reading.keypoints_px, camera.K_px, reading.times, points, fitting, terms)


def energies(prior: Path | str = MIXTURE) -> Mapping[str, Energy]:
    """The energies of the fit, with a learnt prior of poses or motion, or the mixture, the user's own if it is here.

    Raises FileNotFoundError or ValueError for a prior that is not here or none.
    """
    if prior != MIXTURE:
        return {**ENERGIES, "pose_prior": prior_energy(load_prior(prior))}
    try:
        own = assets.library("pose_mixture.npz")
    except FileNotFoundError:
        return ENERGIES
    return {**ENERGIES, "pose_prior": mixture_prior(load_mixture(own))}


def to_motion(
    rotmat: Float[Tensor, "time 24 3 3"], betas: Float[Tensor, "*t 10"], trans: Float[Tensor, "time 3"],
    track: Track, times: Float[Tensor, "time"], camera: Camera, body: Body,
) -> Motion:  # fmt: skip
    """The record of a finished motion: axis-angle, weak camera of each box, joints in space and in the picture."""
    pelvis = rest_joints(body, betas)[..., 0, :]
    joints = posed_joints(body, rotmat, betas) - pelvis[..., None, :] + trans[:, None]
    rotvec = roma.rotmat_to_rotvec(rotmat)
    return Motion(
        frames=track.frames,
        times=times,
        box_px=track.box_px,
        global_orient=rotvec[:, 0],
        body_pose=rotvec[:, 1:].flatten(1),
        betas=betas,
        trans=trans,
        pred_cam=cameras.weak_from_translation(trans - pelvis, track.box_px, camera.K_px),
        joints_cam=joints,
        joints_px=cameras.project(joints, camera.K_px),
        keypoints_px=track.keypoints_px,
        confidence=track.confidence,
        body=body.origin,
    )
