"""All measurements, one after the other, on a video of somebody who walks or the first seconds of another."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
from jaxtyping import UInt8
from numpy import ndarray

from vibe.batch.workers import available_cores, usual_workers
from vibe.bench import measure, mediapipe_pose
from vibe.bench.measure import BenchRow, WorkerRun, begin_bench, begin_timed_run
from vibe.parallel import one_thread, run_tasks
from vibe.records import Progress
from vibe.synthetic.clips import make_clip
from vibe.video.read import ahead, open_video
from vibe.video.write import VideoWriter

SECONDS = 6.0
"""Of the project's own video."""
MOST_SECONDS = 10.0
"""Of the user's."""
WIDTH, HEIGHT, FPS = 1080, 1920, 30.0
DRAWN, SMALLER = 30, 2
"""Frames that are drawn, to be played forth and back, and how much smaller: drawing is slow."""


def walking_video(path: Path, progress: Progress | None = None) -> None:
    """A video of one person, 1080x1920, 30 frames a second."""
    drawn = path.with_name(f"drawn-{path.name}")
    with one_thread():
        make_clip(drawn, DRAWN / FPS, FPS, WIDTH // SMALLER, HEIGHT // SMALLER)
    with open_video(drawn) as video:
        pictures = [frame.rgb for frame in ahead(video)]
    write_back_and_forth(path, pictures, round(SECONDS * FPS), FPS, (WIDTH, HEIGHT), progress)


def write_back_and_forth(
    path: Path, pictures: list[UInt8[ndarray, "height width 3"]], frames: int, fps: float, size: tuple[int, int],
    progress: Progress | None = None,
) -> None:  # fmt: skip
    """Write pictures, scaled to a size, forth and back so that nothing jumps, until there are so many frames."""
    order = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
    with VideoWriter(path, *size, fps) as writer:
        for frame in range(frames):
            writer.write(cv2.resize(pictures[order[frame % len(order)]], size), frame / fps)
            if progress:
                progress("video", frame + 1, frames)


def first_seconds(source: Path, path: Path, progress: Progress | None = None) -> None:
    """The first seconds of a user's video; raises as `open_video` does."""
    with open_video(source) as video, VideoWriter(path, video.width, video.height, video.fps) as writer:
        for frame in ahead(video):
            if frame.time > MOST_SECONDS:
                break
            writer.write(frame.rgb, frame.time)
            if progress:
                progress("video", frame.time, MOST_SECONDS)


MOST_WORKERS = 8
EACH = 2
"""Videos that each worker does."""
RIVAL_SECONDS = 120.0
"""That MediaPipe has."""


@dataclass(frozen=True)
class Bench:
    """A machine's figures."""

    machine: str
    device: str
    versions: dict[str, str]
    rows: tuple[BenchRow, ...]


def bench(
    video: Path | None = None,
    device: str | None = None,
    mediapipe: Path | None = None,
    progress: Progress | None = None,
) -> Bench:
    """Measure this machine on a video that is made for it, or on the first seconds of another.

    `mediapipe` is a Python that has MediaPipe 0.10.21 or older, whose own pose solution is then measured on the same
    video. Raises as `open_video` does for a video, and OSError for a Python without MediaPipe.
    """
    progress = progress or (lambda stage, done, total: None)
    with TemporaryDirectory(prefix="vibe-bench-") as folder:
        clip = Path(folder) / "clip.mp4"
        progress("video", 0, None)
        if video is None:
            walking_video(clip, progress)
        else:
            first_seconds(video, clip, progress)
        rows: list[BenchRow] = []
        show = partial(_show, progress)
        [(_, found)] = run_tasks(partial(begin_bench, device), [clip], 1, on_message=show)
        rows += found
        if (count := usual_workers(min(available_cores(), MOST_WORKERS))) > 1:
            progress("workers", 0, None)
            rows.append(_workers(clip, count, device, rows[0].value))
        if mediapipe is not None:
            progress("mediapipe", 0, None)
            rows.append(measure_mediapipe_pose(clip, mediapipe, rows[0].value))
        return Bench(measure.machine_name(), measure.device_name(device), measure.package_versions(), tuple(rows))


def _show(progress: Progress, worker_id: int, task: int, message: Any) -> None:
    """A worker's progress."""
    progress(*message)


def _workers(clip: Path, count: int, device: str | None, alone: float) -> BenchRow:
    """Several videos at once; the time in which workers load the models does not count."""
    shifts = run_tasks(partial(begin_timed_run, device, 1), [clip] * (EACH * count), count)
    rate = throughput([shift for _, shift in shifts])
    return BenchRow(
        f"{count} workers", rate, "frames/s", f"{rate / alone:.2f} times one run alone, which takes more than one core"
    )


def throughput(shifts: Sequence[WorkerRun]) -> float:
    """Frames a second of all workers together."""
    return sum(shift.frames for shift in shifts) / (
        max(shift.ended for shift in shifts) - min(shift.began for shift in shifts)
    )


def measure_mediapipe_pose(clip: Path, python: Path, ours: float) -> BenchRow:
    """MediaPipe's pose solution on the same video."""
    command = [str(python), mediapipe_pose.__file__, str(clip)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=RIVAL_SECONDS)
        found = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        told = getattr(error, "stderr", None) or str(error)
        last = (str(told).strip().splitlines() or ["no answer"])[-1]
        raise OSError(f"MediaPipe could not be measured with {python} ({last}): give a Python that has it") from error
    rate = found["frames"] / found["seconds"]
    note = f"vibe end to end: {ours / rate:.2f} times as fast; found a person in {found['found']:.0f} frames"
    return BenchRow("MediaPipe's pose solution, one person", rate, "frames/s", note)
