"""The generator of the published size, ours over the textbook way, and where the time goes.

    python benchmarks/generator_speed.py [--frames 450] [--table FILE]

Random weights and features; both ways are timed in turn, in one process, the best of several rounds. The textbook way
runs all features through the whole regressor in each iteration and skins 6,890 vertices for every frame; ours gives
rotations, shape, camera, 24 joints and 17 keypoints, and no vertices, as `vibe estimate` asks for.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import report
import textbook
import torch
import tyro
from torch import Tensor
from torch.nn import functional

from vibe.body import joints_and_keypoints, load_body
from vibe.body.record import Body
from vibe.models.generator import VIBE, run_generator
from vibe.models.gru import EncoderConfig, GRUEncoder
from vibe.models.regressor import Regressor, RegressorConfig, fold_iterations
from vibe.rotations import rotmat_from_6d

TEN_MINUTES = 18_000
ROUNDS = 6


@dataclass(frozen=True)
class Options:
    frames: int = 450
    threads: tuple[int, ...] = (1, 2)
    """A column of times each; the last also runs the long tracks."""
    table: Path | None = None


def generator(bidirectional: bool = False) -> VIBE:
    torch.manual_seed(0)
    encoder = GRUEncoder(EncoderConfig(bidirectional=bidirectional))
    return VIBE(torch.nn.Identity(), encoder, Regressor(RegressorConfig())).eval().requires_grad_(False)


def plain(network: VIBE, arrays: textbook.Arrays, features: Tensor) -> tuple[Tensor, ...]:
    """Pose, shape, camera, vertices and 49 points the textbook way."""
    state = textbook.regress(network.regressor, network.encoder(features))
    rotmat = rotmat_from_6d(state[:, :144].unflatten(-1, (24, 6)))
    vertices, joints = textbook.skinned(arrays, rotmat, state[:, 144:154])
    return rotmat, state[:, 154:], vertices, textbook.points49(arrays, vertices, joints)


def ours(network: VIBE, body: Body, features: Tensor) -> list[tuple[Tensor, ...]]:
    """Pose, shape and camera, joints and keypoints, piece by piece."""
    return [
        (theta.rotmat, theta.pred_cam, *joints_and_keypoints(body, theta.rotmat, theta.betas))
        for theta in run_generator(network, lambda part: features[part], len(features))
    ]


def best_ms(ways: dict[str, Callable[[], object]], threads: int) -> dict[str, float]:
    """The shortest time of each way, in milliseconds; the ways take turns."""
    torch.set_num_threads(threads)
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            times[name].append(1000 * (time.perf_counter() - began))
    return {name: min(found[1:]) for name, found in times.items()}


def parts(network: VIBE, body: Body, arrays: textbook.Arrays, features: Tensor) -> dict[str, Callable[[], object]]:
    """What the two ways are made of."""
    encoder, regressor = network.encoder, network.regressor
    assert isinstance(encoder, GRUEncoder) and isinstance(regressor, Regressor) and encoder.linear is not None
    linear, hidden, theta = encoder.linear, torch.randn(len(features), 1024), network(features)
    folded = fold_iterations(regressor)
    assert folded is not regressor
    first, second = (encoder.gru.get_parameter(f"weight_ih_l{layer}") for layer in (0, 1))
    return {
        "plain way": lambda: plain(network, arrays, features),
        "ours": lambda: ours(network, body, features),
        "encoder": lambda: encoder(features),
        "of it the GRU": lambda: encoder.gru(features),
        "of it the products with its inputs": lambda: (
            functional.linear(features, first),
            functional.linear(hidden, second),
        ),
        "the linear layer": lambda: linear(hidden),
        "regressor, three full iterations": lambda: textbook.regress(regressor, features),
        "regressor, features read once": lambda: regressor(features),
        "regressor, folded to one map (with the folding)": lambda: fold_iterations(regressor)(features),
        "regressor, folded before": lambda: folded(features),
        "body, all vertices and 49 points, plain way": lambda: textbook.points49(
            arrays, *textbook.skinned(arrays, theta.rotmat, theta.betas)
        ),
    }


def long_track(ways: str, threads: int) -> dict[str, float]:
    """Ten minutes in one stream: seconds, and the whole process' peak memory in MB."""
    torch.set_num_threads(threads)
    network, features = generator(ways == "both"), torch.randn(TEN_MINUTES, 2048)
    began = time.perf_counter()
    theta = list(run_generator(network, lambda part: features[part], len(features)))
    seconds = time.perf_counter() - began
    assert sum(len(part.rotmat) for part in theta) == TEN_MINUTES
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {"seconds": seconds, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit}


def measured(ways: str, threads: int) -> dict[str, float]:
    """`long_track` in a process of its own; a child inherits its parent's peak, so this comes before all else."""
    command = [sys.executable, __file__, "--task", ways, str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


@torch.inference_mode()
def main(options: Options) -> None:
    blank, threads = [""] * (len(options.threads) - 1), options.threads[-1]
    long: list[list[object]] = []
    for ways_read, name in (("one", "one direction"), ("both", "both directions")):
        track = measured(ways_read, threads)
        long.append([f"10 minutes, {name}", *blank, 1000 * track["seconds"], track["peak_mb"]])
    network, arrays, body = generator(), textbook.synthetic(), load_body()
    ways = parts(network, body, arrays, torch.randn(options.frames, 2048))
    found = [best_ms(ways, threads) for threads in options.threads]
    rows: list[list[object]] = [[name, *(column[name] for column in found), ""] for name in ways]
    ratio = [f"{column['plain way'] / column['ours']:.2f} times" for column in found]
    rows.insert(2, ["plain way over ours", *ratio, ""])
    report.table(
        f"The generator over {options.frames} frames",
        ["what", *(f"ms, {count} thread{'s' * (count > 1)}" for count in options.threads), "peak memory MB"],
        rows + long,
        f"Best of {ROUNDS - 1} rounds; memory is the whole process', its {TEN_MINUTES} frames' features (147 MB) and"
        " the weights (85 MB) included",
        options.table,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--task"]:
        print(json.dumps(long_track(sys.argv[2], int(sys.argv[3]))))
    else:
        main(tyro.cli(Options, description=__doc__))
