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
from vibe.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from vibe.skeletons import SMPL

BODY_JOINTS = len(SMPL) - 1
LATENT = 32
"""Numbers that stand for a body (the paper, section 3.2)."""
SURE = -5.0
"""Logarithm of the latent's variance before the first step: little noise, so that the linear code is heard."""


@dataclass(frozen=True)
class Latent:
    """A normal distribution with independent numbers."""

    mean: Float[Tensor, "*b number"]
    log_variance: Float[Tensor, "*b number"]


class Prior(nn.Module):
    """A VAE of body rotations; which frames it relates is a matter of its two halves, `encoder` and `decoder`.

    Both read and say rotations as `numbers` whose differences are distances of the body's surface: axis-angle about
    `center`, times `metric`. A linear code there and back stands beside the halves, which say what it misses.
    """

    encoder: nn.Module
    decoder: nn.Module
    center: Float[Tensor, "number"]
    metric: Float[Tensor, "number number"]
    inverse: Float[Tensor, "number number"]

    def __init__(self, joints: int, latent: int, width: int) -> None:
        super().__init__()
        self.joints, numbers = joints, 3 * joints
        self.register_buffer("center", torch.zeros(numbers))
        self.register_buffer("metric", torch.eye(numbers))
        self.register_buffer("inverse", torch.eye(numbers))
        self.code, self.uncode = nn.Linear(numbers, latent), nn.Linear(latent, numbers)
        self.mean, self.log_variance = nn.Linear(width, latent), nn.Linear(width, latent)
        self.rotations = nn.Linear(width, numbers)
        with torch.no_grad():
            for head in (self.mean, self.log_variance, self.rotations):
                head.weight.mul_(0.1)
                head.bias.zero_()
            self.log_variance.bias.fill_(SURE)

    def run(self, half: nn.Module, numbers: Float[Tensor, "*b number"]) -> Float[Tensor, "*b unit"]:
        """A half's states of each frame."""
        raise NotImplementedError

    def numbers(self, rotvec: Float[Tensor, "*b joint 3"]) -> Float[Tensor, "*b number"]:
        """Rotations as both halves see them; of the first joints alone if the prior has fewer."""
        assert self.joints <= rotvec.shape[-2] <= BODY_JOINTS, "the body's rotations, without the root's"
        return (rotvec[..., : self.joints, :].flatten(-2) - self.center) @ self.metric

    def latent(self, numbers: Float[Tensor, "*b number"]) -> Latent:
        """The latent of each frame."""
        states = self.run(self.encoder, numbers)
        return Latent((self.code(numbers) + self.mean(states)).float(), self.log_variance(states).float())

    def made(self, z: Float[Tensor, "*b latent"]) -> Float[Tensor, "*b number"]:
        """What comes back of a latent, as numbers."""
        return (self.uncode(z) + self.rotations(self.run(self.decoder, z))).float()

    def encode(self, rotmat: Float[Tensor, "*b joint 3 3"]) -> Latent:
        """The latent of each frame, of the body's 23 rotations or the first of them, `joints` at least."""
        return self.latent(self.numbers(rotvec_from_rotmat(rotmat)))

    def decode(self, z: Float[Tensor, "*b latent"]) -> Float[Tensor, "*b joint 3 3"]:
        """The body rotations of each frame."""
        return rotmat_from_rotvec((self.made(z) @ self.inverse + self.center).unflatten(-1, (self.joints, 3)))

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
        super().__init__(config.joints, config.latent, config.hidden * (2 if config.bidirectional else 1))
        sizes = {"num_layers": config.layers, "batch_first": True, "bidirectional": config.bidirectional}
        self.encoder = nn.GRU(3 * config.joints, config.hidden, **sizes)
        self.decoder = nn.GRU(config.latent, config.hidden, **sizes)

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
        super().__init__(config.joints, config.latent, config.hidden)
        self.encoder, self.decoder = (
            nn.Sequential(
                nn.Linear(read, config.hidden), nn.LeakyReLU(0.2), nn.Dropout(config.dropout),
                nn.Linear(config.hidden, config.hidden), nn.LeakyReLU(0.2),
            )
            for read in (3 * config.joints, config.latent)
        )  # fmt: skip

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
