"""The metrics over as many poses as the test part of 3DPW has, and the surfaces of as many bodies.

    python benchmarks/metrics_speed.py [--poses 35000] [--table FILE]

Random joints and bodies; the body is of SMPL's size with pose blend shapes. Metrics are timed in turn, in one process,
the best of several rounds; the surfaces in a process of their own, whose whole memory is told. On a machine that does
other work too, set OMP_WAIT_POLICY=passive: threads that wait actively for each other keep each other from working.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import report
import torch
import tyro
from body_speed import poses, random_body

from vibe.evaluate.metrics import PosedBodies, surface_errors_mm
from vibe.evaluate.scores import METRICS, Compared, Tally
from vibe.records import SmplParams

ROUNDS = 4
JOINTS = 14


@dataclass(frozen=True)
class Options:
    poses: int = 35_000
    threads: tuple[int, ...] = (1, 2)
    """A column of times each; the last also runs the surfaces."""
    table: Path | None = None


def invented(count: int) -> Compared:
    """Joints of one long clip, off by some centimetres."""
    draw = torch.Generator().manual_seed(0)
    truth = 0.3 * torch.randn(count, JOINTS, 3, generator=draw)
    predicted = truth + 0.05 * torch.randn(count, JOINTS, 3, generator=draw)
    surface = {name: torch.zeros(count) for name in ("pve_mm", "pve_unaligned_mm")}
    return Compared(predicted, truth, torch.arange(count), 30.0, [2, 3], [0, 5], surface)


def ways(clip: Compared) -> dict[str, Callable[[], object]]:
    """Each metric of joints, and all of them as an evaluation counts them."""
    names = [name for name in METRICS if name not in clip.surface_mm]
    single = {METRICS[name].heading: lambda name=name: METRICS[name].of(clip) for name in names}

    def everything() -> None:
        tally = Tally()
        tally.add(clip, names)
        tally.score("all", "", "", "")

    return {"all metrics of joints": everything, **single}


def best_ms(timed: dict[str, Callable[[], object]], threads: int) -> dict[str, float]:
    """The shortest time of each, in milliseconds; they take turns."""
    torch.set_num_threads(threads)
    times: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(ROUNDS):
        for name, way in timed.items():
            began = time.perf_counter()
            way()
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: min(found[1:]) for name, found in times.items()}


def surfaces(count: int, threads: int) -> dict[str, float]:
    """Per-vertex errors of so many bodies: seconds, those of processors, and the whole process' peak memory in MB."""
    torch.set_num_threads(threads)
    _, body = random_body()
    rotmat, betas = poses(count)
    one = PosedBodies(body, SmplParams(rotmat, betas, torch.zeros(count, 3)))
    began, worked = time.perf_counter(), time.process_time()
    surface_errors_mm(one, replace(one, smpl=replace(one.smpl, betas=betas.flip(0))))
    spent = {"seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - worked}
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return spent | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}


def measured(count: int, threads: int) -> dict[str, float]:
    """`surfaces` in a process of its own; a child inherits its parent's peak, so this comes before all else."""
    command = [sys.executable, __file__, "--task", str(count), str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(options: Options) -> None:
    skin = measured(options.poses, options.threads[-1])
    timed = ways(invented(options.poses))
    found = [best_ms(timed, threads) for threads in options.threads]
    rows: list[list[object]] = [[name, *(column[name] for column in found), ""] for name in timed]
    blank = [""] * (len(options.threads) - 1)
    rows.append(["PVE, aligned and not, of 6890 vertices", *blank, 1000 * skin["seconds"], skin["peak_mb"]])
    rows.append(["of it, of all processors together", *blank, 1000 * skin["processor_seconds"], ""])
    report.table(
        f"The metrics over {options.poses} poses of {JOINTS} joints",
        ["what", *(f"ms, {count} thread{'s' * (count > 1)}" for count in options.threads), "peak memory MB"],
        rows,
        f"Best of {ROUNDS - 1} rounds, the surfaces once; both surfaces are posed in it; memory is the whole process',"
        " the body and all poses included",
        options.table,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        print(json.dumps(surfaces(int(sys.argv[2]), int(sys.argv[3]))))
    else:
        main(tyro.cli(Options, description=__doc__))
