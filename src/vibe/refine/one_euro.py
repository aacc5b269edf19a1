"""The one-euro filter (Casiez et al. 2012): a low pass that looks back only, and follows fast motion faster.

The published demo ran it over axis-angles, which spin where one wraps at pi. Here rotations are filtered by the turn
from the filtered one to the new one; near the identity that is the published filter.
"""

from __future__ import annotations

import math

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.refine.presets import PER_FRAME, PER_SECOND, OneEuro


class OneEuroFilter:
    """The filter over numbers that come one moment after the other."""

    def __init__(self, settings: OneEuro = PER_FRAME) -> None:
        self.settings = settings
        self.time = 0.0
        self.filtered: Tensor | None = None
        self.velocity: Tensor | None = None

    def step(self, x: Float[Tensor, "*b"], time: float) -> Float[Tensor, "*b"]:
        """What is filtered at a moment; raises ValueError if it is not later than the last one."""
        if self.filtered is None or self.velocity is None:
            self.filtered, self.time = x, time
            self.velocity = torch.zeros_like(self._apart(x, x))
            return x
        passed = time - self.time
        if not passed > 0:
            raise ValueError(f"a moment at {time} after one at {self.time}: each has to be later than the last")
        change = self._apart(self.filtered, x)
        gain = _gain(torch.full_like(change, self.settings.speed), passed)
        self.velocity = gain * change / passed + (1 - gain) * self.velocity
        gain = _gain(self.settings.least + self.settings.beta * self.velocity.abs(), passed)
        self.filtered, self.time = self._moved(self.filtered, gain * change), time
        return self.filtered

    def _apart(self, old: Tensor, new: Tensor) -> Tensor:
        return new - old

    def _moved(self, old: Tensor, change: Tensor) -> Tensor:
        return old + change


class RotationFilter(OneEuroFilter):
    """The filter over rotations [*b, 3, 3]: along the turn from the filtered one to the new one, in its own frame."""

    def _apart(self, old: Tensor, new: Tensor) -> Tensor:
        return roma.rotmat_to_rotvec(old.mT @ new)

    def _moved(self, old: Tensor, change: Tensor) -> Tensor:
        return roma.special_gramschmidt(old @ roma.rotvec_to_rotmat(change))


def one_euro_rotations(
    rotmat: Float[Tensor, "time *n 3 3"], times: Float[Tensor, "time"], settings: OneEuro = PER_SECOND
) -> Float[Tensor, "time *n 3 3"]:
    """Rotations over time, filtered each by itself, without a jump at pi. Raises ValueError as the filter does."""
    if len(rotmat) == 0:
        return rotmat
    stream = RotationFilter(settings)
    return torch.stack([stream.step(row, time) for row, time in zip(rotmat, times.tolist(), strict=True)])


def _gain(cutoff: Float[Tensor, "*b"], passed: float) -> Float[Tensor, "*b"]:
    """The share of the new number in a first-order low pass."""
    ratio = 2 * math.pi * cutoff * passed
    return ratio / (ratio + 1)
