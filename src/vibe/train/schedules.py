"""Learning rates: a cosine over the whole run, or the paper's, lowered where validation gains nothing more."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

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


def follow_schedule(plateaus: Iterable[ReduceLROnPlateau], score: float) -> None:
    """Tell the schedules the score of an epoch."""
    for each in plateaus:
        each.step(score)
