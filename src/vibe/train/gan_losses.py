"""What the generator and the motion discriminator learn from each other (the paper, section 3.2, equations 2 and 3)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

SMOOTHING = 0.1
"""Most that the target of a real motion falls short of 1 (appendix 6.1)."""
FAINT = 1e-12
"""The least gradient at a score; a fainter one could not be turned into the other side's."""


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


def contest(
    discriminator: nn.Module, real: Float[Tensor, "real time number"], fake: Float[Tensor, "batch frames number"],
    weight: float = 1.0, target: Float[Tensor, "real"] | None = None,
) -> tuple[dict[str, Float[Tensor, ""]], Float[Tensor, "batch frames number"]]:  # fmt: skip
    """Equations 2 and 3 in one run: adds D's gradients, returns the terms and the generator's gradient at `fake`.

    A motion's score is one number, so the two sides' gradients at the motion differ by a factor only: that of their
    gradients at the score. One way back from the scores, with D's, therefore serves both. As published, D's terms
    ("real" and "fake") have the weight too. `target` is what real motions are to score: 1, unless smoothed.
    """
    fake = fake.detach().requires_grad_()
    scores = discriminator(torch.cat([real, fake]))
    given = scores.detach().requires_grad_()
    score_real, score_fake = given.split([len(real), len(fake)])
    told = {"adversarial": loss_of_generator(score_fake)} | losses_of_discriminator(score_real, score_fake, target)
    told = {name: weight * term for name, term in told.items()}
    (its,) = torch.autograd.grad(told["real"] + told["fake"], given, retain_graph=True)
    (wanted,) = torch.autograd.grad(told["adversarial"], given)
    its = torch.where(its.abs() < FAINT, FAINT, its)
    scores.backward(its)
    assert fake.grad is not None
    pull = fake.grad * (wanted / its)[len(real) :, None, None]
    return {name: term.detach() for name, term in told.items()}, pull
