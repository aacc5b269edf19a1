"""How well the camera's rotation and the focal length are found, on real pictures that a virtual camera turns before.

    python benchmarks/virtual_pans.py [--frames 120] [--table FILE]

A picture of a camera that stands can be turned: what another one would see from the same place is a homography of it.
Each shared clip is taken as it is, panned smoothly and panned by a shaking hand, through a lens 1.35 times as long, so
that no border enters; it is coded as H.264 and goes through the pass that tracks its people, whose boxes are left out.
How often frames are looked at, and when there is a new key frame, was chosen on such pans: errors elsewhere may be
larger.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import report
import tyro
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from vibe.inference.track import track_video
from vibe.parallel import one_thread
from vibe.video.read import open_video
from vibe.video.write import VideoWriter
from vibe.world.background import BackgroundTracker
from vibe.world.camera_motion import solve_rotations
from vibe.world.focal import focal_from_pan

FOLDER = Path("../shared/data/videos")
VIDEOS = ("balancing/cam01.mp4", "balancing/cam02.mp4", "two_people/cam01.mp4", "street/street.mp4")
LONGER = 1.35
"""The virtual lens beside the real one, whose focal length is taken to be the picture's diagonal."""


@dataclass(frozen=True)
class Options:
    frames: int = 120
    """Of each clip."""
    table: Path | None = None


def smooth(seconds: NDArray[np.floating]) -> Float[NDArray, "frame 3"]:
    """Tilt, pan and roll, degrees: to and fro by 3, 8 and 1.5."""
    return np.array([3.0, 8.0, 1.5]) * np.sin(2 * np.pi * seconds[:, None] / np.array([4.0, 6.0, 5.0]))


def shaken(seconds: NDArray[np.floating]) -> Float[NDArray, "frame 3"]:
    """The same with a tremor of 1 to 8 hertz, whose degrees fall with the frequency."""
    random, angles = np.random.default_rng(0), smooth(seconds)
    for hertz in (1.1, 2.3, 3.7, 5.9, 8.3):
        angles += 0.5 / hertz * np.sin(2 * np.pi * (hertz * seconds[:, None] + random.random(3)))
    return angles


def standing(seconds: NDArray[np.floating]) -> Float[NDArray, "frame 3"]:
    return np.zeros((len(seconds), 3))


CAMERAS: dict[str, Callable[[NDArray[np.floating]], NDArray[np.floating]]] = {
    "stands": standing,
    "pans": smooth,
    "pans, shaken": shaken,
}


def intrinsics(focal_px: float, width: int, height: int) -> NDArray[np.floating]:
    return np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])


def take(name: str, out: Path, camera: str, frames: int) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Writes the clip as another camera takes it; gives its R_cam0_cam and its intrinsic matrix."""
    with open_video(FOLDER / name) as video:
        width, height, fps = video.width, video.height, video.fps
        angles = CAMERAS[camera](np.arange(frames) / fps)
        R_cam0_cam = Rotation.from_euler("xyz", angles - angles[0], degrees=True).as_matrix()
        real = intrinsics(math.hypot(width, height), width, height)
        K_px = intrinsics((LONGER if angles.any() else 1.0) * real[0, 0], width, height)
        to_corner = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
        count = 0
        with VideoWriter(out, width, height, fps) as writer:
            for frame, R in zip(video, R_cam0_cam, strict=False):
                homography = np.linalg.inv(to_corner) @ K_px @ R.T @ np.linalg.inv(real) @ to_corner
                rgb = cv2.warpPerspective(frame.rgb, homography, (width, height)) if angles.any() else frame.rgb
                writer.write(np.asarray(rgb), frame.time)
                count += 1
    return R_cam0_cam[:count], K_px


def main(options: Options) -> None:
    spent, look, rows, errors = [0.0], BackgroundTracker._look, [], []

    def timed(self: BackgroundTracker, *given: object) -> None:
        began = time.thread_time()
        look(self, *given)  # pyright: ignore[reportArgumentType]
        spent[0] += time.thread_time() - began

    BackgroundTracker._look = timed  # pyright: ignore[reportAttributeAccessIssue]
    with one_thread(), tempfile.TemporaryDirectory() as folder:
        for camera in CAMERAS:
            for name in VIDEOS:
                R_cam0_cam, K_px = take(name, Path(folder) / "clip.mp4", camera, options.frames)
                spent[0], began = 0.0, time.process_time()
                found = track_video(Path(folder) / "clip.mp4")
                whole = time.process_time() - began
                clip, background = found.clip, found.background
                assert background is not None
                size, began = (clip.width, clip.height), time.process_time()
                motion = solve_rotations(background, clip.timestamps.numpy(), K_px, size)
                solving = time.process_time() - began
                focal = focal_from_pan(background, size)
                error = np.degrees(Rotation.from_matrix(R_cam0_cam.mT @ motion.R_cam0_cam).magnitude())
                errors += [error.mean()] if camera != "stands" else []
                ms = [f"{1000 * each / len(error):.1f}" for each in (spent[0], solving, whole - spent[0])]
                told = f"{100 * (focal[0] / K_px[0, 0] - 1):+.1f} ({100 * focal[1] / focal[0]:.1f})" if focal else "-"
                said = "stands" if motion.still else "travels" if motion.travels else "turns"
                rows.append([camera, name, len(error), said, f"{error.mean():.3f}", f"{error.max():.3f}", told, *ms])
                print(*rows[-1], *motion.notes, sep=" | ", flush=True)
    report.table(
        "The camera's rotation on virtual pans",
        ["camera", "clip", "frames", "found", "mean error, degrees", "largest", "focal length off by % (expected)",
         "ms a frame: following", "solving", "the rest of the pass"],
        rows,
        f"Mean over the clips that pan {np.mean(errors):.3f} degrees. Milliseconds of one core; the rest is decoding "
        "and tracking people",
        options.table,
    )  # fmt: skip


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
