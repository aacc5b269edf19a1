"""Throughput of `vibe estimate` on many short videos: one worker, one that may use every core, and one a core.

`python benchmarks/many_speed.py --table benchmarks/results/many_speed.md`.
The videos are those of
tests/faults/many_videos.py. Each row is a whole command, from start to end, on a machine that has nothing else to do;
the seconds before the first worker begins are told apart, for they do not grow with the number of videos.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import report  # noqa: E402
from faults.many_videos import write_videos  # noqa: E402


def measure(videos: Path, out: Path, workers: int, cores: set[int]) -> tuple[float, float]:
    """Seconds of the whole command on these cores, and of the same with nothing to do."""
    command = [sys.executable, "-m", "vibe", "estimate", str(videos), "-o", str(out), "--no-overlay"]
    seconds = []
    for _ in range(2):
        began = time.monotonic()
        subprocess.run(
            [*command, "--workers", str(workers)],
            check=True,
            capture_output=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        seconds.append(time.monotonic() - began)
    return seconds[0], seconds[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    everywhere = os.sched_getaffinity(0)
    several = len(everywhere)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        videos = Path(scratch) / "videos"
        write_videos(videos, given.videos, 0)
        runs = {
            "1 worker on 1 core": (1, {min(everywhere)}),
            f"1 worker on {several} cores": (1, everywhere),
            f"{several} workers on {several} cores": (several, everywhere),
        }
        for number, (name, (workers, cores)) in enumerate(runs.items()):
            rows.append((name, *measure(videos, Path(scratch) / str(number), workers, cores)))
    base = rows[0][1]
    report.table(
        "Throughput on many short videos",
        ["run", "seconds", "of which with nothing to do", "videos a minute", "throughput over 1 worker on 1 core"],
        [
            [name, f"{whole:.1f}", f"{idle:.1f}", f"{60 * given.videos / whole:.1f}", f"{base / whole:.2f}"]
            for name, whole, idle in rows
        ],
        f"{given.videos} videos of 2 s, 15 frames a second, 320x240, one person; no overlay",
        given.table,
    )


if __name__ == "__main__":
    main()
