"""What the learnt priors share: a latent of a body, what comes back from it, and how unlikely it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.skeletons import SMPL

LATENT = 32
"""Numbers that stand for a body (the paper, section 3.2)."""
AT_REST_6D = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
"""No rotation: where a decoder begins."""


@dataclass(frozen=True)
class Latent:
    """A normal distribution with independent numbers."""

    mean: Float[Tensor, "*b number"]
    log_variance: Float[Tensor, "*b number"]


@dataclass(frozen=True)
class Reconstruction:
    """What a prior makes of a motion."""

    rotmat: Float[Tensor, "*b joint 3 3"]
    """The body rotations that the decoder gives."""
    latent: Latent
    z: Float[Tensor, "*b number"]
    """What the decoder read: the latent's mean, or a sample."""


@runtime_checkable
class Prior(Protocol):
    """MPoser and VPoser, as their users see them."""

    def encode(self, rotmat: Float[Tensor, "*b joint 3 3"]) -> Latent:
        """The latent of each frame."""
        ...

    def decode(self, z: Float[Tensor, "*b number"]) -> Float[Tensor, "*b joint 3 3"]:
        """The body rotations of each frame."""
        ...


def sample(latent: Latent, generator: torch.Generator) -> Float[Tensor, "*b number"]:
    """One draw from the latent, differentiable in its mean and variance."""
    mean = latent.mean
    noise = torch.randn(mean.shape, generator=generator, device=generator.device, dtype=mean.dtype).to(mean.device)
    return mean + noise * (latent.log_variance / 2).exp()


def reconstruct(
    prior: Prior, rotmat: Float[Tensor, "*b joint 3 3"], generator: torch.Generator | None
) -> Reconstruction:
    """There and back, by the latent's mean, or with a random generator by a sample."""
    latent = prior.encode(rotmat)
    z = latent.mean if generator is None else sample(latent, generator)
    return Reconstruction(prior.decode(z), latent, z)


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


def body_rotations(rotmat: Float[Tensor, "*b given 3 3"], joints: int) -> Float[Tensor, "*b {joints} 3 3"]:
    """The first `joints` of the body's 23 rotations; more may be given, up to 23, fewer raise ValueError."""
    given = rotmat.shape[-3]
    if not joints <= given < len(SMPL):
        raise ValueError(
            f"got {given} rotations a frame, the prior reads {joints}: give the body's 23, without the root's"
        )
    return rotmat[..., :joints, :, :]


def whole_body(rotmat: Float[Tensor, "*b joint 3 3"]) -> Float[Tensor, "*b 24 3 3"]:
    """All 24 rotations: the root unturned before the body's, the hands at rest if they are missing."""
    missing = len(SMPL) - 1 - rotmat.shape[-3]
    identity = torch.eye(3, dtype=rotmat.dtype, device=rotmat.device)
    root = identity.expand(*rotmat.shape[:-3], 1, 3, 3)
    return torch.cat([root, rotmat, identity.expand(*rotmat.shape[:-3], missing, 3, 3)], -3)
