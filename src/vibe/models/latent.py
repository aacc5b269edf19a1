"""What the learnt priors share: a latent of a body, the way there and back, and how unlikely a motion is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe.rotations import rotmat_from_6d, rotmat_to_6d
from vibe.skeletons import SMPL

BODY_JOINTS = len(SMPL) - 1
LATENT = 32
"""Numbers that stand for a body (the paper, section 3.2)."""


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
