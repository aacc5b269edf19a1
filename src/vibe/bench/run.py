"""All measurements, one after the other."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vibe.batch.workers import available_cores, usual_workers
from vibe.bench import machine, mediapipe_pose, videos
from vibe.bench.measure import BenchRow, Shift, begin_bench, begin_shift
from vibe.parallel import run_tasks
from vibe.records import Progress

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
            videos.walker(clip, progress)
        else:
            videos.beginning(video, clip, progress)
        rows: list[BenchRow] = []
        show = partial(_show, progress)
        [(_, found)] = run_tasks(partial(begin_bench, device), [clip], 1, on_message=show)
        rows += found
        if (count := usual_workers(min(available_cores(), MOST_WORKERS))) > 1:
            progress("workers", 0, None)
            rows.append(_workers(clip, count, device, rows[0].value))
        if mediapipe is not None:
            progress("mediapipe", 0, None)
            rows.append(measure_rival(clip, mediapipe, rows[0].value))
        return Bench(machine.machine(), machine.device(device), machine.versions(), tuple(rows))


def _show(progress: Progress, worker_id: int, task: int, message: Any) -> None:
    """A worker's progress."""
    progress(*message)


def _workers(clip: Path, count: int, device: str | None, alone: float) -> BenchRow:
    """Several videos at once; the time in which workers load the models does not count."""
    shifts = run_tasks(partial(begin_shift, device, 1), [clip] * (EACH * count), count)
    rate = throughput([shift for _, shift in shifts])
    return BenchRow(
        f"{count} workers", rate, "frames/s", f"{rate / alone:.2f} times one run alone, which takes more than one core"
    )


def throughput(shifts: Sequence[Shift]) -> float:
    """Frames a second of all workers together."""
    return sum(shift.frames for shift in shifts) / (
        max(shift.ended for shift in shifts) - min(shift.began for shift in shifts)
    )


def measure_rival(clip: Path, python: Path, ours: float) -> BenchRow:
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
