"""One step of the published training: generator and motion discriminator learn from one batch (sections 3.1 to 3.3).

Features are read, not pictures, and joints are found without vertices. The generator's adversarial term and both of the
discriminator's share one run of the discriminator and one way back: nobody's parameters move before all are computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe import cameras
from vibe.body.marks import joints_and_keypoints
from vibe.body.record import Body
from vibe.model.discriminator import MotionDiscriminator, motion_numbers
from vibe.model.vibe import VIBE
from vibe.train.adversarial import contest, smoothed_target
from vibe.train.official import PAPER, Annotation, LossWeights, Prediction, losses
from vibe.train.team import average_gradients


@dataclass(frozen=True)
class Batch:
    """What one step learns from."""

    evidence: Float[Tensor, "batch time feature"]
    """ResNet-50's features of each frame."""
    truth: Annotation
    real: Float[Tensor, "real time 24 3 3"]
    """Rotations of real motion; the root's are not looked at."""


@dataclass(frozen=True)
class Optimisers:
    """One for each network."""

    generator: torch.optim.Optimizer
    discriminator: torch.optim.Optimizer


def optimisers(generator: nn.Module, discriminator: nn.Module) -> Optimisers:
    """Adam with the published rates: 5e-5 for the generator, 1e-4 and a decay of 1e-4 for the discriminator."""
    return Optimisers(
        torch.optim.Adam(generator.parameters(), lr=5e-5, fused=True),
        torch.optim.Adam(discriminator.parameters(), lr=1e-4, weight_decay=1e-4, fused=True),
    )


def paper_step(
    generator: VIBE, discriminator: MotionDiscriminator, batch: Batch, body: Body, optimisers: Optimisers,
    weights: LossWeights = PAPER, smoothing: torch.Generator | None = None,
) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
    """One step of both networks; returns each term times its weight, "real" and "fake" being the discriminator's.

    Under torchrun the gradients are the team's mean. With a random generator the targets of real motion are smoothed.
    Raises FloatingPointError, before any parameter has moved, if a term is no number.
    """
    for optimiser in (optimisers.generator, optimisers.discriminator):
        optimiser.zero_grad(set_to_none=True)
    terms = add_gradients(generator, discriminator, batch, body, weights, smoothing)
    check(terms)
    for network, optimiser in ((generator, optimisers.generator), (discriminator, optimisers.discriminator)):
        average_gradients(network)
        optimiser.step()
    return terms


def check(terms: Mapping[str, Float[Tensor, ""]]) -> None:
    """Raise FloatingPointError with the names of the terms that are no finite numbers."""
    if not torch.stack(list(terms.values())).isfinite().all():
        found = ", ".join(f"{name} {float(term)}" for name, term in terms.items() if not term.isfinite())
        raise FloatingPointError(f"the loss is no number any more: {found}")


def add_gradients(
    generator: VIBE, discriminator: MotionDiscriminator, batch: Batch, body: Body, weights: LossWeights = PAPER,
    smoothing: torch.Generator | None = None,
) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
    """Add each network's gradients to its parameters'; returns the terms, which hold none."""
    predicted = predict(generator, body, batch.evidence)
    terms = losses(predicted, batch.truth, weights)
    fake = motion_numbers(predicted.theta.rotmat, discriminator.form)
    real = motion_numbers(batch.real, discriminator.form)
    target = None if smoothing is None else smoothed_target(real.new_ones(len(real)), smoothing)
    told, pull = contest(discriminator, real, fake, weights.adversarial, target)
    torch.autograd.backward([torch.stack(list(terms.values())).sum(), fake], [None, pull])
    return {name: term.detach() for name, term in terms.items()} | told


def predict(generator: VIBE, body: Body, evidence: Float[Tensor, "*b time feature"]) -> Prediction:
    """The generator's answer with the 49 joints and their places in the crop."""
    theta = generator(evidence)
    _, points = joints_and_keypoints(body, theta.rotmat, theta.betas, "spin49")
    return Prediction(theta, points, cameras.project_in_crop(points, theta.pred_cam))
