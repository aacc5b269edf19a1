"""The recurrent encoder: feature vectors of a track in, as many latent vectors out (the paper, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of the recurrent encoder; the defaults are those of the published model."""

    features: int = 2048
    """Width of the input and of the output."""
    hidden: int = 1024
    """Units of a GRU layer and direction."""
    layers: int = 2
    bidirectional: bool = False
    """The paper's text says both directions, its published model has one."""
    linear: bool = True
    """A linear layer after the GRU; needed where its width is not that of the features."""
    residual: bool = True
    """Add the input to the output."""
    kind: Literal["gru"] = "gru"
    """Its name in a recipe."""


class GRUEncoder(nn.Module):
    """GRU, linear layer, residual."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.hidden * (2 if config.bidirectional else 1)
        if not config.linear and width != config.features:
            raise ValueError(f"the GRU gives {width} numbers, {config.features} are read: set linear")
        sizes = config.features, config.hidden, config.layers
        self.gru = nn.GRU(*sizes, batch_first=True, bidirectional=config.bidirectional)
        self.linear = nn.Linear(width, config.features) if config.linear else None
        self.residual = config.residual

    @property
    def streams(self) -> bool:
        """Whether a frame's latent vector waits for no later frame, so that `step` can be used."""
        return not self.gru.bidirectional

    def forward(self, features: Float[Tensor, "*b time feature"]) -> Float[Tensor, "*b time feature"]:
        return self._read(features)[0]

    def step(
        self, features: Float[Tensor, "*b time feature"], state: Float[Tensor, "layer *b hidden"] | None = None
    ) -> tuple[Float[Tensor, "*b time feature"], Float[Tensor, "layer *b hidden"]]:
        """The next frames, given the state after those before (None at the start): pieces give what the whole gives."""
        assert self.streams, "a GRU of two directions has to see a track's end before it can tell its beginning"
        return self._read(features, state)

    def _read(
        self, features: Float[Tensor, "*b time feature"], state: Float[Tensor, "layer *b hidden"] | None = None
    ) -> tuple[Float[Tensor, "*b time feature"], Float[Tensor, "layer *b hidden"]]:
        before = None if state is None else state.reshape(len(state), -1, state.shape[-1])
        units, after = self.gru(features.reshape(-1, *features.shape[-2:]), before)
        units = units.reshape(*features.shape[:-1], -1)
        latent = units if self.linear is None else self.linear(units.relu())
        after = after.reshape(len(after), *features.shape[:-2], -1)
        return latent + features if self.residual else latent, after
