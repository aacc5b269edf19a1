"""Temporal encoders: feature vectors of a track in, as many latent vectors out (the paper, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

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


class GRUEncoder(nn.Module):
    """GRU, linear layer, residual."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.hidden * (2 if config.bidirectional else 1)
        if not config.linear and width != config.features:
            raise ValueError(f"the GRU gives {width} numbers, {config.features} are read: set linear")
        self.gru = nn.GRU(
            config.features, config.hidden, config.layers, batch_first=True, bidirectional=config.bidirectional
        )
        self.linear = nn.Linear(width, config.features) if config.linear else None
        self.residual = config.residual

    def forward(self, features: Float[Tensor, "*b time feature"]) -> Float[Tensor, "*b time feature"]:
        flat = features.reshape(-1, *features.shape[-2:])
        latent, _ = self.gru(flat)
        if self.linear is not None:
            latent = self.linear(latent.relu())
        latent = latent.reshape(features.shape)
        return latent + features if self.residual else latent
