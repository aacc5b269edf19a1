"""The learnt priors: MPoser, of motion (the paper, section 3.2), and VPoser, of single poses; read from their files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe import assets
from vibe.errors import damaged
from vibe.models.latent import BODY_JOINTS, LATENT, Prior
from vibe.records import Weights

STILL = 0.01
"""Added to each number's variance: a joint that never moved in training must not drown the others when it does."""


@dataclass(frozen=True)
class MPoserConfig:
    """Sizes of MPoser; the paper gives the 32 latent numbers alone."""

    joints: int = BODY_JOINTS
    """Body rotations, without the global orientation; 21 leaves the hands out."""
    latent: int = LATENT
    """Numbers a time step."""
    hidden: int = 512
    """Units of a GRU layer and direction."""
    layers: int = 2
    """GRU layers of the encoder, and as many of the decoder."""
    bidirectional: bool = False
    """Read and write in both directions; with one, nothing depends on what comes later."""


class MPoser(Prior):
    """Encoder GRU to mean and log variance of each time step, decoder GRU back to rotations."""

    def __init__(self, config: MPoserConfig = MPoserConfig()) -> None:
        super().__init__(config.joints)
        width = config.hidden * (2 if config.bidirectional else 1)
        sizes = {"num_layers": config.layers, "batch_first": True, "bidirectional": config.bidirectional}
        self.encoder = nn.GRU(6 * config.joints, config.hidden, **sizes)
        self.mean = nn.Linear(width, config.latent)
        self.log_variance = nn.Linear(width, config.latent)
        self.decoder = nn.GRU(config.latent, config.hidden, **sizes)
        self.rotations = nn.Linear(width, 6 * config.joints)
        self.begin_at_rest()

    def run(self, half: nn.Module, numbers: Float[Tensor, "*b time number"]) -> Float[Tensor, "*b time unit"]:
        return half(numbers.reshape(-1, *numbers.shape[-2:]))[0].reshape(*numbers.shape[:-1], -1)


@dataclass(frozen=True)
class VPoserConfig:
    """Sizes of VPoser."""

    joints: int = BODY_JOINTS
    """Body rotations, without the global orientation; 21 leaves the hands out."""
    latent: int = LATENT
    hidden: int = 512
    """Units of each of the two layers on either side."""
    dropout: float = 0.1


class VPoser(Prior):
    """Two layers to mean and log variance, two layers back to rotations (Pavlakos et al., CVPR 2019, section 3.3).

    The frame-based counterpart that the paper compares MPoser with.
    """

    def __init__(self, config: VPoserConfig = VPoserConfig()) -> None:
        super().__init__(config.joints)
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
        self.begin_at_rest()

    def run(self, half: nn.Module, numbers: Float[Tensor, "*b number"]) -> Float[Tensor, "*b unit"]:
        return half(numbers.reshape(-1, numbers.shape[-1])).reshape(*numbers.shape[:-1], -1)


KINDS: dict[str, Callable[[Mapping[str, Any]], MPoser | VPoser]] = {
    "mposer": lambda sizes: MPoser(MPoserConfig(**sizes)),
    "vposer": lambda sizes: VPoser(VPoserConfig(**sizes)),
}
"""The priors that can be trained, with fresh parameters, by the name that their recipes carry as `kind`."""


@dataclass(frozen=True)
class LearntPrior:
    """A prior ready to judge motion, with what it may be used for."""

    model: MPoser | VPoser
    about: Weights


@functools.cache
def load_prior(path: Path | str = "mposer", device: torch.device | str = "cpu") -> LearntPrior:
    """The prior of a weights file (a path, or the name of a shipped or added set), ready to run.

    Strict: raises FileNotFoundError, and ValueError if the file holds another kind of network or other sizes.
    """
    recipe = assets.load_recipe(path)
    kind = recipe.get("kind")
    if kind not in KINDS:
        raise ValueError(
            f"{assets.weights_path(path)} is no prior (its recipe is of the kind {kind!r}, not {' or '.join(KINDS)}): "
            "give a file that `vibe train mposer` or `vibe train vposer` wrote"
        )
    tensors, about = assets.load_weights(path)
    with damaged(f"{assets.weights_path(path)} does not fit its own recipe", "choose other weights"):
        model = KINDS[str(kind)](recipe["prior"])  # pyright: ignore[reportArgumentType]
        model.load_state_dict(
            {name: each.float() if each.is_floating_point() else each for name, each in tensors.items()}
        )
    return LearntPrior(model.to(device).eval().requires_grad_(False), about)
