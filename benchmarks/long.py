"""The first pass over long videos: memory, what writing down the state costs, and how soon a killed pass goes on.

    python benchmarks/long.py [--minutes 10 60] [--killed 50] [--table FILE]

Each number is from a process of its own. The video is 320x240 at 30 frames a second; in place of the networks a
detector and a pose model that find the same three people, who sway a little, in every picture.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import report
import tyro
from numpy.typing import NDArray
from speed import repeated

from vibe.inference import track as following
from vibe.tracking.detector import Detections
from vibe.tracking.pose_model import Landmarks

RATE, SECONDS, SIZE = 30, 10, (320, 240)
PLACES = np.array([(60.0, 120.0), (160.0, 120.0), (260.0, 120.0)])
HEIGHT = 100.0
SHAPE = np.random.default_rng(0).uniform(-0.5, 0.5, (17, 2)) * (30, HEIGHT)


@dataclass(frozen=True)
class Options:
    minutes: tuple[float, ...] = (10.0, 60.0)
    """Lengths of the videos."""
    killed: float = 50.0
    """Minute at which a pass over the longest is killed."""
    table: Path | None = None


def clip(path: Path) -> None:
    """Ten seconds of smooth noise that moves."""
    noise = np.random.default_rng(0).integers(0, 255, (30, 80, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for index in range(SECONDS * RATE):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(noise[:, index:][:, : SIZE[0]]), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def detect(rgb: NDArray[np.uint8]) -> Detections:
    """Three people, in windows that show the whole picture."""
    here = PLACES if rgb.shape[1] == SIZE[0] else PLACES[:0]
    return Detections(np.concatenate([here, np.full((len(here), 2), HEIGHT)], 1), np.full(len(here), 0.9))


class Pose:
    """Whoever of the three is nearest to the region, moved by what the picture shows."""

    def start(self, box_px: NDArray[np.floating], keypoints_px: NDArray[np.floating] | None) -> NDArray[np.floating]:
        return np.array([*box_px[:2], 1.25 * HEIGHT, 0.0])

    def __call__(self, rgb: NDArray[np.uint8], region: NDArray[np.floating]) -> Landmarks:
        place = PLACES[abs(PLACES[:, 0] - region[0]).argmin()] + rgb[0, 0, :2] / 64
        keypoints = np.concatenate([place + SHAPE, np.full((17, 1), 0.8)], 1)
        return Landmarks(keypoints, 0.99, region, np.array([*place, 1.25 * HEIGHT, 0.0]))


def followed(path: str, folder: str, killed: str = "0") -> dict[str, float | str]:
    """One pass, with what it needed; it is killed after so many frames unless that is 0."""
    saving: list[float] = []
    steps: list[tuple[float, float]] = []
    while_following: list[float] = []
    save = following.TrackingJournal.write

    def timed(self: following.TrackingJournal, *state: Any) -> None:
        began = time.perf_counter()
        save(self, *state)
        saving.append(time.perf_counter() - began)

    def progress(what: str, done: float, most: float | None) -> None:
        if not steps:
            steps.append((done, time.perf_counter()))
        if done % 1000 == 0:
            while_following[:] = [peak()]
        if done == int(killed):
            os.kill(os.getpid(), signal.SIGKILL)

    following.TrackingJournal.write = timed  # pyright: ignore[reportAttributeAccessIssue]
    began, before = time.perf_counter(), peak()
    found = following.track_video(Path(path), detect, Pose(), Path(folder), progress)
    seconds, most = time.perf_counter() - began, peak()
    values = [getattr(track, name).numpy() for track in found.tracks for name in vars(track)]
    sums = hashlib.sha256(b"".join(value.tobytes() for value in (found.clip.timestamps.numpy(), *values)))
    return {
        "memory": most, "at_start": before, "following": while_following[0],
        "frames": len(found.clip.timestamps), "people": len(found.tracks),
        "seconds": seconds, "from": steps[0][0], "ready": steps[0][1] - began,
        "save": float(np.mean(saving or [0.0])), "saved": len(saving), "most": float(max(saving or [0.0])),
        "result": sum(value.nbytes for value in values) / 2**20, "sums": sums.hexdigest(), "notes": str(found.notes),
    }  # fmt: skip


def peak() -> float:
    """Most memory of this process so far, MB."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def measure(*arguments: str) -> dict[str, float] | None:
    """`followed` in a process of its own; None if that was killed."""
    done = subprocess.run([sys.executable, __file__, "--task", *arguments], stdout=subprocess.PIPE, check=False)
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def row(minutes: float, what: str, found: dict[str, float], note: str) -> list[object]:
    saved = f"{1000 * found['save']:.0f} ({1000 * found['most']:.0f})"
    numbers = *(found[name] for name in ("at_start", "following", "memory", "result")), saved, found["saved"]
    return [f"{minutes:.0f}", what, *numbers, found["frames"] / found["seconds"], note]


def main(options: Options) -> None:
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip(folder / "short.mp4")
        whole = None
        for minutes in sorted(options.minutes):
            repeated(folder / "short.mp4", folder / "long.mp4", round(60 * minutes / SECONDS))
            whole = measure(str(folder / "long.mp4"), name)
            assert whole is not None
            rows.append(row(minutes, "undisturbed", whole, f"{whole['people']} tracks"))
        assert whole is not None
        frames = round(60 * RATE * options.killed)
        measure(str(folder / "long.mp4"), name, str(frames))
        again = measure(str(folder / "long.mp4"), name)
        assert again is not None and again["frames"] == whole["frames"]
        same = "the same tracks" if again["sums"] == whole["sums"] else "OTHER TRACKS"
        lost = (frames - again["from"] + 1) / RATE
        note = f"at work after {again['ready']:.1f} s, {lost:.0f} s of video before where it was killed (a state is "
        note += f"written every {following.EVERY:.0f} s of work, networks or not); {same}"
        rows.append(row(max(options.minutes), f"killed at minute {options.killed:.0f}, gone on with", again, note))
    report.table(
        "The first pass over long videos",
        [
            "minutes", "pass", "memory MB at the start", "most while following", "most in all", "the tracks' own",
            "one state ms (slowest)", "states", "frames/s", "",
        ],
        rows,
        f"320x240, three people, no networks, a state every {following.EVERY:.0f} s of work",
        options.table,
    )  # fmt: skip


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        print(json.dumps(followed(*sys.argv[2:])))
    else:
        main(tyro.cli(Options, description=__doc__))
