"""Frames a second and peak memory of the default settings, each in a process of its own.

    python benchmarks/speed.py [--minutes 10] [--table FILE]

The balancing clip (1080x1920, one person and a bystander), played forth and back at 30 frames a second for 10 seconds
and for longer.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import report
import tyro

SOURCE = Path("../shared/data/videos/balancing/cam01.mp4")
RATE = 30


@dataclass(frozen=True)
class Options:
    minutes: float = 10.0
    """Length of the long clip."""
    table: Path | None = None


def short_clip(path: Path, seconds: float) -> None:
    """The source's frames forth and back, so that nothing jumps."""
    with av.open(str(SOURCE)) as source:
        frames = [frame.reformat(format="yuv420p") for frame in source.decode(video=0)]
    frames += frames[-2:0:-1]
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=RATE, options={"preset": "ultrafast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for count in range(round(seconds * RATE)):
            frame = frames[count % len(frames)]
            frame.pts, frame.time_base, frame.pict_type = count, Fraction(1, RATE), 0
            target.mux(stream.encode(frame))
        target.mux(stream.encode())


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
    """`estimate` without overlay; start-up is not counted, as a long video has it once."""
    from vibe.pipeline import estimate

    began = time.perf_counter()
    result = estimate(path)
    seconds = time.perf_counter() - began
    return {"frames": len(result.clip.timestamps), "seconds": seconds, "people": len(result.people)}


def overlay(path: str) -> dict[str, float]:
    """Estimate, then draw; only the drawing is timed."""
    from vibe.pipeline import estimate
    from vibe.results.overlay import write_overlay

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
    from vibe.body.load import load_body
    from vibe.body.marks import joints_and_keypoints
    from vibe.network import load_network
    from vibe.observe.keypoints import observe
    from vibe.reading import lift

    network, body, camera = load_network(), load_body(), cameras.default_camera(1080, 1920)
    points = torch.rand(int(frames), 17, 3) * torch.tensor([400.0, 900.0, 1.0]) + torch.tensor([300.0, 400.0, 0.0])
    box = torch.tensor([500.0, 850.0, 500.0, 1000.0]).expand(int(frames), 4)
    times = []
    with torch.no_grad():
        for _ in range(4):
            began = time.perf_counter()
            theta = lift(network.model, observe(points, box, camera.K_px), network.window)
            joints_and_keypoints(body, theta.rotmat, theta.betas)
            times.append(time.perf_counter() - began)
    return {"frames": int(frames), "seconds": min(times), "people": 1}


TASKS = {"end_to_end": end_to_end, "overlay": overlay, "network": network}


def main(options: Options) -> None:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        short, long = Path(folder) / "short.mp4", Path(folder) / "long.mp4"
        short_clip(short, 10)
        repeated(short, long, round(6 * options.minutes))
        for name, task, argument in (
            ("network alone, 450 frames", "network", "450"),
            ("end to end, no overlay, 10 s", "end_to_end", str(short)),
            (f"end to end, no overlay, {options.minutes:g} min", "end_to_end", str(long)),
            ("overlay, drawn and encoded, 10 s", "overlay", str(short)),
        ):
            found = measure(task, argument)
            rows.append([name, int(found["frames"]), found["frames"] / found["seconds"], found["peak_mb"]])
    report.table(
        "Speed and memory (1080x1920, default settings)",
        ["what", "frames", "frames a second", "peak memory MB"],
        rows,
        "Each row in a process of its own; a man and a bystander are in view and both are followed",
        options.table,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        found = TASKS[sys.argv[2]](*sys.argv[3:])
        unit = 2**20 if sys.platform == "darwin" else 2**10
        print(json.dumps(found | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}))
    else:
        main(tyro.cli(Options, description=__doc__))
