"""Training of the detector's simulator on `rendered-evidence`: flow matching (Lipman et al. 2023)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body import load_body
from vibe.records import Progress
from vibe.synthetic.detector_simulator import (
    LEAST_DEVIATION,
    DetectorSimulator,
    SimulatorConfig,
    answers_of,
    frequencies,
    mirror_pairs,
)
from vibe.synthetic.rendered_evidence import CONFIG, load_rendered
from vibe.train.checkpoints import data_checksum, save_weights
from vibe.train.distributed import ProcessGroup, all_reduce_mean, join_process_group, shard_batch
from vibe.train.loop import track_average
from vibe.train.recipes import FREE_LICENCE, OPEN, AveragedRecipe, Precision
from vibe.train.task_keypoints import rendered_files
from vibe.train.trainer import (
    TrainerConfig,
    cosine,
    descend,
    finite_total,
    seed_step,
    seeded_generator,
    set_rate,
    train_loop,
)

LEAST_WEIGHED = 0.12
"""Frequencies whose deviation is below this share of the number's own count as if it were that."""


@dataclass(frozen=True, kw_only=True)
class SimulatorRecipe(AveragedRecipe):
    """One training run of a detector's simulator."""

    rendered: tuple[str, ...] = ()
    """Stores of `vibe prepare rendered-evidence`."""
    set_aside: tuple[str, ...] = OPEN.set_aside
    """Subjects that validate, as in the stores."""
    simulator: SimulatorConfig = field(default_factory=SimulatorConfig)
    """Its sizes."""
    batch: int = 48
    """Windows in one, half of them mirrored."""


SIMULATOR_RECIPE = SimulatorRecipe(
    name="simulator", licence=FREE_LICENCE, steps=3200, rate=1e-3, warmup=100, decay=0.05, average=0.995,
    save_every=200, validate_every=400,
)  # fmt: skip


@dataclass(frozen=True)
class ToldAnswers:
    """Conditions and answers of windows, in the simulator's units."""

    condition: Float[Tensor, "window time condition"]
    answers: Float[Tensor, "window time answer"]


def train_simulator(
    recipe: SimulatorRecipe, folder: Path, device: str = "cpu", progress: Progress | None = None
) -> Iterator[dict[str, float]]:
    """Train a simulator until the recipe's last step, yielding the records of its log; taken up where it was stopped.

    The folder ends up with `weights.safetensors` and `best.safetensors`, of the lowest loss on the subjects set aside.
    Raises FileNotFoundError or ValueError for the stores, ValueError if the folder is another recipe's, NotANumber.
    """
    if not recipe.rendered:
        raise ValueError("a simulator learns from rendered windows: give --rendered STORE")
    group, body = join_process_group(device), load_body()
    torch.manual_seed(recipe.seed)
    network = DetectorSimulator(recipe.simulator)
    windows = {split: load_rendered(recipe.rendered, split, recipe.set_aside, CONFIG.frames, body)
               for split in ("train", "validation")}  # fmt: skip
    told = {split: answers_of(each, body) for split, each in windows.items()}
    taught, aside = (ToldAnswers(viewed.condition, answers) for viewed, answers in told.values())
    begin_in_units(network, taught)
    taught, aside = (in_units(network, each) for each in (taught, aside))
    network = network.to(group.device)
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, betas=(0.9, 0.98), weight_decay=recipe.decay)

    def take_step(step: int) -> dict[str, float]:
        seed_step(recipe.seed, step, group.rank)
        set_rate(optimiser, cosine(recipe.rate, step, recipe.steps, recipe.warmup))
        batch = shard_batch(draw_flows(network, taught, recipe, step), group)
        loss = flow_loss(network.train(), batch, recipe.precision).mean()
        finite_total({"flow": loss}, step, batch).backward()
        descend(network, optimiser, recipe.clip, step, batch)
        track_average(average, network, min(recipe.average, 1.0 if step > recipe.warmup else 0.9))
        return all_reduce_mean({"loss": float(loss.detach())}, group)

    run = TrainerConfig(
        folder=folder, recipe=recipe, parts={"network": network, "average": average, "optimiser": optimiser},
        data=data_checksum(rendered_files(recipe.rendered)), take_step=take_step,
        validate=lambda: {"flow": validate_simulator(average, aside, recipe, group)}, score="flow",
        save_weights=lambda path, step: save_weights(path, recipe, step, average),
    )  # fmt: skip
    yield from train_loop(run, group, progress)


