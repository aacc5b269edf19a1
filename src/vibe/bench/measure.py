"""What a worker measures: whole runs over a video, and the parts of one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from vibe import cameras
from vibe.arrays import as_tensors
from vibe.batch.work import StageTimes
from vibe.bench.machine import peak_mb
from vibe.inference.estimate import Estimator, load_estimator
from vibe.inference.predict import predict_track
from vibe.inference.refine import refine_track
from vibe.motion import Result
from vibe.parallel import Worker
from vibe.records import Track
from vibe.tracking import tiling
from vibe.video.read import open_video

TRIES, PATIENCE = 30, 1.5
"""How often a part is timed, and for how many seconds at most."""


@dataclass(frozen=True)
class BenchRow:
    """One figure."""

    what: str
    value: float
    unit: str
    note: str = ""


@dataclass(frozen=True)
class Shift:
    """When a worker was at work on a video."""

    began: float
    ended: float
    """Seconds since the epoch: clocks that only increase differ from process to process."""
    frames: int


def begin_bench(device: str | None, worker: Worker) -> Callable[[Path], list[BenchRow]]:
    """A worker that measures everything that one process can."""
    return partial(everything, load_estimator(device=device), worker.send)


def begin_shift(device: str | None, threads: int, _: Worker) -> Callable[[Path], Shift]:
    """A worker beside others."""
    import torch

    torch.set_num_threads(threads)
    return partial(shift, load_estimator(device=device))


def shift(estimator: Estimator, video: Path) -> Shift:
    """One video, from its file to its result in memory."""
    began = time.time()
    result = estimator.estimate(video)
    return Shift(began, time.time(), len(result.clip.timestamps))


def everything(estimator: Estimator, tell: Callable[[Any], None], video: Path) -> list[BenchRow]:
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
    size = (
        f"{result.clip.width}x{result.clip.height}, {frames} frames, {people} {'person' if people == 1 else 'people'}"
    )
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
