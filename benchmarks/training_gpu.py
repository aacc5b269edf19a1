"""Training steps of the published sizes on a graphics card: how many a second, and of the chip's peak which share.

    python benchmarks/training_gpu.py [--device cuda] [--table FILE]

A step is that of `vibe train released`: 32 windows of 16 frames with 2048 features, random numbers throughout, brought
from the host's memory each time; generator, joints, losses, discriminator, both ways back, clipping, both Adams. The
products of matrices are counted, three times those of the way forward, and nothing else.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import body_speed
import report
import torch
import training_speed
import tyro
from torch import nn

from vibe.train.distributed import ProcessGroup, shard_batch
from vibe.train.loop import RealMotion, train_step
from vibe.train.losses import feature_losses
from vibe.train.recipes import RELEASED_RECIPE
from vibe.train.state import TrainState
from vibe.train.task_features import project_output

ROUNDS, STEPS = 5, 40
PEAKS = {"H100": (67e12, 989e12), "H200": (67e12, 989e12)}
"""Dense products a second in float32 and bfloat16, times two, as the maker states them (SXM)."""


@dataclass(frozen=True)
class Options:
    device: str = "cuda"
    table: Path | None = None


def products(players: TrainState, frames: int) -> float:
    """Multiplications and additions of a step's matrices; the regressor's rounds share one look at the features."""

    def matrices(network: nn.Module) -> int:
        return sum(each.numel() for each in network.parameters() if each.dim() == 2)

    regressor = players.network.get_submodule("regressor")
    shared = len(regressor.get_parameter("fc1.weight")) * training_speed.FEATURES
    generator = matrices(players.network.get_submodule("encoder")) + 3 * matrices(regressor) - 2 * shared
    return 2 * 3 * frames * (generator + 2 * matrices(training_speed.judge(players)))


def steps_a_second(device: torch.device, precision: str) -> tuple[float, float]:
    """The median over the rounds, and the products of a second."""
    _, body = body_speed.random_body()
    given, near, team = training_speed.lesson(body), body.to(device), ProcessGroup(device=device)
    course = replace(given.course, losses=lambda made, its: feature_losses(project_output(made, near), its.truth))
    recipe = replace(RELEASED_RECIPE, precision=precision)  # pyright: ignore[reportArgumentType]
    players = training_speed.our_players(True, device)

    def step(number: int) -> None:
        real = RealMotion(shard_batch(given.real.motion, team), shard_batch(given.real.target, team))
        train_step(players, shard_batch(given.clips, team), real, course, recipe, number)

    step(0)
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for number in range(STEPS):
            step(number)
        rates.append(STEPS / (time.perf_counter() - began))
    rate = statistics.median(rates)
    return rate, rate * products(players, training_speed.BATCH * training_speed.FRAMES)


def main(options: Options) -> None:
    device = torch.device(options.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    peaks = next((peak for chip, peak in PEAKS.items() if chip in name), None)
    rows: list[list[object]] = []
    for precision, peak in zip(("float32", "bfloat16"), peaks or (None, None), strict=True):
        rate, done = steps_a_second(device, precision)
        rows.append([precision, rate, done / 1e12, "unknown" if peak is None else f"{100 * done / peak:.2f} %"])
    report.table(
        f"Training steps of the published sizes on {name}",
        ["generator in", "steps a second", "TFLOP a second", "share of the chip's peak"],
        rows,
        f"Median of {ROUNDS} rounds of {STEPS} steps; the discriminator computes in float32",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
