"""MPoser: a prior of motion, as a sequential VAE of GRUs (the paper, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe.models.latent import AT_REST_6D, LATENT, Latent, Reconstruction, body_rotations, reconstruct
from vibe.rotations import rotmat_from_6d, rotmat_to_6d
from vibe.skeletons import SMPL


@dataclass(frozen=True)
class MPoserConfig:
    """Sizes of MPoser; the paper gives the 32 latent numbers alone."""

    joints: int = len(SMPL) - 1
    """Body rotations, without the global orientation; 21 leaves the hands out."""
    latent: int = LATENT
    """Numbers a time step."""
    hidden: int = 512
    """Units of a GRU layer and direction."""
    layers: int = 2
    """GRU layers of the encoder, and as many of the decoder."""
    bidirectional: bool = False
    """Read and write in both directions; with one, nothing depends on what comes later."""


class MPoser(nn.Module):
    """Encoder GRU to mean and log variance of each time step, decoder GRU back to rotations."""

    def __init__(self, config: MPoserConfig = MPoserConfig()) -> None:
        super().__init__()
        self.joints = config.joints
        width = config.hidden * (2 if config.bidirectional else 1)
        sizes = {"num_layers": config.layers, "batch_first": True, "bidirectional": config.bidirectional}
        self.encoder = nn.GRU(6 * config.joints, config.hidden, **sizes)
        self.mean = nn.Linear(width, config.latent)
        self.log_variance = nn.Linear(width, config.latent)
        self.decoder = nn.GRU(config.latent, config.hidden, **sizes)
        self.rotations = nn.Linear(width, 6 * config.joints)
        with torch.no_grad():
            self.rotations.bias.copy_(torch.tensor(AT_REST_6D).repeat(config.joints))

    def encode(self, rotmat: Float[Tensor, "*b time joint 3 3"]) -> Latent:
        """The latent of each time step, of the body's 23 rotations (or of `joints` of them)."""
        numbers = rotmat_to_6d(body_rotations(rotmat, self.joints)).flatten(-2)
        states = _over_time(self.encoder, numbers)
        return Latent(self.mean(states), self.log_variance(states))

    def decode(self, z: Float[Tensor, "*b time number"]) -> Float[Tensor, "*b time joint 3 3"]:
        """The body rotations of each time step."""
        numbers = self.rotations(_over_time(self.decoder, z))
        return rotmat_from_6d(numbers.unflatten(-1, (self.joints, 6)))

    def forward(
        self, rotmat: Float[Tensor, "*b time joint 3 3"], generator: torch.Generator | None = None
    ) -> Reconstruction:
        """There and back; with a random generator through a sample of the latent, else through its mean."""
        return reconstruct(self, rotmat, generator)


def _over_time(gru: nn.GRU, numbers: Float[Tensor, "*b time number"]) -> Float[Tensor, "*b time unit"]:
    """The GRU's states, from rest, with any leading axes."""
    states, _ = gru(numbers.reshape(-1, *numbers.shape[-2:]))
    return states.reshape(*numbers.shape[:-1], -1)
