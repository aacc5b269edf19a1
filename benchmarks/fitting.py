"""What each recipe of the fit over time does to the shared videos: error in the picture, in space, and its price.

    python benchmarks/fitting.py [--weights NAME|PATH] [--smooth none|light|strong] [--table FILE]

Reads `../shared/data/videos`. Only the balancing clip has a 3D truth (12 limb joints, about the mid-hip where not
aligned; its own error is 2 to 3 cm). Nothing here is ever tuned on it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import report
import torch
import tyro
from real import errors as compare

from vibe import cameras, skeletons
from vibe.arrays import as_tensors
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.evaluate.end_to_end import truth_of
from vibe.inference import config, estimate
from vibe.inference import track as following
from vibe.models.network import load_network
from vibe.motion import Motion
from vibe.records import Camera, Track
from vibe.refine.energies import HEIGHT
from vibe.refine.presets import FITTINGS, SMOOTHING

FOLDER = Path("../shared/data/videos")
VIDEOS = ("balancing/cam01", "balancing/cam02", "two_people/cam01", "street/street")
ENDS = {
    "wrists": ("left_wrist", "right_wrist"),
    "heels": ("left_heel", "right_heel"),
    "toes": ("left_toes", "right_toes"),
}
HEAD = ["video", "person", "fit", "frames", "reprojection px", "the same mm at their depth",
        *(f"{end} % of height" for end in ENDS), "PA-MPJPE mm", "MPJPE mm",
        "acceleration error mm/frame^2", "ms a frame", "of it CPU ms"]  # fmt: skip


@dataclass(frozen=True)
class Options:
    weights: str | None = None
    smooth: Literal["none", "light", "strong"] = "light"
    table: Path | None = None
    """Also write the table here."""


def reprojection(motion: Motion, body: Body, camera: Camera) -> list[float]:
    """Mean distance of the body's COCO keypoints to the detected ones, by confidence: pixels; mm at their depth."""
    smpl, keypoints_px = as_tensors(motion.smpl), as_tensors(motion.keypoints_px)
    joints, points = joints_and_keypoints(body, smpl.rotmat, smpl.betas, "detected17")
    points_px = cameras.project(points - joints[:, :1] + smpl.pelvis[:, None], camera.K_px)
    off = (points_px - keypoints_px[..., :2]).norm(dim=-1)
    height_px = camera.K_px[0, 0] * HEIGHT / smpl.pelvis[:, 2:]
    sure = keypoints_px[..., 2]
    return [float((each * sure).sum() / sure.sum()) for each in (off, off / height_px * HEIGHT * 1000)]


def residuals(motion: Motion, track: Track, body: Body, camera: Camera) -> list[float]:
    """Median distance of wrists, heels and toes to where the pose model saw them, in per cent of a person's height.

    Where it was sure of them (0.5 or more) only.
    """
    smpl, names = as_tensors(motion.smpl), skeletons.JOINT_SETS["detected27"]
    joints, points = joints_and_keypoints(body, smpl.rotmat, smpl.betas, "detected27")
    points_px = cameras.project(points - joints[:, :1] + smpl.pelvis[:, None], camera.K_px)
    height_px = camera.K_px[0, 0] * HEIGHT / smpl.pelvis[:, 2:]
    assert track.landmarks is not None, "the default pose model gives them"
    found = []
    for end in ENDS.values():
        seen = track.landmarks[:, skeletons.index(skeletons.BLAZEPOSE, end)]
        off = (points_px[:, skeletons.index(names, end)] - seen[..., :2]).norm(dim=-1) / height_px
        sure = (seen[..., 5] >= 0.5) & (seen[..., 6] >= 0.5)
        found.append(100 * float(off[sure].median()) if sure.any() else float("nan"))
    return found


def main(options: Options) -> None:
    network, body = load_network(options.weights), load_body()
    limbs = skeletons.index(skeletons.SMPL, skeletons.LIMBS)
    rows = []
    for name in VIDEOS:
        found = following.track_video(FOLDER / f"{name}.mp4")
        clip, tracks = found.clip, found.tracks
        camera = cameras.default_camera(clip.width, clip.height)
        tracks = sorted(tracks, key=lambda one: -float(one.box_px[:, 3].median()))
        for person, track in enumerate(tracks, 1):
            for recipe, fitting in (("none", None), *FITTINGS.items()):
                start, spent = time.perf_counter(), time.process_time()
                how = config.Refinement(SMOOTHING[options.smooth], fitting, config.energies())
                [motion] = estimate.estimate_track(track, clip, camera, network, body, [how])
                price = [1000 * (time.perf_counter() - start), 1000 * (time.process_time() - spent)]
                truth = name.startswith("balancing") and person == 1
                errors = (
                    compare(
                        as_tensors(motion.joints_cam)[:, limbs],
                        truth_of(FOLDER / "balancing", name[-5:])[track.frames],
                        track.frames,
                    )
                    if truth
                    else []
                )
                row = [name, person, recipe, len(track.frames), *reprojection(motion, body, camera)]
                row += residuals(motion, track, body, camera)
                row += errors or ["", "", ""]
                rows.append([*row, *(each / len(track.frames) for each in price)])
    report.table(
        "The fit over time, by recipe",
        HEAD,
        rows,
        f"weights {network.about.name} {network.about.sha256[:12]}, smooth {options.smooth}, "
        f"{torch.get_num_threads()} threads; the price is that of the fit and the smoothing",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
