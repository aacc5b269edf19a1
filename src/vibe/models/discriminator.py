"""The motion discriminator D_M: a motion in, a score out, near 1 for real motion (the paper, section 3.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations

from vibe.models.priors import BODY_JOINTS
from vibe.rotations import rotmat_to_6d

VELOCITY = 10.0
"""Frames over which a velocity is told, so that its numbers are about as large as those of the rotations."""


def with_velocity(rotmat: Float[Tensor, "*b time joint 3 3"]) -> Float[Tensor, "*b time joint 12"]:
    """6D and its change since the frame before, 0 in the first, times VELOCITY."""
    numbers = rotmat_to_6d(rotmat)
    moved = functional.pad(numbers.diff(dim=-3), (0, 0, 0, 0, 1, 0))
    return torch.cat([numbers, VELOCITY * moved], -1)


FORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "axis_angle": roma.rotmat_to_rotvec, "6d": rotmat_to_6d, "6d_velocity": with_velocity,
}  # fmt: skip
"""How rotations are written for the discriminator. Axis-angle is what was published; it jumps at half a turn."""
WIDTHS = {"axis_angle": 3, "6d": 6, "6d_velocity": 12}


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes of the discriminator; the defaults are those of the paper's best rows (table 3, appendix 6.1)."""

    form: Literal["axis_angle", "6d", "6d_velocity"] = "axis_angle"
    """How the body's rotations are written."""
    hidden: int = 1024
    """Units of a GRU layer."""
    layers: int = 2
    """GRU layers."""
    pooling: Literal["attention", "last", "mean", "max", "concat"] = "attention"
    """How the states of all frames become one."""
    attention_layers: int = 2
    """Layers of the perceptron that weighs the frames, the one that ends in the score included: 1, 2 or 3."""
    attention_units: int = 1024
    """Units of each layer before the last."""
    dropout: float = 0.1
    """Of the attention's perceptron."""
    spectral: bool = False
    """Every weight matrix divided by its largest singular value (Miyato et al. 2018)."""


PAPER = DiscriminatorConfig()
"""Two layers of attention, dropout 0.1 (appendix 6.1)."""
RELEASED = DiscriminatorConfig(attention_layers=3, dropout=0.2)
"""What the published configuration trains."""


def motion_numbers(
    rotmat: Float[Tensor, "*b time joint 3 3"], form: str = "axis_angle"
) -> Float[Tensor, "*b time number"]:
    """The 23 body rotations of each frame in a row: what the discriminator reads.

    Takes all 24 rotations, of which it leaves the global orientation out, or the 23 alone; shape and camera are no
    motion. Gradients are finite for every rotation.
    """
    assert rotmat.shape[-3] in (BODY_JOINTS, BODY_JOINTS + 1), "the body's rotations, or those and the root's"
    return FORMS[form](rotmat[..., -BODY_JOINTS:, :, :]).flatten(-2)


class SelfAttention(nn.Module):
    """Mean of frames weighed by a perceptron (equation 4); tanh and dropout act on the scores too, as published."""

    def __init__(self, features: int, units: int, layers: int, dropout: float) -> None:
        super().__init__()
        widths = [features, *[units] * (layers - 1), 1]
        steps: list[nn.Module] = []
        for first, second in zip(widths[:-1], widths[1:], strict=True):
            linear = nn.Linear(first, second)
            nn.init.uniform_(linear.weight, -0.1, 0.1)
            nn.init.constant_(linear.bias, 0.01)
            steps += [linear, nn.Tanh(), nn.Dropout(dropout)]
        self.attention = nn.Sequential(*steps)

    def weights(self, states: Float[Tensor, "*b time unit"]) -> Float[Tensor, "*b time"]:
        """The share of each frame; they sum to 1."""
        return self.attention(states)[..., 0].softmax(-1)

    def forward(self, states: Float[Tensor, "*b time unit"]) -> Float[Tensor, "*b unit"]:
        return (self.weights(states)[..., None] * states).sum(-2)


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "last": lambda states: states[..., -1, :],
    "mean": lambda states: states.relu().mean(-2),
    "max": lambda states: states.relu().amax(-2),
    "concat": lambda states: torch.cat([states.relu().mean(-2), states.relu().amax(-2)], -1),
}
"""States of all frames to one: the last, the mean of the positive parts, the largest of each unit, the last two."""


class MotionDiscriminator(nn.Module):
    """GRU over the frames, pooling, one linear layer; no sigmoid, since the losses are squares (equations 2 and 3).

    Raises ValueError for attention of other than 1 to 3 layers.
    """

    def __init__(self, config: DiscriminatorConfig = PAPER) -> None:
        super().__init__()
        if not 1 <= config.attention_layers <= 3:
            raise ValueError(f"attention has 1, 2 or 3 layers, not {config.attention_layers}")
        self.gru = nn.GRU(BODY_JOINTS * WIDTHS[config.form], config.hidden, config.layers, batch_first=True)
        self.attention = None
        if config.pooling == "attention":
            sizes = config.hidden, config.attention_units, config.attention_layers
            self.attention = SelfAttention(*sizes, config.dropout)
        self.pooling = config.pooling
        self.fc = nn.Linear(config.hidden * (2 if config.pooling == "concat" else 1), 1)
        self.spectral = config.spectral
        if config.spectral:
            for part in [part for part in self.modules() if isinstance(part, nn.Linear | nn.GRU)]:
                for name in [name for name, _ in part.named_parameters(recurse=False) if name.startswith("weight")]:
                    parametrizations.spectral_norm(part, name)

    def forward(self, motion: Float[Tensor, "*b time number"]) -> Float[Tensor, "*b"]:
        """One score a motion, of `motion_numbers` in the discriminator's form."""
        parts = [getattr(self.gru, name) for name in self.gru._flat_weights_names] if self.spectral else []
        if self.spectral:  # a GRU keeps a list of its weights, which does not see that they are parametrized
            self.gru._flat_weights = parts
        states, _ = self.gru(motion.reshape(-1, *motion.shape[-2:]))
        if self.spectral:  # nor is the graph to be kept by it
            self.gru._flat_weights = [each.detach() for each in parts]
        pooled = POOLS[self.pooling](states) if self.attention is None else self.attention(states)
        return self.fc(pooled)[..., 0].reshape(motion.shape[:-2])
