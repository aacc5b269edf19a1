"""The open benchmark's clips: listed in `open_benchmark.json`, made anew from held-out motion."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray as Array

from vibe import assets
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.data import motion
from vibe.data.motion import find_motion
from vibe.evaluate.open_benchmark_evidence import SURE_OF_TRUTH, draw_camera, imitate_detections
from vibe.records import Progress

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


def read_listing(path: Path | None = None) -> Listing:
    """The committed list, or another one in its form."""
    given = json.loads((path or LISTING).read_text(encoding="utf-8"))
    clips = tuple(HeldOut(**clip) for clip in given.pop("clips"))
    return Listing(clips=clips, **given)


def read_benchmark_clips(
    path: Path, listing: Listing
) -> dict[str, tuple[Float[Array, "time 72"], Float[Array, "time 3"]]]:
    """Poses (axis-angle, y up) and places in metres of the listed clips, as the motion file holds them.

    Raises ValueError if the file lacks a clip or holds other numbers than those listed.
    """
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
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{name} {plain.dtype.str} {plain.shape};".encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()


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
    rotmat = roma.rotvec_to_rotmat(torch.from_numpy(poses.astype(np.float64)).unflatten(-1, (24, 3)))
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
            "picture": np.array([camera.focal_px, camera.width, camera.height]),
            "clean": np.round(np.concatenate([keypoints_px, sure], -1), 3),
            "noisy": np.round(imitate_detections(keypoints_px, metre_px, clip_generator(name, view, "noise")), 3),
        }
        arrays |= {f"{name}/{view}/{what}": array for what, array in seen.items()}
    return arrays


def clip_generator(clip: str, view: int, purpose: str) -> np.random.RandomState:
    """The random numbers for one purpose of one view of one clip, whatever else is drawn."""
    digest = hashlib.sha256(f"{clip} {view} {purpose}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, "<u4"))
