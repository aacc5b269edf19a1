"""The training loop: make a batch, take a step, validate, save; goes on where it was killed."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import roma
import torch
from torch import Tensor, nn

from vibe import assets
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.data.motion import Motions, clip_weights, find_motion, load_motions
from vibe.evaluate.metrics import acceleration_error_mm, mpjpe_mm, pa_mpjpe_mm
from vibe.model.vibe import VIBE
from vibe.network import build_network
from vibe.rotations import rotmat_to_6d
from vibe.train.checkpoints import checksum, load_checkpoint, save_checkpoint, save_weights
from vibe.train.losses import losses
from vibe.train.recipes import Recipe
from vibe.train.synthesis import Example, body_points, synthesise
from vibe.train.team import average_gradients, join_team, leave_team, share


def train(recipe: Recipe, run: Path) -> Iterator[dict[str, float]]:
    """Train until the recipe's last step, yielding a record every 50 steps; `run` ends up with `weights.safetensors`.

    A folder that holds a checkpoint of the same recipe is taken up where it stands, to the same result. Under torchrun
    the processes share each batch, and the first of them writes. Raises FloatingPointError if the loss stops being a
    number, with the batch's step, which rebuilds it.
    """
    team = join_team()
    paths = [find_motion(name) for name in recipe.motion]
    motions, body = load_motions(paths, held_out=False), load_body()
    weights = clip_weights(motions)
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.network)
    start_from_mean(network, motions)
    average = copy.deepcopy(network).requires_grad_(False)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.pt"
    first = load_checkpoint(checkpoint, recipe, network, average, optimiser) if checkpoint.exists() else 0
    if team.writes:
        about = {"recipe": asdict(recipe), "data": checksum(paths), "torch": torch.__version__}
        assets.write_whole(run / "run.json", json.dumps(about, indent=1).encode())
    began = time.monotonic()
    for step in range(first, recipe.steps):
        batch = synthesise(motions, weights, body, recipe.synthesis, generator(recipe.seed, step))
        terms = take_step(network, share(batch, team), body, recipe, optimiser, step)
        track_average(average, network, recipe.average if step > recipe.warmup else 0.9)
        done = step + 1
        record = {"step": float(done), "seconds_a_step": (time.monotonic() - began) / (done - first)} | terms
        if not team.writes:
            continue
        if done % recipe.validate_every == 0 or done == recipe.steps:
            record |= validate(average, recipe, body)
        if done % recipe.save_every == 0 or done == recipe.steps:
            save_checkpoint(checkpoint, recipe, done, network, average, optimiser)
            save_weights(run / "weights.safetensors", recipe, done, average)
        if done % 50 == 0 or done == recipe.steps:
            log(run, record)
            yield record
    leave_team()


def generator(seed: int, step: int) -> torch.Generator:
    """The random stream of one step, whatever came before it."""
    return torch.Generator().manual_seed(seed * 1_000_003 + step)


def start_from_mean(network: VIBE, motions: Motions) -> None:
    """The regressor begins at the mean pose of the training motion, facing the camera."""
    rotmat = roma.unitquat_to_rotmat(motions.quaternions[::10])
    mean = cast(Tensor, roma.special_procrustes(rotmat.mean(0)))
    mean[0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    network.regressor.get_buffer("init_pose").copy_(rotmat_to_6d(mean).flatten()[None])


def take_step(network: VIBE, batch: Example, body: Body, recipe: Recipe, optimiser: torch.optim.Optimizer,
              step: int) -> dict[str, float]:  # fmt: skip
    """One step of the generator; returns the losses."""
    torch.manual_seed(recipe.seed * 1_000_003 + step)
    for group in optimiser.param_groups:
        group["lr"] = rate(recipe, step)
    network.train()
    terms = losses(network(batch.observation), batch, body, recipe.losses)
    total = torch.stack(list(terms.values())).sum()
    if not torch.isfinite(total):
        raise FloatingPointError(f"the loss is {float(total.detach())} at step {step} of seed {recipe.seed}")
    optimiser.zero_grad(set_to_none=True)
    total.backward()
    average_gradients(network)
    nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
    optimiser.step()
    return {"loss": float(total.detach())} | {name: float(value.detach()) for name, value in terms.items()}


def rate(recipe: Recipe, step: int) -> float:
    """Learning rate: a line up, a cosine down."""
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    part = (step - recipe.warmup) / max(recipe.steps - recipe.warmup, 1)
    return recipe.rate * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))


def track_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moving average of the parameters."""
    with torch.no_grad():
        for mine, its in zip(average.parameters(), network.parameters(), strict=True):
            mine.lerp_(its, 1 - decay)


@torch.no_grad()
def validate(network: VIBE, recipe: Recipe, body: Body) -> dict[str, float]:
    """Errors on held-out subjects, always the same windows: detections imitated ("noisy") and true ("clean")."""
    network.eval()
    motions = load_motions([find_motion(recipe.motion[0])], held_out=True)
    weights = clip_weights(motions)
    plain = replace(recipe.synthesis.poses, limb=0.0, wobble=0.0, tumble=0.0)
    results = {}
    for name, noisy in (("noisy", True), ("clean", False)):
        config = replace(recipe.synthesis, batch=128, fastest=1.0, poses=plain)
        batch = synthesise(motions, weights, body, config, generator(12345, 0), noisy)
        theta = network(batch.observation)
        points = body_points(body, theta.rotmat, theta.betas)
        predicted, truth = points[..., :24, :], batch.points[..., :24, :]
        results |= {
            f"{name}_pa_mpjpe_mm": mean(pa_mpjpe_mm(predicted, truth)),
            f"{name}_mpjpe_mm": mean(mpjpe_mm(predicted, truth)),
            f"{name}_acceleration_error_mm": mean(acceleration_error_mm(predicted, truth)),
        }
    return results


def mean(values: Tensor) -> float:
    return float(values.mean())


def log(run: Path, record: dict[str, float]) -> None:
    """One line of JSON more."""
    with (run / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
