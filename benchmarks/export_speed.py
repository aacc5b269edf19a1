"""A long motion in every form that is not a mesh sequence: time, memory and size.

    python benchmarks/export_speed.py [--minutes 10] [--blender PROGRAM] [--table FILE]

One person on the open body at 30 frames a second, smooth random movement. Each form is written by a process of its own,
by `vibe.export` as the command does it; seconds are those of the writing, by the clock and of the processor (the latter
tell where others use the machine), memory is the whole process' peak. FBX comes with --blender alone: most of its time
is Blender's. Nobody walks here, so that there are no steps to write.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import report
import roma
import torch
import tyro

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.cameras import default_camera
from vibe.export.export import export
from vibe.export.formats import FORMATS
from vibe.motion import Result, load
from vibe.records import Clip, SmplParams, Track, Weights

FPS, WIDTH, HEIGHT = 30.0, 1280, 720


@dataclass(frozen=True)
class Options:
    minutes: float = 10.0
    blender: Path | None = None
    table: Path | None = None


def write_motion(path: Path, frames: int) -> None:
    """Somebody who turns, and swings all joints."""
    from vibe.motion.tensors import to_motion

    draw = torch.Generator().manual_seed(0)
    body, seconds = load_body(), torch.arange(frames) / FPS
    phase = 2 * math.pi * torch.rand(24, 3, generator=draw)
    rotvec = 0.4 * torch.sin(seconds[:, None, None] * torch.rand(24, 3, generator=draw) * 4 + phase)
    upright = roma.rotvec_to_rotmat(torch.tensor([math.pi, 0.0, 0.0]))
    spin = roma.rotvec_to_rotmat(torch.stack([0 * seconds, 0.5 * seconds, 0 * seconds], 1))
    rotvec[:, 0] = roma.rotmat_to_rotvec(upright @ spin @ roma.rotvec_to_rotmat(rotvec[:, 0]))
    trans = torch.stack([torch.sin(seconds / 3), 0 * seconds, 4 + torch.cos(seconds / 5)], 1)
    still = Track(torch.arange(frames), torch.ones(frames, 4), torch.ones(frames, 17, 3))
    times, camera = torch.arange(frames, dtype=torch.float64) / FPS, default_camera(WIDTH, HEIGHT)
    betas = torch.randn(10, generator=draw)
    motion = to_motion(SmplParams(roma.rotvec_to_rotmat(rotvec), betas, trans), still, times, camera, body)
    clip, weights = Clip(Path("long.mp4"), FPS, WIDTH, HEIGHT, motion.times, 0), Weights("none", "0" * 64, "")
    Result(clip, as_numpy(camera), (motion,), body.origin, weights, ()).save(path)


def task(motion: Path, form: str, blender: str) -> dict[str, float]:
    """Write one form; seconds, megabytes written and at the peak in memory."""
    result = load(motion)
    out = motion.parent / FORMATS[form].file
    began, worked = time.perf_counter(), processor_s()
    export(result, out, form, blender=blender or None)
    seconds, worked = time.perf_counter() - began, processor_s() - worked
    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    blender_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit
    return {"seconds": seconds, "worked": worked, "size_mb": out.stat().st_size / 1e6, "peak_mb": max(peak, blender_s)}


def processor_s() -> float:
    """Seconds that this process and those that it waited for took of the processor."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def main(options: Options) -> None:
    frames = round(options.minutes * 60 * FPS)
    forms = [name for name, form in FORMATS.items() if form.each != "frame" and name not in ("legacy", "fbx", "gait")]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        motion = Path(folder) / "motion.npz"
        write_motion(motion, frames)
        for form in [*forms, *(["fbx"] if options.blender else [])]:
            command = [
                sys.executable,
                __file__,
                "--task",
                str(motion),
                form,
                str(options.blender) if form == "fbx" else "",
            ]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout.splitlines()[-1])
            rows.append([form, found["seconds"], found["worked"], found["size_mb"], found["peak_mb"]])
    report.table(
        f"Exports of {frames} frames of one person",
        ["form", "seconds", "of the processor", "size MB", "peak memory MB"],
        rows,
        "Written once; memory is the whole process' or Blender's, whichever is more, PyTorch included",
        options.table,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        print(json.dumps(task(Path(sys.argv[2]), sys.argv[3], sys.argv[4])))
    else:
        main(tyro.cli(Options, description=__doc__))
