"""Frames a second and peak memory of the default settings, each in a process of its own.

    python benchmarks/speed.py [--minutes 10] [--mediapipe PYTHON] [--table FILE]

Real people in 1080p at 30 frames a second, played forth and back so that nothing jumps: one man; a man and a bystander;
four people side by side. MediaPipe's own pose solution, which finds one person in 2D and no body, is measured on the
first of them in an environment of its own (`make benchmark` makes it), because its packages do not go with ours.
About 9 minutes on two cores.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import report
import tyro

from vibe.bench import mediapipe_pose
from vibe.bench.measure import peak_mb, write_back_and_forth
from vibe.video.read import ahead, open_video

FOLDER = Path("../shared/data/videos")
RATE, SECONDS = 30.0, 10.0
TALL, WIDE = (1080, 1920), (1920, 1080)
ONE = ("balancing/cam02.mp4", (0, 240, 760, 1030))
"""Left, top, width and height of the part in which the man is alone, without the sockets that look like one more."""
TWO = ("balancing/cam01.mp4", (0, 0, 1080, 1920))
FOUR = (
    ("balancing/cam01.mp4", (160, 120, 860, 1451)),
    ("two_people/cam01.mp4", (228, 300, 860, 1451)),
    ("balancing/cam02.mp4", (0, 280, 760, 1282)),
)
"""One, two and one person."""


@dataclass(frozen=True)
class Options:
    minutes: float = 10.0
    """Length of the long clip."""
    mediapipe: Path = Path(".venv-mediapipe/bin/python")
    """A Python that has MediaPipe."""
    table: Path | None = None


def pictures(name: str, part: tuple[int, int, int, int], size: tuple[int, int]) -> list[np.ndarray]:
    """A part of every frame of a shared video, scaled; black above and below where it is less high."""
    left, top, width, height = part
    scaled = size[0], min(size[1], round(height * size[0] / width))
    above = (size[1] - scaled[1]) // 2
    found = []
    with open_video(FOLDER / name) as video:
        for frame in ahead(video):
            shown = cv2.resize(frame.rgb[top : top + height, left : left + width], scaled)
            found.append(cv2.copyMakeBorder(shown, above, size[1] - scaled[1] - above, 0, 0, cv2.BORDER_CONSTANT))
    return found


def clips(folder: Path, minutes: float) -> dict[str, Path]:
    """The videos that are measured."""
    paths = {name: folder / f"{name}.mp4" for name in ("one", "two", "four", "long")}
    for name, panels, size in (("one", (ONE,), TALL), ("two", (TWO,), TALL), ("four", FOUR, WIDE)):
        side_by_side = zip(*(pictures(*panel, (size[0] // len(panels), size[1])) for panel in panels), strict=True)
        shown = [np.concatenate(row, 1) for row in side_by_side]
        write_back_and_forth(paths[name], shown, round(SECONDS * RATE), RATE, size)
    repeated(paths["one"], paths["long"], max(1, round(60 * minutes / SECONDS)))
    return paths


def repeated(short: Path, path: Path, times: int) -> None:
    """The same packets again and again, with later time stamps."""
    with av.open(str(path), "w") as target:
        stream = None
        for turn in range(times):
            with av.open(str(short)) as source:
                shown = source.streams.video[0]
                stream = stream or target.add_stream_from_template(shown)
                length = shown.duration
                for packet in source.demux(shown):
                    if packet.dts is not None:
                        packet.pts, packet.dts = packet.pts + turn * length, packet.dts + turn * length
                        packet.stream = stream
                        target.mux(packet)


def measure(task: str, *arguments: str) -> dict[str, float]:
    """Run one task of this file in a process of its own; adds its peak memory in MB."""
    done = subprocess.run(
        [sys.executable, __file__, "--task", task, *arguments], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def end_to_end(path: str) -> dict[str, float]:
    """A run without overlay, the models loaded before, as for a long video or many."""
    import vibe

    estimator = vibe.load_estimator()
    began = time.perf_counter()
    result = estimator.estimate(path)
    seconds = time.perf_counter() - began
    return {"frames": len(result.clip.timestamps), "seconds": seconds, "people": len(result.people)}


def overlay(path: str) -> dict[str, float]:
    """Estimate, then draw; only the drawing is timed."""
    from vibe.inference.estimate import estimate
    from vibe.render.film import write_overlay

    result = estimate(path)
    with tempfile.TemporaryDirectory() as folder:
        write_overlay(Path(path), result, Path(folder) / "warm.mp4")
        began = time.perf_counter()
        write_overlay(Path(path), result, Path(folder) / "overlay.mp4")
        return {
            "frames": len(result.clip.timestamps),
            "seconds": time.perf_counter() - began,
            "people": len(result.people),
        }


def network(frames: str) -> dict[str, float]:
    """Keypoints to rotations and 24 joints: evidence, network (both sides) and body."""
    import torch

    from vibe import cameras
    from vibe.body.keypoint_regressor import joints_and_keypoints
    from vibe.body.load import load_body
    from vibe.inference.predict import predict_pieces
    from vibe.models.keypoint_embedding import observe
    from vibe.models.network import load_network

    network, body, camera = load_network(), load_body(), cameras.default_camera(1080, 1920)
    points = torch.rand(int(frames), 17, 3) * torch.tensor([400.0, 900.0, 1.0]) + torch.tensor([300.0, 400.0, 0.0])
    box = torch.tensor([500.0, 850.0, 500.0, 1000.0]).expand(int(frames), 4)
    times = []

    with torch.no_grad():
        for _ in range(4):
            began = time.perf_counter()
            seen = observe(points, box, camera.K_px)
            for theta in predict_pieces(network.model, seen.at, len(box), network.window):
                joints_and_keypoints(body, theta.rotmat, theta.betas)
            times.append(time.perf_counter() - began)
    return {"frames": int(frames), "seconds": min(times), "people": 1}


def mediapipe(path: str, python: Path) -> dict[str, float] | None:
    """MediaPipe's own pose solution on the same video; None where it is not installed."""
    try:
        done = subprocess.run([python, mediapipe_pose.__file__, path], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return json.loads(done.stdout.splitlines()[-1])


TASKS = {"end_to_end": end_to_end, "overlay": overlay, "network": network}


def main(options: Options) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        paths = clips(Path(folder), options.minutes)
        theirs = mediapipe(str(paths["one"]), options.mediapipe)
        for name, task, argument in (
            ("one person, 10 s", "end_to_end", str(paths["one"])),
            ("two people, 10 s", "end_to_end", str(paths["two"])),
            ("four people, 10 s (1920x1080)", "end_to_end", str(paths["four"])),
            (f"one person, {options.minutes:g} min", "end_to_end", str(paths["long"])),
            ("overlay of one person, drawn and encoded, 10 s", "overlay", str(paths["one"])),
            ("network alone, 450 frames", "network", "450"),
        ):
            found = measure(task, argument)
            rows.append([name, *(int(found[key]) for key in ("frames", "people")), rate(found), found["peak_mb"]])
    note = f"MediaPipe was not measured: {options.mediapipe} does not have it"
    if theirs is not None:
        share = f"a person found in {theirs['found']} frames"
        rows.insert(1, ["MediaPipe's pose solution, the same 10 s", theirs["frames"], 1, rate(theirs), "-"])
        note = f"vibe, end to end, is {rows[0][3] / rate(theirs):.2f} times as fast as MediaPipe's 2D pose ({share})"
    report.table(
        "Speed and memory (1080x1920, default settings, without overlay but where it says so)",
        ["what", "frames", "people", "frames a second", "peak memory MB"],
        rows,
        f"Each row in a process of its own. {note}",
        options.table,
    )


def rate(found: dict[str, float]) -> float:
    """Frames a second."""
    return found["frames"] / found["seconds"]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        print(json.dumps(TASKS[sys.argv[2]](*sys.argv[3:]) | {"peak_mb": peak_mb()}))
    else:
        main(tyro.cli(Options, description=__doc__))
