"""Random windows and mixed batches from stores of clips: how many a second, in one process.

    python benchmarks/store_speed.py [--frames 50000] [--table FILE]

The store holds random features of 2048 half-precision numbers and what 3D sets hold beside them; it is written to a
temporary folder, and read once before the clock runs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import report
import torch
import tyro

from vibe.data.prepare import StoreWriter
from vibe.data.recording import Recording
from vibe.data.store import Store, open_store
from vibe.data.windows import draw_clips, find_runs, portion, tile

WINDOW, BATCH = 16, 32
SEQUENCE = 500
ROUNDS = 5


@dataclass(frozen=True)
class Options:
    frames: int = 50_000
    seconds: float = 2.0
    """Of each round."""
    table: Path | None = None


def write(folder: Path, frames: int) -> float:
    """Writes the store; megabytes a second."""
    random, began = np.random.default_rng(0), time.perf_counter()
    with StoreWriter(folder, "Random numbers.", {}, {}) as store:
        for start in range(0, frames, SEQUENCE):
            count = min(SEQUENCE, frames - start)
            points, keypoints = random.random((2, count, 49, 3), np.float32)
            columns = {
                "poses": random.random((count, 72), np.float32),
                "betas": random.random((count, 10), np.float32),
                "points.spin49": points,
                "keypoints_px.spin49": keypoints,
                "box_px": 1 + random.random((count, 4), np.float32),
                "features": random.random((count, 2048), np.float32),
            }
            store.add(Recording(f"sequence {start}", np.arange(count), 25.0, columns))
    size = sum(path.stat().st_size for path in folder.iterdir())
    return size / 1e6 / (time.perf_counter() - began)


def a_second(work: Callable[[], object], seconds: float) -> tuple[float, float]:
    """How many windows a second, and a second of the processor: the medians of the rounds."""
    rates = []
    for _ in range(ROUNDS):
        done, began, worked = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < seconds:
            work()
            done += BATCH
        rates.append((done / (time.perf_counter() - began), done / (time.process_time() - worked)))
    wall, processor = np.median(rates, 0)
    return float(wall), float(processor)


def ways(store: Store, random: np.random.Generator) -> dict[str, Callable[[], object]]:
    """What is timed; one call gives BATCH windows."""
    features, starts = store.column("features"), tile(find_runs(store), WINDOW, 1).starts
    kinds = [(BATCH, [portion(store, WINDOW)])]
    return {
        "features": lambda: features[random.choice(starts, BATCH)[:, None] + np.arange(WINDOW)],
        "all columns, as training reads them": lambda: draw_clips(kinds, random),
    }


def main(options: Options) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "store"
        speed = write(folder, options.frames)
        began = time.perf_counter()
        store = open_store(folder)
        opened = 1000 * (time.perf_counter() - began)
        for column in store.columns.values():
            np.count_nonzero(column)
        rows: list[list[object]] = []
        for name, work in ways(store, np.random.default_rng(1)).items():
            rows.append([name, *(f"{rate:,.0f}" for rate in a_second(work, options.seconds))])
    report.table(
        f"Random windows of {WINDOW} frames from a warm store of {options.frames:,}, {BATCH} at a time, in one process",
        ["what is read", "windows a second", "windows a second of the processor"],
        rows,
        f"Median of {ROUNDS} rounds of {options.seconds:g} s. Written at {speed:.0f} MB/s, opened in {opened:.0f} ms",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