@torch.no_grad()
def begin_in_units(network: DetectorSimulator, pairs: ToldAnswers) -> None:
    """Give a simulator the units of these windows and of their mirror images, and its noise the answers' spectrum."""
    other = mirror_pairs(pairs.condition, pairs.answers)
    condition, answers = (torch.cat(each) for each in zip((pairs.condition, pairs.answers), other, strict=True))
    for name, numbers in (("condition", condition), ("answer", answers)):
        network.get_buffer(f"{name}_mean").copy_(numbers.mean((0, 1)))
        network.get_buffer(f"{name}_std").copy_(numbers.std((0, 1)).clamp_min(1e-3))
    waves = torch.einsum(
        "ft,btn->bfn", frequencies(answers.shape[1]), in_units(network, ToldAnswers(condition, answers)).answers
    )
    network.spectrum.copy_(waves.square().mean(0).sqrt().clamp_min(LEAST_DEVIATION))


def in_units(network: DetectorSimulator, pairs: ToldAnswers) -> ToldAnswers:
    """The same in the simulator's units."""
    return ToldAnswers(
        (pairs.condition - network.condition_mean) / network.condition_std,
        (pairs.answers - network.answer_mean) / network.answer_std,
    )


@dataclass(frozen=True)
class FlowBatch:
    """Answers somewhere on their way from noise, and the velocity that they have there."""

    mixed: Float[Tensor, "batch time answer"]
    part: Float[Tensor, "batch"]
    condition: Float[Tensor, "batch time condition"]
    velocity: Float[Tensor, "batch time answer"]


def draw_flows(network: DetectorSimulator, pairs: ToldAnswers, recipe: SimulatorRecipe, step: int) -> FlowBatch:
    """A step's windows by chance, half of them mirrored; the same for the same seed and step."""
    seed = seeded_generator(recipe.seed, step)
    chosen = torch.randint(len(pairs.answers), (recipe.batch,), generator=seed)
    condition, answers = pairs.condition[chosen], pairs.answers[chosen]
    flip = (torch.rand(recipe.batch, generator=seed) < 0.5)[:, None, None]
    # Units are those of both sides together, so that a mirror works in them, too.
    other = mirror_pairs(condition, answers)
    condition, answers = (torch.where(flip, *each) for each in zip(other, (condition, answers), strict=True))
    return flows(network, ToldAnswers(condition, answers), seed)


def flows(network: DetectorSimulator, pairs: ToldAnswers, seed: torch.Generator) -> FlowBatch:
    """A moment and noise for each window by chance."""
    part = torch.rand(len(pairs.answers), generator=seed)
    noise = network.noise(len(pairs.answers), seed).to(pairs.answers)
    mixed = noise + part[:, None, None] * (pairs.answers - noise)
    return FlowBatch(mixed, part, pairs.condition, pairs.answers - noise)


def flow_loss(network: DetectorSimulator, batch: FlowBatch, precision: Precision) -> Float[Tensor, "batch"]:
    """Squared error of the velocity; frequencies count by what is usual of them."""
    with torch.autocast(batch.mixed.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        velocity = network(batch.mixed, batch.part, batch.condition)
    waves = torch.einsum(
        "ft,btn->bfn", frequencies(velocity.shape[1]).to(batch.mixed), velocity.float() - batch.velocity
    )
    return (waves / network.spectrum.clamp_min(LEAST_WEIGHED)).square().mean((1, 2))


@torch.no_grad()
def validate_simulator(
    network: DetectorSimulator, pairs: ToldAnswers, recipe: SimulatorRecipe, group: ProcessGroup
) -> float:
    """The loss of windows set aside, at the same moments and from the same noise each time."""
    seed = seeded_generator(12345, 0)
    losses = [
        flow_loss(
            network,
            shard_batch(flows(network, ToldAnswers(*part), seed), ProcessGroup(device=group.device)),
            recipe.precision,
        )
        for part in zip(pairs.condition.split(recipe.batch), pairs.answers.split(recipe.batch), strict=True)
    ]
    return float(torch.cat(losses).mean())
