"""Frames a second of drawing, and of whole films, at 1280x720.

    PYTHONPATH=tools python benchmarks/render_speed.py [--frames 120] [--table FILE]

One person of 7,000 vertices, 600 pixels tall, who waves all joints before a textured picture; and the same with all
13,524 vertices of the open body. Drawing includes posing the body. A film is decoded, drawn and encoded. On a machine
that has other work to do wall clocks tell little: the time of the processor is beside them.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import report
import roma
import torch
import tyro
from scipy.spatial import cKDTree

import vibe
from open_body import decimate
from vibe import cameras
from vibe.arrays import as_numpy
from vibe.body import Body, load_body
from vibe.motion import Motion, Result
from vibe.motion.tensors import to_motion
from vibe.records import Clip, SmplParams, Track
from vibe.render.compositor import Panel, Poser, paint
from vibe.render.viewpoints import Viewpoint, orbit_view, place
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

WIDTH, HEIGHT, FPS = 1280, 720, 30.0
TALL_PX, STATURE = 600.0, 1.7
VERTICES = 7000
ROUNDS = 4


@dataclass(frozen=True)
class Options:
    frames: int = 120
    table: Path | None = None


def coarse(body: Body, wanted: int) -> Body:
    """The body with about so many vertices; its joints and all else stay."""
    points, faces = body.v_template.numpy().astype(np.float64), body.faces.numpy()
    mirror = cKDTree(points).query(points * (-1, 1, 1))[1]
    kept, simple = decimate.symmetric(points, faces, body.weights.numpy(), mirror, wanted)
    rows = torch.from_numpy(kept)
    posedirs = None if body.posedirs is None else body.posedirs[rows]
    return replace(
        body, v_template=body.v_template[rows], shapedirs=body.shapedirs[rows], posedirs=posedirs,
        weights=body.weights[rows], faces=torch.from_numpy(simple),
    )  # fmt: skip


def waving(body: Body, clip: Clip) -> Motion:
    """Somebody who waves all joints and turns a little."""
    generator, count = torch.Generator().manual_seed(0), len(clip.timestamps)
    swing = 0.35 * torch.randn(24, 3, generator=generator) * torch.sin(2 * clip.timestamps.float())[:, None, None]
    rotmat = roma.rotvec_to_rotmat(swing)
    rotmat[:, 0] = roma.rotvec_to_rotmat(torch.tensor([torch.pi, 0.0, 0.0])) @ rotmat[:, 0]
    K_px = cameras.default_camera(WIDTH, HEIGHT).K_px
    trans = torch.tensor([0.0, -0.05, STATURE * float(K_px[0, 0]) / TALL_PX]).repeat(count, 1)
    still = Track(torch.arange(count), torch.ones(count, 4), torch.zeros(count, 17, 3))
    camera = cameras.default_camera(WIDTH, HEIGHT)
    motion = to_motion(SmplParams(rotmat, torch.zeros(10), trans), still, clip.timestamps, camera, body)
    ones = np.ones((count, 17, 1), np.float32)
    return replace(motion, keypoints_px=np.concatenate([motion.joints_px[:, :17], ones], -1), confidence=ones[:, 0, 0])


def textured(path: Path, count: int) -> Clip:
    """A video of a textured picture that moves slowly."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 8 + 40, 3), dtype=np.uint8)
    wide = cv2.resize(noise, (WIDTH + 320, HEIGHT), interpolation=cv2.INTER_CUBIC)
    with VideoWriter(path, WIDTH, HEIGHT, FPS) as writer:
        for index in range(count):
            writer.write(np.ascontiguousarray(wide[:, index : index + WIDTH]), index / FPS)
    with open_video(path) as video:
        assert sum(1 for _ in video) == count
    return video.clip()


def drawings(result: Result, body: Body) -> dict[str, Panel]:
    """What is drawn, by name."""
    count = len(result.clip.timestamps)
    camera = [Viewpoint(result.camera.K_px.astype(np.float64), np.eye(3), np.zeros(3))] * count
    where = place([(1, result.people[0], body)], result.clip.timestamps)
    assert where is not None
    over = Panel(WIDTH, HEIGHT, ("mesh",), camera, (0, 0, WIDTH, HEIGHT), filmed=True, opacity=0.93)
    beside = orbit_view("side", where, np.arange(count), count / FPS, WIDTH, HEIGHT)
    return {
        "mesh over the video": over,
        "skeleton over the video": replace(over, show=("skeleton",)),
        "wireframe over the video": replace(over, show=("wireframe",)),
        "mesh alone from the side, ground and shadow": replace(
            over, views=beside, window=None, place=where, opacity=1.0
        ),
    }


def drawn(panel: Panel, result: Result, body: Body, rgb: np.ndarray, threads: int) -> tuple[float, float]:
    """Seconds by the wall and by the processor for all frames."""
    began, worked = time.perf_counter(), time.process_time()
    poser = Poser([(1, result.people[0], body)])
    with ThreadPoolExecutor(threads) as pool:
        tasks = [pool.submit(paint, panel, k, k, rgb, poser.at(k)) for k in range(len(panel.views))]
        for task in tasks:
            task.result()
    return time.perf_counter() - began, time.process_time() - worked


def best(work: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """The least of some rounds of each, after one that does not count."""
    found = [work() for _ in range(ROUNDS + 1)][1:]
    return min(wall for wall, _ in found), min(worked for _, worked in found)


def film(result: Result, body: Body, video: Path) -> tuple[float, float]:
    """Seconds by the wall and by the processor for an mp4 of the mesh over its video."""
    with tempfile.TemporaryDirectory() as folder:
        began, worked = time.perf_counter(), time.process_time()
        vibe.render(result, Path(folder) / "film.mp4", video, body=body)
        return time.perf_counter() - began, time.process_time() - worked


def main(options: Options) -> None:
    torch.set_num_threads(1)
    full, rows = load_body(), []
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "video.mp4"
        clip = textured(video, options.frames)
        with open_video(video) as frames:
            rgb = next(iter(frames)).rgb
        for body in (coarse(full, VERTICES), full):
            blank = load_body(detail="low").origin
            camera, people = as_numpy(cameras.default_camera(WIDTH, HEIGHT)), (waving(body, clip),)
            result = Result(as_numpy(clip), camera, people, blank, blank, ())
            size = f"{len(body.v_template):,} vertices"
            for name, panel in drawings(result, body).items():
                alone, worked = best(partial(drawn, panel, result, body, rgb, 1))
                both, _ = best(partial(drawn, panel, result, body, rgb, 2))
                rows.append(row(f"{name}, {size}", options.frames, worked, alone, both))
            wall, worked = best(partial(film, result, body, video))
            rows.append(row(f"mp4 of the mesh over the video, {size}", options.frames, worked, None, wall))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    report.table(
        "Rendering 1280x720",
        ["what", "ms of one processor a frame", "frames/s, 1 thread", "frames/s, 2 threads"],
        rows,
        f"{options.frames} frames, best of {ROUNDS} rounds; {load:.0f} programs wanted the processors meanwhile",
        options.table,
    )


def row(name: str, frames: int, worked: float, alone: float | None, both: float) -> list[object]:
    return [name, 1000 * worked / frames, "" if alone is None else frames / alone, frames / both]


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
