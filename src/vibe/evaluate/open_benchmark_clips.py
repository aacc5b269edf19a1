"""The open benchmark's clips: listed in `open_benchmark.json`, made anew from held-out motion, before still cameras.

The detector that sees them is a frozen imitation: changes to the one that training imitates do not reach it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from vibe import assets, skeletons
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.data import motion
from vibe.data.motion import find_motion
from vibe.motion.npz import arrays_checksum
from vibe.records import Progress

PICTURES = ((1920, 1080), (1080, 1920), (1440, 1080))
"""Width and height, pixels."""
FOV_DEG = (40.0, 80.0)
"""Angle of view across the diagonal; its tangent is log-uniform. Nobody is told."""
HEIGHT = (0.7, 2.2)
"""Of the camera above the floor, metres; uniform."""
DISTANCE = (2.5, 7.0)
"""From the middle of the motion, metres, log-uniform; more where the person would leave the picture."""
ROLL_DEG = 2.5
"""Standard deviation."""
AIM = 0.25
"""Metres by which the camera aims beside the middle of the motion: standard deviation along each axis."""
BORDER = 0.03
"""Share of the picture's sides that is kept free around the person."""
NEAREST = 1.0
"""Metres in front of the camera that no joint comes closer than."""


@dataclass(frozen=True)
class StillCamera:
    """A pinhole camera that stands in a y-up world."""

    R_cam_world: Float[Array, "3 3"]
    t_cam_world: Float[Array, "3"]
    focal_px: float
    size_px: tuple[int, int]
    """Width and height."""

    def see(self, points_world: Float[Array, "*b 3"]) -> Float[Array, "*b 3"]:
        """The points in the camera's frame."""
        return points_world @ self.R_cam_world.T + self.t_cam_world

    def project(self, points_cam: Float[Array, "*b 3"]) -> Float[Array, "*b 2"]:
        """Pixels."""
        return points_cam[..., :2] / points_cam[..., 2:] * self.focal_px + np.array(self.size_px) / 2


def draw_camera(points_world: Float[Array, "time point 3"], random: np.random.RandomState) -> StillCamera:
    """A camera for somebody whose points move so, above a floor at y = 0."""
    low, high = points_world.min((0, 1)), points_world.max((0, 1))
    middle = (low + high) / 2
    size_px = PICTURES[random.randint(len(PICTURES))]
    tangent = np.exp(random.uniform(*np.log(np.tan(np.radians(FOV_DEG) / 2))))
    focal_px = round(float(np.hypot(*size_px) / 2 / tangent), 3)
    yaw, stands = random.uniform(-np.pi, np.pi), random.uniform(*HEIGHT)
    roll = np.radians(ROLL_DEG) * random.standard_normal()
    aim = middle + AIM * random.standard_normal(3)
    distance = np.exp(random.uniform(*np.log(DISTANCE)))
    while True:
        place = np.array([middle[0] + distance * np.sin(yaw), stands, middle[2] + distance * np.cos(yaw)])
        R_cam_world = np.round(looking(aim - place, roll), 12)
        camera = StillCamera(R_cam_world, np.round(-R_cam_world @ place, 6), focal_px, size_px)
        if sees_all(camera, points_world):
            return camera
        distance *= 1.06


def looking(direction: Float[Array, "3"], roll: float) -> Float[Array, "3 3"]:
    """R_cam_world of a camera that looks along a direction, turned about it by `roll`."""
    forward = direction / np.linalg.norm(direction)
    right = np.cross(forward, [0.0, 1.0, 0.0])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    return np.stack([np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right, forward])


def sees_all(camera: StillCamera, points_world: Float[Array, "time point 3"]) -> bool:
    """Whether all points stay in the picture, free of its border, and in front of the camera."""
    points_cam = camera.see(points_world)
    if points_cam[..., 2].min() < NEAREST:
        return False
    share = camera.project(points_cam) / camera.size_px
    return bool((share > BORDER).all() and (share < 1 - BORDER).all())


