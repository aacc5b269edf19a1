"""What every training run does, whatever it trains: resume, step, validate, log, save; never lost.

A run is killed at any moment and started again, and goes on to the same numbers: what a step draws at random is made
of the recipe's seed and the step, and everything else that a step depends on is in the last whole checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from vibe import assets
from vibe.assets.paths import only_writer
from vibe.records import Progress
from vibe.train import checkpoints
from vibe.train.checkpoints import BEST, CHECKPOINT, Stateful, save_checkpoint, training_log
from vibe.train.distributed import ProcessGroup, average_gradients, broadcast, leave_process_group

PATIENCE, FACTOR = 5, 0.1
"""Epochs without gain after which the rates are lowered, and to what share (section 4.2; the factor as published)."""


def cosine(top: float, step: int, steps: int, warmup: int) -> float:
    """The rate of a step: a line up to `top` for the steps of the warm-up, then a cosine down to a fiftieth."""
    if step < warmup:
        return top * (step + 1) / warmup
    part = (step - warmup) / max(steps - warmup, 1)
    return top * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * part)))


def set_rate(optimiser: Optimizer, rate: float) -> None:
    """Give all of an optimiser's parameters one learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def on_plateau(optimiser: Optimizer) -> ReduceLROnPlateau:
    """Lowers an optimiser's rates each time PATIENCE epochs have gone by without a new lowest score."""
    return ReduceLROnPlateau(optimiser, "min", FACTOR, PATIENCE - 1, threshold=0.0)


WEIGHTS, BEST_WEIGHTS = "weights.safetensors", "best.safetensors"


@dataclass(frozen=True)
class TrainerConfig:
    """One training run: what is trained, and how a step of it is taken."""

    folder: Path
    recipe: Any
    """A frozen dataclass of plain values, kept beside the weights; a folder is taken up by the same one alone. It says
    the number of `steps`, and how often to log, validate and save (`log_every` ...); the last step does everything."""
    parts: Mapping[str, Stateful]
    """Networks, averages, optimisers, schedules: all whose state the next step depends on."""
    take_step: Callable[[int], dict[str, float]]
    """Takes the step of that number, counted from 0, and gives its losses; raises NotANumber."""
    validate: Callable[[], dict[str, float]]
    """Errors by name; called in the first process alone, so it must change nothing."""
    score: str
    """The name of the error that decides which weights are the best: the lowest."""
    save_weights: Callable[[Path, int], None]
    """Writes the weights to ship, whole, with the number of steps behind them."""
    plateaus: Collection[ReduceLROnPlateau] = ()
    """Learning rates that depend on the score, in every process."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Checksums of the files that are trained on, by name."""


class NotANumber(FloatingPointError):
    """A loss or its gradient stopped being a number; `batch` is what it was made from."""

    def __init__(self, message: str, batch: Mapping[str, Tensor]) -> None:
        super().__init__(message)
        self.batch = dict(batch)


def train_loop(run: TrainerConfig, group: ProcessGroup, progress: Progress | None = None) -> Iterator[dict[str, float]]:
    """Go on until the last step, yielding the records that go into the log; from the first process alone. At the end
    the processes part.

    The folder ends up with what `docs/train.md` lists. What is written before the checkpoint of a step is written again
    if the run dies before that checkpoint is whole. Raises NotANumber, with the batch in `nan_batch.pt` where one is at
    fault, ValueError if the folder belongs to another recipe or to other data, OSError if another run is at work in it.
    """
    if min(run.recipe.steps, run.recipe.log_every, run.recipe.validate_every, run.recipe.save_every) < 1:
        raise ValueError("steps, and those from log to log, validation to validation and so on, are 1 or more")
    with only_writer(run.folder) if group.writes else nullcontext():
        yield from _remaining_steps(run, group, progress)
    leave_process_group()


