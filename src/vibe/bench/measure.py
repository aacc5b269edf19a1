"""How fast everything is on this machine: whole runs over a video, their parts, workers side by side, another program.

The video is of somebody who walks, or the first seconds of a user's.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from vibe import cameras
from vibe.arrays import as_tensors
from vibe.batch.work import StageTimes
from vibe.batch.workers import available_cores, usual_workers
from vibe.bench import mediapipe_pose
from vibe.inference.estimate import Estimator, load_estimator
from vibe.inference.predict import predict_track
from vibe.inference.refine import refine_track
from vibe.motion import Result
from vibe.parallel import Worker, one_thread, run_tasks
from vibe.records import Progress, Track
from vibe.synthetic.clips import make_clip
from vibe.tracking import tiling
from vibe.video.read import ahead, open_video
from vibe.video.write import VideoWriter

PACKAGES = ("vibe-motion", "torch", "numpy", "ai-edge-litert", "opencv-python-headless", "av")
"""On which speed depends."""
TRIES, PATIENCE = 30, 1.5
"""How often a part is timed, and for how many seconds at most."""
SECONDS = 6.0
"""Of the project's own video."""
MOST_SECONDS = 10.0
"""Of the user's."""
WIDTH, HEIGHT, FPS = 1080, 1920, 30.0
DRAWN, SMALLER = 30, 2
"""Frames that are drawn, to be played forth and back, and how much smaller: drawing is slow."""
MOST_WORKERS = 8
EACH = 2
"""Videos that each worker does."""
RIVAL_SECONDS = 120.0
"""That MediaPipe has."""
WorkerRun = tuple[float, float, int]
"""When a worker began and ended a video, seconds since the epoch, and the video's frames: clocks that only increase
differ from process to process."""


@dataclass(frozen=True)
class BenchRow:
    """One figure."""

    what: str
    value: float
    unit: str
    note: str = ""


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
        show = lambda worker_id, task, message: progress(*message)  # noqa: E731
        [(_, rows)] = run_tasks(partial(begin_bench, device), [clip], 1, on_message=show)
        if (count := usual_workers(min(available_cores(), MOST_WORKERS))) > 1:
            progress("workers", 0, None)
            # the time in which workers load the models does not count
            shifts = run_tasks(partial(begin_timed_run, device), [clip] * (EACH * count), count)
            rate = throughput([shift for _, shift in shifts])
            note = f"{rate / rows[0].value:.2f} times one run alone, which takes more than one core"
            rows.append(BenchRow(f"{count} workers", rate, "frames/s", note))
        if mediapipe is not None:
            progress("mediapipe", 0, None)
            rows.append(measure_mediapipe_pose(clip, mediapipe, rows[0].value))
        return Bench(machine_name(), device_name(device), package_versions(), tuple(rows))


def walking_video(path: Path, progress: Progress) -> None:
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


def throughput(shifts: Sequence[WorkerRun]) -> float:
    """Frames a second of all workers together."""
    began, ended, frames = zip(*shifts, strict=True)
    return sum(frames) / (max(ended) - min(began))


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


def begin_bench(device: str | None, worker: Worker) -> Callable[[Path], list[BenchRow]]:
    """A worker that measures everything that one process can."""
    return partial(measure_all, load_estimator(device=device), worker.send)


def begin_timed_run(device: str | None, _: Worker) -> Callable[[Path], WorkerRun]:
    """A worker beside others, on one thread."""
    import torch

    torch.set_num_threads(1)
    return partial(timed_run, load_estimator(device=device))


def timed_run(estimator: Estimator, video: Path) -> WorkerRun:
    """One video, from its file to its result in memory."""
    began = time.time()
    result = estimator.estimate(video)
    return began, time.time(), len(result.clip.timestamps)