SURE_OF_TRUTH = 0.95
"""Confidence of the clean keypoints."""
GROUPS = [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8]
"""Which number of nose, eyes, ears, shoulders, elbows, wrists, hips, knees and ankles is each keypoint's."""
BIAS_MM = (15.0, 13.0, 12.0, 14.5, 11.5, 10.0, 19.0, 12.5, 7.5)
"""What stays for seconds."""
DRIFT_MM = (7.6, 6.6, 5.5, 8.7, 11.1, 10.1, 10.8, 11.5, 10.3)
"""What wanders within a fifth of a second."""
JITTER_MM = (3.7, 3.4, 2.9, 3.3, 5.0, 5.2, 3.7, 4.5, 4.6)
"""What changes from frame to frame."""
UNEVEN = 0.46
"""Deviation of the logarithm of each keypoint's errors: they grow and shrink within a second ..."""
LINK = (0.80, 0.75, 0.50, 0.65, 0.80, 0.80, 0.35, 0.75, 0.65)
"""... and by how much the logit of its confidence falls with a deviation more."""
SURE = (2.3, 2.6, 1.95, 1.7, 1.25, 1.5, 1.35, 1.15, 1.25)
"""That logit at its median, in plain view."""
MOOD, WAVER = 0.2, 0.18
"""Deviation of the logit that all keypoints share for seconds, and each one's from frame to frame."""
SLOW, MIDDLE, QUICK = 60, 20, 6
"""Frames, at 30 a second, between two independent values of what stays, of how large errors are, of what wanders."""
ARMS, LEGS = ((7, 9), (8, 10)), ((13, 15), (14, 16))
ASTRAY_MM = {7: 56.0, 8: 56.0, 9: 82.0, 10: 82.0, 13: 100.0, 14: 100.0, 15: 150.0, 16: 150.0}
"""Deviation along x and y of the keypoints of a limb guessed wrong: an arm behind the body, a leg for the other one."""
HIDDEN = {7: 4.5, 8: 4.5, 9: 4.8, 10: 4.8, 13: 1.3, 14: 1.3, 15: 1.3, 16: 1.3}
"""By how much the logit falls there."""
UPPER, LOWER, ALL = (5, 6, 7, 8, 9, 10), (11, 12, 13, 14, 15, 16), tuple(range(17))
WRONG_ARM, WRONG_LEG, EXCHANGED, LEGS_UNSEEN, NOBODY = 0.032, 0.011, 0.004, 0.001, 0.002
"""How often, a frame, a spell of each begins."""
MOST_BLANK = 12
"""Frames for which nobody is seen, at most: the product fills such gaps, so that every frame is scored."""
MIRRORED = skeletons.mirrored(skeletons.COCO)


def imitate_detections(
    keypoints_px: Float[Array, "time 17 2"], metre_px: Float[Array, "time 17"], random: np.random.RandomState
) -> Float[Array, "time 17 3"]:
    """What the detector would say of true keypoints at 30 frames a second: x, y, confidence.

    `metre_px` is the length of a metre in the picture at each keypoint. The first and the last frame are never blank.
    """
    frames = len(keypoints_px)
    astray = spells(frames, WRONG_ARM, 60, ARMS, random) | spells(frames, WRONG_LEG, 5, LEGS, random)
    uneven = wander(frames, MIDDLE, 17, random)
    steady = wander(frames, SLOW, 34, random).reshape(frames, 17, 2) * _each(BIAS_MM)[:, None]
    drift = wander(frames, QUICK, 34, random).reshape(frames, 17, 2) * _each(DRIFT_MM)[:, None]
    jitter = random.standard_normal((frames, 17, 2)) * _each(JITTER_MM)[:, None]
    away = wander(frames, MIDDLE, 34, random).reshape(frames, 17, 2) * _by_name(ASTRAY_MM)[:, None]
    error_mm = (steady + drift + jitter) * np.exp(UNEVEN * uneven)[..., None] + away * astray[..., None]
    seen = keypoints_px + error_mm / 1000 * metre_px[..., None]
    swapped = spells(frames, EXCHANGED, 8, (ALL, UPPER, LOWER), random)
    seen = np.where(swapped[..., None], seen[:, MIRRORED], seen)
    logit = _each(SURE) - _each(LINK) * uneven - astray * _by_name(HIDDEN)
    logit += MOOD * wander(frames, SLOW, 1, random) + WAVER * random.standard_normal((frames, 17))
    missing = spells(frames, LEGS_UNSEEN, 60, (LOWER[2:], *LEGS), random)
    missing |= _held_short(spells(frames, NOBODY, 2 * MOST_BLANK, (ALL,), random))
    return np.concatenate([seen, ((1 / (1 + np.exp(-logit))) * ~missing)[..., None]], -1)


