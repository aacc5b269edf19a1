"""The open benchmark, made from its list: held-out motion, random shapes, still cameras, clean and noisy keypoints.

The same numbers on every machine: all is computed in float64 and rounded before it is written.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray as Array

from vibe import assets
from vibe.body.load import load_body
from vibe.body.marks import joints_and_keypoints
from vibe.body.record import Body
from vibe.data.motion import find_motion
from vibe.evaluate.detections import SURE_OF_TRUTH, detect
from vibe.evaluate.held_out import Listing, checksum, read_clips, read_listing
from vibe.evaluate.views import draw_camera
from vibe.records import Progress

ARRAYS, MANIFEST = "open_benchmark.npz", "manifest.json"
POINTS = "detected17"
"""The keypoints are where the shipped detector marks them on the body."""


def build(out: Path, listing: Listing | None = None, progress: Progress | None = None) -> str:
    """Write the benchmark's arrays and then its manifest into a folder; returns the arrays' checksum.

    Raises FileNotFoundError without the motion file, ValueError if it or what comes out is not what is listed, OSError
    if the folder can't be written.
    """
    listing = listing or read_listing()
    body = load_body()
    arrays = make(listing, body, progress)
    seen = checksum(arrays)
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


def make(listing: Listing, body: Body, progress: Progress | None = None) -> dict[str, Array]:
    """The benchmark's arrays; raises FileNotFoundError and ValueError as `build` does for the motion file."""
    clips = read_clips(find_motion(listing.motion), listing)
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
        betas = np.round(stream(name, view, "shape").standard_normal(10), 6)
        joints, keypoints = (
            points.numpy() for points in joints_and_keypoints(exact, rotmat, torch.from_numpy(betas), POINTS)
        )
        place = trans.astype(np.float64)[:, None] - joints[:, :1]
        camera = draw_camera(np.concatenate([joints, keypoints], 1) + place, stream(name, view, "camera"))
        keypoints_cam = camera.see(keypoints + place)
        keypoints_px, metre_px = camera.project(keypoints_cam), camera.focal_px / keypoints_cam[..., 2]
        sure = np.full((*metre_px.shape, 1), SURE_OF_TRUTH)
        seen = {
            "betas": betas,
            "R_cam_world": camera.R_cam_world,
            "t_cam_world": camera.t_cam_world,
            "picture": np.array([camera.focal_px, camera.width, camera.height]),
            "clean": np.round(np.concatenate([keypoints_px, sure], -1), 3),
            "noisy": np.round(detect(keypoints_px, metre_px, stream(name, view, "noise")), 3),
        }
        arrays |= {f"{name}/{view}/{what}": array for what, array in seen.items()}
    return arrays


def stream(clip: str, view: int, purpose: str) -> np.random.RandomState:
    """The random numbers for one purpose of one view of one clip, whatever else is drawn."""
    digest = hashlib.sha256(f"{clip} {view} {purpose}".encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, "<u4"))