def _remaining_steps(run: TrainerConfig, group: ProcessGroup, progress: Progress | None) -> Iterator[dict[str, float]]:
    checkpoints.open_run_folder(run.folder, run.recipe, run.data, group.writes)
    first, best = checkpoints.load_checkpoint(run.folder / CHECKPOINT, run.recipe, run.parts)
    steps, began = run.recipe.steps, time.monotonic()
    with training_log(run.folder, first) if group.writes else nullcontext() as log:
        for done in range(first + 1, steps + 1):
            try:
                terms = run.take_step(done - 1)
            except NotANumber as error:  # what it came from is kept, by whichever process has it
                path = run.folder / "nan_batch.pt"
                assets.write_whole(path, checkpoints.saved({"step": done - 1, **error.batch}))
                raise NotANumber(f"{error}: {path} holds the batch", error.batch) from error
            record = {"step": float(done), "seconds_a_step": (time.monotonic() - began) / (done - first)} | terms
            logs, validates, saves = (
                done % every == 0 or done == steps
                for every in (run.recipe.log_every, run.recipe.validate_every, run.recipe.save_every)
            )
            better = False
            if validates:
                errors = validation_errors(run, done) if group.writes else {}
                score = broadcast(errors.get(run.score, 0.0), group)
                record, better, best = record | errors, score < best, min(score, best)
                for each in run.plateaus:
                    each.step(score)
            if log is None:
                continue
            if logs or validates:
                log(record)
            if better:
                run.save_weights(run.folder / BEST_WEIGHTS, done)
                save_checkpoint(run.folder / BEST, run.recipe, run.parts, done, best)
            if saves:
                run.save_weights(run.folder / WEIGHTS, done)
                save_checkpoint(run.folder / CHECKPOINT, run.recipe, run.parts, done, best, keep=True)
            if progress is not None:
                progress("training", done, steps)
            if logs or validates:
                yield record


def validation_errors(run: TrainerConfig, step: int) -> dict[str, float]:
    """What a run's validation finds; raises NotANumber where the network says nothing that can be compared."""
    try:
        errors = run.validate()
    except torch.linalg.LinAlgError as error:  # pyright: ignore[reportPrivateImportUsage]
        # No rotation aligns points that are no numbers.
        raise NotANumber(f"the validation after step {step} is of no numbers", {}) from error
    if not math.isfinite(errors[run.score]):
        raise NotANumber(f"the {run.score} is {errors[run.score]} after step {step}", {})
    return errors


def seeded_generator(seed: int, step: int, purpose: int = 0) -> torch.Generator:
    """The random stream of one step, whatever came before it; each purpose of a step has its own."""
    # Below 2^32: torch's generator on the CPU ignores higher bits.
    return torch.Generator().manual_seed((seed * 1_000_003 + step + purpose * 2_654_435_769) % 2**32)


def seed_step(seed: int, step: int, rank: int = 0) -> None:
    """Begin torch's own random stream (that of dropout) anew for a step; processes have different ones."""
    torch.manual_seed(seeded_generator(seed, step, -rank).initial_seed())


def finite_total(terms: Mapping[str, Tensor], step: int, batch: object) -> Tensor:
    """The sum of the losses; raises NotANumber, with the batch's tensors."""
    total = torch.stack(list(terms.values())).sum()
    check_finite(total, "loss", step, batch)
    return total


def check_finite(number: Tensor, what: str, step: int, batch: object) -> None:
    """Raise NotANumber, with the batch's tensors, unless it is a finite number."""
    if not torch.isfinite(number):
        raise NotANumber(f"the {what} is {float(number.detach())} at step {step}", tensors_of(batch))


def descend(network: nn.Module, optimiser: torch.optim.Optimizer, clip: float, step: int, batch: object) -> None:
    """One step down the gradients that are there, shared by all processes, cut to the norm `clip` unless that is 0."""
    average_gradients(network)
    check_finite(nn.utils.clip_grad_norm_(network.parameters(), clip or math.inf), "gradient's norm", step, batch)
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def tensors_of(record: object, name: str = "") -> dict[str, Tensor]:
    """Every tensor of a record (frozen, or a mapping) and of the records in it, by its dotted name."""
    if isinstance(record, Tensor):
        return {name or "batch": record.detach().cpu()}
    inside = record if isinstance(record, Mapping) else {}
    if is_dataclass(record):
        inside = {each.name: getattr(record, each.name) for each in fields(record)}
    found: dict[str, Tensor] = {}
    for key, value in inside.items():
        found |= tensors_of(value, f"{name}.{key}".strip("."))
    return found
