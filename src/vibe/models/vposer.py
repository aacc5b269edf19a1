"""VPoser: a prior of single poses, as a VAE of fully connected layers, after Pavlakos et al. (CVPR 2019, section 3.3).

The frame-based counterpart that the paper compares MPoser with.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe.models.latent import AT_REST_6D, LATENT, Latent, Reconstruction, body_rotations, reconstruct
from vibe.rotations import rotmat_from_6d, rotmat_to_6d
from vibe.skeletons import SMPL

STILL = 0.01
"""Added to each number's variance: a joint that never moved in training must not drown the others when it does."""


@dataclass(frozen=True)
class VPoserConfig:
    """Sizes of VPoser."""

    joints: int = len(SMPL) - 1
    """Body rotations, without the global orientation; 21 leaves the hands out."""
    latent: int = LATENT
    hidden: int = 512
    """Units of each of the two layers on either side."""
    dropout: float = 0.1


class VPoser(nn.Module):
    """Two layers to mean and log variance, two layers back to rotations."""

    def __init__(self, config: VPoserConfig = VPoserConfig()) -> None:
        super().__init__()
        self.joints = config.joints
        numbers, hidden = 6 * config.joints, config.hidden
        self.encoder = nn.Sequential(
            nn.BatchNorm1d(numbers, eps=STILL), nn.Linear(numbers, hidden), nn.LeakyReLU(0.2),
            nn.BatchNorm1d(hidden), nn.Dropout(config.dropout), nn.Linear(hidden, hidden), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.mean = nn.Linear(hidden, config.latent)
        self.log_variance = nn.Linear(hidden, config.latent)
        self.decoder = nn.Sequential(
            nn.Linear(config.latent, hidden), nn.LeakyReLU(0.2), nn.Dropout(config.dropout),
            nn.Linear(hidden, hidden), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.rotations = nn.Linear(hidden, numbers)
        with torch.no_grad():
            self.rotations.bias.copy_(torch.tensor(AT_REST_6D).repeat(config.joints))

    def encode(self, rotmat: Float[Tensor, "*b joint 3 3"]) -> Latent:
        """The latent of each frame, of the body's 23 rotations (or of `joints` of them)."""
        numbers = rotmat_to_6d(body_rotations(rotmat, self.joints)).flatten(-2)
        states = self.encoder(numbers.reshape(-1, numbers.shape[-1])).reshape(*numbers.shape[:-1], -1)
        return Latent(self.mean(states), self.log_variance(states))

    def decode(self, z: Float[Tensor, "*b number"]) -> Float[Tensor, "*b joint 3 3"]:
        """The body rotations of each frame."""
        return rotmat_from_6d(self.rotations(self.decoder(z)).unflatten(-1, (self.joints, 6)))

    def forward(
        self, rotmat: Float[Tensor, "*b joint 3 3"], generator: torch.Generator | None = None
    ) -> Reconstruction:
        """There and back; with a random generator through a sample of the latent, else through its mean."""
        return reconstruct(self, rotmat, generator)
