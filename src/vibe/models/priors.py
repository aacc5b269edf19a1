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
from vibe.records import Weights
from vibe.rotations import rotmat_from_6d, rotmat_to_6d
from vibe.skeletons import SMPL

BODY_JOINTS = len(SMPL) - 1
LATENT = 32
"""Numbers that stand for a body (the paper, section 3.2)."""
STILL = 0.01
"""Added to each number's variance: a joint that never moved in training must not drown the others when it does."""


@dataclass(frozen=True)
class Latent:
    """A normal distribution with independent numbers."""

    mean: Float[Tensor, "*b number"]
    log_variance: Float[Tensor, "*b number"]


class Prior(nn.Module):
    """A VAE of body rotations; which frames it relates is a matter of its two halves, `encoder` and `decoder`."""

    encoder: nn.Module
    mean: nn.Linear
    log_variance: nn.Linear
    decoder: nn.Module
    rotations: nn.Linear

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.joints = joints

    def begin_at_rest(self) -> None:
        """Let the decoder begin at no rotation."""
        with torch.no_grad():
            self.rotations.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0]).repeat(self.joints))

    def run(self, half: nn.Module, numbers: Float[Tensor, "*b number"]) -> Float[Tensor, "*b unit"]:
        """A half's states of each frame."""
        raise NotImplementedError

    def encode(self, rotmat: Float[Tensor, "*b joint 3 3"]) -> Latent:
        """The latent of each frame, of the body's 23 rotations or the first of them, `joints` at least."""
        assert self.joints <= rotmat.shape[-3] <= BODY_JOINTS, "the body's rotations, without the root's"
        states = self.run(self.encoder, rotmat_to_6d(rotmat[..., : self.joints, :, :]).flatten(-2))
        return Latent(self.mean(states), self.log_variance(states))

    def decode(self, z: Float[Tensor, "*b number"]) -> Float[Tensor, "*b joint 3 3"]:
        """The body rotations of each frame."""
        return rotmat_from_6d(self.rotations(self.run(self.decoder, z)).unflatten(-1, (self.joints, 6)))

    def forward(
        self, rotmat: Float[Tensor, "*b joint 3 3"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "*b read 3 3"], Latent]:
        """There and back, by a sample of the latent, or without a random generator by its mean; the latent beside."""
        latent = self.encode(rotmat)
        return self.decode(latent.mean if generator is None else sample(latent, generator)), latent


def sample(latent: Latent, generator: torch.Generator) -> Float[Tensor, "*b number"]:
    """One draw from the latent, differentiable in its mean and variance."""
    mean = latent.mean
    noise = torch.randn(mean.shape, generator=generator, device=generator.device, dtype=mean.dtype).to(mean.device)
    return mean + noise * (latent.log_variance / 2).exp()


def prior_loss(z: Float[Tensor, "*b number"]) -> Float[Tensor, ""]:
    """The paper's L_MPoser: the length of z, averaged over the frames; its gradient is finite at 0."""
    return (z.square().sum(-1) + 1e-8).sqrt().mean()


def pose_energy(prior: Prior, fidelity: float = 10.0) -> Callable[[Float[Tensor, "time 23 3 3"]], Float[Tensor, ""]]:
    """How unlikely body rotations are, summed over frames: for the fitting.

    Half the square of the latent's mean, and `fidelity` times the squared distance (Frobenius) between the rotations
    and what the prior makes of them: an encoder may call a pose that it has never seen ordinary, its decoder then
    gives another one back. A prior of fewer joints leaves the last ones free.
    """

    def energy(rotmat: Float[Tensor, "time 23 3 3"]) -> Float[Tensor, ""]:
        z = prior.encode(rotmat).mean
        again = prior.decode(z)
        lost = (again - rotmat[..., : again.shape[-3], :, :]).square().sum()
        return z.square().sum() / 2 + fidelity * lost

    return energy


def whole_body(rotmat: Float[Tensor, "*b joint 3 3"]) -> Float[Tensor, "*b 24 3 3"]:
    """All 24 rotations: the root unturned before the body's, the hands at rest if they are missing."""
    identity = torch.eye(3, dtype=rotmat.dtype, device=rotmat.device)
    whole = identity.repeat(*rotmat.shape[:-3], len(SMPL), 1, 1)
    whole[..., 1 : 1 + rotmat.shape[-3], :, :] = rotmat
    return whole


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
    """Of single poses, two layers there and two back (Pavlakos et al., CVPR 2019, section 3.3): MPoser's rival."""

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
    """The prior of a weights file (a path or a name), ready to run; raises FileNotFoundError, ValueError for others."""
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