def measure_all(estimator: Estimator, tell: Callable[[Any], None], video: Path) -> list[BenchRow]:
    """The run without overlay, then the overlay, then the parts."""
    clock = StageTimes(tell)
    last: dict[str, float] = {}

    def note(stage: str, done: float, total: float | None) -> None:
        last[stage] = time.perf_counter()
        clock(stage, done, total)

    began = before = time.perf_counter()
    result = estimator.estimate(video, progress=note)
    seconds = time.perf_counter() - began
    frames, people = len(result.clip.timestamps), len(result.people)
    who = f"{people} {'person' if people == 1 else 'people'}"
    size = f"{result.clip.width}x{result.clip.height}, {frames} frames, {who}"
    rows = [BenchRow("end to end, no overlay", frames / seconds, "frames/s", size)]
    for stage, name in (("people", "of it, people followed"), ("features", "of it, features")):
        if stage in last:
            rows.append(BenchRow(name, 1000 * (last[stage] - before) / frames, "ms a frame"))
            before = last[stage]
    rows.append(BenchRow("of it, network, fit, smoothing", 1000 * (began + seconds - before) / frames, "ms a frame"))
    if (peak := peak_mb()) is not None:
        rows.append(BenchRow("peak memory", peak, "MB", "of the run without overlay"))
    rows.append(BenchRow("overlay, drawn and encoded", overlay(result, video, clock), "frames/s"))
    clock("parts", 0, None)
    return rows + parts(estimator, result, video)


def overlay(result: Result, video: Path, clock: StageTimes) -> float:
    """Frames a second, from the first that is drawn to the last."""
    from vibe.render.film import write_overlay

    drawn: list[float] = []

    def note(stage: str, done: float, total: float | None) -> None:
        drawn.append(time.perf_counter())
        clock(stage, done, total)

    target = video.with_name("overlay.mp4")
    write_overlay(video, result, target, progress=note)
    target.unlink()
    return (len(drawn) - 1) / (drawn[-1] - drawn[0]) if len(drawn) > 1 else 0.0


def parts(estimator: Estimator, result: Result, video: Path) -> list[BenchRow]:
    """Each part alone: the sum is more than a frame takes, since some of them work at the same time."""
    began = time.perf_counter()
    with open_video(video) as frames:
        pictures = [frame.rgb for frame in frames if frame.index < 2]
        rows = [BenchRow("decoding", 1000 * (time.perf_counter() - began) / len(result.clip.timestamps), "ms a frame")]
    rgb = pictures[-1]
    left, top, width, height = tiling.scheduled_tiles(rgb.shape[1], rgb.shape[0], 1)[0]
    window = rgb[top : top + height, left : left + width]
    rows.append(BenchRow("detection", _milliseconds(lambda: estimator.detector(window)), "ms a window"))
    if not result.people:
        return rows
    person, clip = result.people[0], as_tensors(result.clip)
    track = as_tensors(Track(person.frames, person.box_px, person.keypoints_px))
    region = estimator.pose_model.start(person.box_px[0].astype(np.float64), None)
    rows.append(BenchRow("2D keypoints", _milliseconds(lambda: estimator.pose_model(rgb, region)), "ms a person"))
    count = len(person.frames)
    camera = cameras.default_camera(clip.width, clip.height)
    models = estimator.network, estimator.body
    read = lambda: predict_track(track, clip.timestamps[track.frames], camera, *models)  # noqa: E731
    rows.append(BenchRow("network, both sides", _milliseconds(lambda: read().whole) / count, "ms a frame and person"))
    predicted = read()
    finish = partial(refine_track, track, predicted, clip, camera, estimator.body, estimator.refinement)
    rows.append(BenchRow("fit and smoothing", _milliseconds(finish) / count, "ms a frame and person"))
    return rows


def _milliseconds(work: Callable[[], object]) -> float:
    """Median time of a piece of work, the first try left out where there are more."""
    times: list[float] = []
    began = time.perf_counter()
    while len(times) < 2 or (len(times) < TRIES and time.perf_counter() - began < PATIENCE):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return median(times[1:])


def processor_name() -> str:
    """Its name, as far as the system tells."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def machine_name() -> str:
    """Processor, cores and system."""
    return f"{processor_name()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def package_versions() -> dict[str, str]:
    """Of what speed depends on, where it is installed."""
    found = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def device_name(name: str | None) -> str:
    """Where the networks run."""
    import torch

    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    return f"{name} ({torch.cuda.get_device_name(name)})" if name.startswith("cuda") else name


def peak_mb() -> float | None:
    """The most memory that this process has held, MB; None where the system does not tell."""
    with suppress(OSError):  # Linux's `ru_maxrss` is that of the process which started this one, if that held more
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
