"""A body of SMPL's size with pose blend shapes, ours over the textbook way and, where it is installed, over `smplx`.

    python benchmarks/body_speed.py [--frames 450] [--table FILE]

The body is made of random numbers, four joints to a vertex. All ways start from rotation matrices and a shape for each
frame, are compared, and timed in turn, in one process, the best of several rounds. On a machine that does other work
too, set OMP_WAIT_POLICY=passive: threads that wait actively for each other keep each other from working.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import report
import roma
import textbook
import torch
import tyro
from torch import Tensor

from vibe.body import Body, joints, joints_and_keypoints, load_body, vertices
from vibe.body.keypoint_regressor import EXTRA, SMPL_FACE, SMPL_FEET
from vibe.skeletons import SMPL, SMPL_PARENTS, SPIN49

TEN_MINUTES = 18_000
ROUNDS = 9
CLOCKS = {
    "ms, 1 thread": (1, time.perf_counter),
    "of a processor, 1 thread": (1, time.process_time),
    "ms, 2 threads": (2, time.perf_counter),
}
"""Threads and clock; a processor's own time does not count what else the machine does meanwhile."""
CARRIERS = 4
"""Joints that carry a vertex."""
FINGERTIPS = 10
"""Picked vertices that are not among the 49 points."""


@dataclass(frozen=True)
class Options:
    frames: int = 450
    table: Path | None = None


def random_body() -> tuple[textbook.Arrays, Body]:
    """The same body for the textbook and for us."""
    arrays = textbook.synthetic()
    kept = arrays.weights >= arrays.weights.topk(CARRIERS)[0][:, -1:]
    weights = (arrays.weights * kept) / (arrays.weights * kept).sum(1, keepdim=True)
    picked = [*SMPL_FACE.values(), *SMPL_FEET.values(), *range(FINGERTIPS)]
    names = [*SMPL, *SMPL_FACE, *SMPL_FEET, *range(FINGERTIPS), *EXTRA]
    place = {name: number for number, name in enumerate(names)} | {"op_neck": SMPL.index("neck"), "op_mid_hip": 0}
    place |= {f"op_{name}": names.index(name) for name in (*SMPL, *SMPL_FACE) if f"op_{name}" not in place}
    order = torch.tensor([place[name] for name in SPIN49])
    arrays = replace(arrays, weights=weights, marked=torch.tensor(picked), order=order)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "body.npz", **layout(arrays), extra_regressor=arrays.regressed.numpy())
        return arrays, load_body(Path(folder) / "body.npz")


def layout(arrays: textbook.Arrays) -> dict[str, np.ndarray]:
    """The arrays of a file in SMPL's layout."""
    names = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights")
    plain = {name: getattr(arrays, name).numpy() for name in names}
    faces = np.arange(3 * (len(arrays.v_template) // 3)).reshape(-1, 3)
    return plain | {"f": faces, "kintree_table": np.array([SMPL_PARENTS, range(24)])}


def others(arrays: textbook.Arrays, rotmat: Tensor, betas: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Each way to the vertices that is not ours; joints come with them."""
    ways = {"textbook": lambda: textbook.skinned(arrays, rotmat, betas)[0]}
    if find_spec("smplx") is not None:
        import smplx

        with contextlib.redirect_stdout(None):
            model = smplx.SMPL("", data_struct=smplx.utils.Struct(**layout(arrays)), batch_size=len(rotmat))
        ways["smplx"] = lambda: (
            model(betas=betas, global_orient=rotmat[:, :1], body_pose=rotmat[:, 1:], pose2rot=False).vertices
        )
    return ways


def best_ms(ways: Mapping[str, Callable[[], object]], threads: int, clock: Callable[[], float]) -> dict[str, float]:
    """The shortest time of each way, in milliseconds; the ways take turns."""
    torch.set_num_threads(threads)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = clock()
            way()
            times[name].append(1000 * (clock() - began))
    return {name: min(found[1:]) for name, found in times.items()}


def poses(frames: int) -> tuple[Tensor, Tensor]:
    """Rotations and a shape for each frame."""
    draw = torch.Generator().manual_seed(1)
    turns = 0.4 * torch.randn(frames, 24, 3, generator=draw)
    return roma.rotvec_to_rotmat(turns), torch.randn(frames, 10, generator=draw)


def long_track(what: str) -> dict[str, float]:
    """Ten minutes of the 49 points at once, or of the vertices in chunks: seconds, and the process' peak memory."""
    _, body = random_body()
    rotmat, betas = poses(TEN_MINUTES)
    began = time.perf_counter()
    if what == "points":
        joints_and_keypoints(body, rotmat, betas, "spin49")
    else:
        for some, shapes in zip(rotmat.split(450), betas.split(450), strict=True):
            vertices(body, some, shapes)
    seconds = time.perf_counter() - began
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}


def measured(what: str) -> dict[str, float]:
    """`long_track` in a process of its own."""
    command = [sys.executable, __file__, "--task", what]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def apart(arrays: textbook.Arrays, body: Body, theirs: Mapping[str, Callable[[], Tensor]], rotmat, betas) -> float:
    """The largest distance between our points and theirs, in metres."""
    skin = vertices(body, rotmat, betas)
    found = [float((way() - skin).abs().max()) for way in theirs.values()]
    points = textbook.points49(arrays, *textbook.skinned(arrays, rotmat, betas))
    return max(*found, float((points - joints_and_keypoints(body, rotmat, betas, "spin49")[1]).abs().max()))


@torch.inference_mode()
def main(options: Options) -> None:
    arrays, body = random_body()
    rotmat, betas = poses(options.frames)
    theirs = others(arrays, rotmat, betas)
    error = apart(arrays, body, theirs, rotmat, betas)
    ours = {
        "ours, joints and vertices": lambda: vertices(body, rotmat, betas),
        "ours, 24 joints alone": lambda: joints(body, rotmat, betas),
        "ours, 24 joints and the 49 points": lambda: joints_and_keypoints(body, rotmat, betas, "spin49"),
    }
    found = [best_ms({**theirs, **ours}, threads, clock) for threads, clock in CLOCKS.values()]
    rows: list[list[object]] = [[name, *(column[name] for column in found), ""] for name in (*theirs, *ours)]
    for name in theirs:
        for way in ours:
            ratio = [f"{column[name] / column[way]:.1f} times" for column in found]
            rows.append([f"{name} over {way}", *ratio, ""])
    for what, name in (("points", "the 49 points, at once"), ("vertices", "vertices, 450 frames at a time")):
        long = measured(what)
        rows.append([f"10 minutes ({TEN_MINUTES} frames), {name}", "", "", 1000 * long["seconds"], long["peak_mb"]])
    report.table(
        f"A body of {len(body.v_template)} vertices with pose blend shapes over {options.frames} frames",
        ["what", *CLOCKS, "peak memory MB"],
        rows,
        f"Best of several rounds; all agree to {error:.0e} m; memory is the whole process', body and input included; "
        f"OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY', '(not set)')}",
        options.table,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        with torch.inference_mode():
            print(json.dumps(long_track(sys.argv[2])))
    else:
        main(tyro.cli(Options, description=__doc__))