def wander(frames: int, period: int, width: int, random: np.random.RandomState) -> Float[Array, "{frames} {width}"]:
    """Smooth noise of unit variance at every moment, independent after two periods."""
    knots = random.standard_normal((frames // period + 3, width))
    time = np.arange(frames) / period + random.random_sample()
    first = time.astype(int)
    angle = (time - first)[:, None] * np.pi / 2
    return np.cos(angle) * knots[first] + np.sin(angle) * knots[first + 1]


def spells(
    frames: int, rate: float, longest: int, groups: Sequence[tuple[int, ...]], random: np.random.RandomState
) -> Bool[Array, "{frames} 17"]:
    """True for one of the groups of keypoints during each spell; spells begin at `rate` a frame.

    The logarithm of a spell's length is uniform, up to `longest` frames: most are short.
    """
    inside = np.zeros((frames + longest, 17), bool)
    for start in np.flatnonzero(random.random_sample(frames + longest) < rate):
        group, length = random.randint(len(groups)), int((longest + 1) ** random.random_sample())
        inside[start : start + length, list(groups[group])] = True
    return inside[longest:]


def _held_short(blank: Bool[Array, "time 17"]) -> Bool[Array, "time 17"]:
    """Spells that run into each other cut at `MOST_BLANK`; nothing at the ends."""
    run = 0
    for frame in range(len(blank)):
        run = run + 1 if blank[frame, 0] else 0
        if run > MOST_BLANK:
            blank[frame], run = False, 0
    blank[[0, -1]] = False
    return blank


def _each(numbers: Sequence[float]) -> Float[Array, "17"]:
    return np.array(numbers)[GROUPS]


def _by_name(numbers: dict[int, float]) -> Float[Array, "17"]:
    return np.array([numbers.get(joint, 0.0) for joint in range(17)])


LISTING = Path(__file__).with_name("open_benchmark.json")


@dataclass(frozen=True)
class HeldOut:
    """One clip of the motion file; its subject is one of `vibe.data.motion.HELD_OUT`."""

    name: str
    frames: int
    """Of the whole clip, at 30 a second."""
    sha256: str
    """Of its numbers (`clip_checksum`)."""


@dataclass(frozen=True)
class Listing:
    """What the benchmark is made of."""

    motion: str
    """Name of the motion file."""
    views: int
    """Cameras for each clip."""
    longest: int
    """Frames of a clip that are used, from its middle."""
    clips: tuple[HeldOut, ...]
    sha256: str
    """Of the benchmark's arrays (`clips_checksum`)."""


def read_listing() -> Listing:
    """The committed list."""
    given = json.loads(LISTING.read_text(encoding="utf-8"))
    clips = tuple(HeldOut(**clip) for clip in given.pop("clips"))
    return Listing(clips=clips, **given)


def read_benchmark_clips(
    path: Path, listing: Listing
) -> dict[str, tuple[Float[Array, "time 72"], Float[Array, "time 3"]]]:
    """Poses (axis-angle, y up) and places in metres of the listed clips; raises ValueError if the file has others."""
    poses, trans, offsets, names = motion.read_motion_clips(path)
    rows = {name: slice(*bounds) for name, *bounds in zip(names, offsets[:-1], offsets[1:], strict=True)}
    clips = {}
    for clip in listing.clips:
        if clip.name not in rows:
            raise ValueError(f"{path} has no clip {clip.name}: get the motion file that the benchmark was made of")
        part = rows[clip.name]
        seen = clip_checksum(poses[part], trans[part])
        if (len(poses[part]), seen) != (clip.frames, clip.sha256):
            raise ValueError(
                f"{path}: {clip.name} has {len(poses[part])} frames of SHA-256 {seen[:12]}, the benchmark has "
                f"{clip.frames} of {clip.sha256[:12]}: its numbers are not comparable with this file"
            )
        clips[clip.name] = poses[part], trans[part]
    return clips


def clip_checksum(poses: Float[Array, "time 72"], trans: Float[Array, "time 3"]) -> str:
    """SHA-256 of a clip's numbers."""
    return clips_checksum({"poses": poses, "trans": trans})


def clips_checksum(arrays: Mapping[str, Array]) -> str:
    """SHA-256 of arrays: their names, kinds, shapes and numbers, in order of the names."""
    return arrays_checksum(arrays, ";")


ARRAYS, MANIFEST = "open_benchmark.npz", "manifest.json"
POINTS = "detected17"
"""The keypoints are where the shipped detector marks them on the body."""


def build_open_benchmark(out: Path, listing: Listing | None = None, progress: Progress | None = None) -> str:
    """Write the benchmark's arrays and then its manifest into a folder; returns the arrays' checksum.

    Raises FileNotFoundError without the motion file, ValueError if it or what comes out is not what is listed, OSError
    if the folder can't be written.
    """
    listing = listing or read_listing()
    body = load_body()
    arrays = make_benchmark_clip(listing, body, progress)
    seen = clips_checksum(arrays)
    if seen != listing.sha256:
        raise ValueError(
            f"the benchmark came out with SHA-256 {seen}, the listed one is {listing.sha256}: the body or the "
            "benchmark's code has changed, and errors on it are not comparable with those on the listed one"
        )
    out.mkdir(parents=True, exist_ok=True)
    (out / MANIFEST).unlink(missing_ok=True)
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    assets.write_whole(out / ARRAYS, content.getvalue())
    manifest = {
        "protocol": "open-benchmark",
        "sha256": seen,
        "clips": [clip.name for clip in listing.clips],
        "views": listing.views,
        "frames": sum(len(arrays[f"{clip.name}/poses"]) for clip in listing.clips) * listing.views,
        "points": POINTS,
        "body": {"name": body.origin.name, "sha256": body.origin.sha256},
    }
    assets.write_whole(out / MANIFEST, json.dumps(manifest, indent=1).encode())
    return seen


def make_benchmark_clip(listing: Listing, body: Body, progress: Progress | None = None) -> dict[str, Array]:
    """The benchmark's arrays; raises FileNotFoundError and ValueError as `build_open_benchmark` does for the motion."""
    clips = read_benchmark_clips(find_motion(listing.motion), listing)
    arrays: dict[str, Array] = {}
    for done, (name, (poses, trans)) in enumerate(clips.items()):
        if progress:
            progress("clips", done, len(clips))
        spare = max(len(poses) - listing.longest, 0) // 2
        part = slice(spare, spare + listing.longest)
        arrays |= _clip(name, poses[part], trans[part], listing.views, body)
    return arrays


def _clip(
    name: str, poses: Float[Array, "time 72"], trans: Float[Array, "time 3"], views: int, body: Body
) -> dict[str, Array]:
    """One clip's arrays: its motion once, then what each camera sees of a body of its own."""
    arrays: dict[str, Array] = {f"{name}/poses": poses, f"{name}/trans": trans}
    exact = body.to(dtype=torch.float64)
    rotmat = roma.rotvec_to_rotmat(torch.from_numpy(poses.astype(np.float64)).unflatten(-1, (-1, 3)))
    for view in range(views):
        betas = np.round(clip_generator(name, view, "shape").standard_normal(10), 6)
        joints, keypoints = (
            points.numpy() for points in joints_and_keypoints(exact, rotmat, torch.from_numpy(betas), POINTS)
        )
        place = trans.astype(np.float64)[:, None] - joints[:, :1]
        camera = draw_camera(np.concatenate([joints, keypoints], 1) + place, clip_generator(name, view, "camera"))
        keypoints_cam = camera.see(keypoints + place)
        keypoints_px, metre_px = camera.project(keypoints_cam), camera.focal_px / keypoints_cam[..., 2]
        sure = np.full((*metre_px.shape, 1), SURE_OF_TRUTH)
        seen = {
            "betas": betas,
            "R_cam_world": camera.R_cam_world,
            "t_cam_world": camera.t_cam_world,
            "picture": np.array([camera.focal_px, *camera.size_px]),
            "clean": np.round(np.concatenate([keypoints_px, sure], -1), 3),
            "noisy": np.round(imitate_detections(keypoints_px, metre_px, clip_generator(name, view, "noise")), 3),
        }
        arrays |= {f"{name}/{view}/{what}": array for what, array in seen.items()}
    return arrays


def clip_generator(clip: str, view: int, purpose: str) -> np.random.RandomState:
    """The random numbers for one purpose of one view of one clip, whatever else is drawn."""
    digest = hashlib.sha256(f"{clip} {view} {purpose}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, "<u4"))
