"""What the generator and the motion discriminator learn from each other (the paper, section 3.2, equations 2 and 3)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

SMOOTHING = 0.1
"""Most that the target of a real motion falls short of 1 (appendix 6.1)."""


def loss_of_generator(score_fake: Float[Tensor, "*b"]) -> Float[Tensor, ""]:
    """Equation 2: mean squared distance of the scores of generated motions from 1."""
    return (score_fake - 1).square().mean()


def losses_of_discriminator(
    score_real: Float[Tensor, "*real"], score_fake: Float[Tensor, "*fake"],
    target: Float[Tensor, "*real"] | None = None,
) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
    """The two terms of equation 3: scores of real motions from 1, or their smoothed target, and of generated ones
    from 0."""
    wanted = torch.ones_like(score_real) if target is None else target
    return {"real": (score_real - wanted).square().mean(), "fake": score_fake.square().mean()}


def smoothed_target(
    score_real: Float[Tensor, "*b"], generator: torch.Generator, most: float = SMOOTHING
) -> Float[Tensor, "*b"]:
    """1 less a random number in [0, `most`), one for each real motion.

    The target of generated motions stays 0: smoothed too, it would reward D for scores that real motion has
    (Salimans et al. 2016, whom the paper cites, smooth the one side only).
    """
    drawn = torch.rand(score_real.shape, generator=generator, device=generator.device, dtype=score_real.dtype)
    return 1 - most * drawn.to(score_real.device)


def generator_term(discriminator: nn.Module, fake: Float[Tensor, "*b time number"], weight: float) -> Float[Tensor, ""]:
    """The generator's adversarial loss; its gradient goes through D into the motion, and none stays in D."""
    with _still(discriminator):
        return weight * loss_of_generator(discriminator(fake))


def discriminator_terms(
    discriminator: nn.Module, real: Float[Tensor, "*real time number"], fake: Float[Tensor, "*fake frames number"],
    weight: float = 1.0, smoothing: torch.Generator | None = None,
) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
    """D's losses, each times its weight; the generated motion is taken as given, so no gradient reaches the generator.

    With a random generator the targets of real motions are smoothed by numbers drawn from it.
    """
    score_real, score_fake = discriminator(real), discriminator(fake.detach())
    target = None if smoothing is None else smoothed_target(score_real, smoothing)
    return {name: weight * term for name, term in losses_of_discriminator(score_real, score_fake, target).items()}


@contextmanager
def _still(network: nn.Module) -> Iterator[None]:
    """What is computed within gives the parameters no gradient."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
