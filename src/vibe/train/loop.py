"""Training of the generator, and of the motion discriminator with it; goes on where it was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vibe.arrays import converted
from vibe.models.discriminator import motion_numbers
from vibe.models.generator import VIBE
from vibe.models.priors import prior_loss
from vibe.records import GeneratorOutput, Observation, Progress
from vibe.train.checkpoints import save_weights
from vibe.train.distributed import ProcessGroup, all_reduce_mean, join_process_group, shard_batch
from vibe.train.losses import temporal_losses
from vibe.train.recipes import AdversarialConfig, GeneratorRecipe, PaperRecipe, Recipe
from vibe.train.state import Task, TrainState, build_train_state
from vibe.train.task_features import features_task
from vibe.train.task_keypoints import keypoints_task
from vibe.train.trainer import (
    TrainerConfig,
    check_finite,
    cosine,
    descend,
    finite_total,
    seed_step,
    seeded_generator,
    set_rate,
    train_loop,
)

REAL, ORDER = 1, 2
"""Purposes of a step's random numbers: real motion with its targets, and the order of shuffled frames."""
TASKS: Mapping[type[GeneratorRecipe], Callable[[Any, ProcessGroup], Task]] = {
    Recipe: keypoints_task,
    PaperRecipe: features_task,
}
"""What the recipes of each kind learn from."""
LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squares": functional.mse_loss,
    "logistic": functional.binary_cross_entropy_with_logits,
}
"""Of scores and their targets."""
LEAST_GRADIENT = 1e-12
"""The least gradient at a score; a fainter one could not be turned into the other side's."""


@dataclass(frozen=True)
class RealMotion:
    """What the discriminator learns beside the generator's motion."""

    motion: Float[Tensor, "real time number"]
    target: Float[Tensor, "real"]
    """What it is to score, at most 1."""


def train_generator(
    recipe: GeneratorRecipe, run: Path, device: str = "cpu", progress: Progress | None = None
) -> Iterator[dict[str, float]]:
    """Train until the recipe's last step, yielding the records of the log; `run` ends up with `weights.safetensors`.

    A folder that holds a checkpoint of the same recipe is taken up where it stands, on one CPU to the same result.
    Under torchrun the processes share each batch, and the first of them writes. Raises NotANumber
    (a FloatingPointError) if the loss stops being a number, and ValueError if the folder is another recipe's.
    """
    group = join_process_group(device)
    task = TASKS[type(recipe)](recipe, group)
    state = build_train_state(recipe, task.build, group.device)
    tops = {"network": recipe.rate, "discriminator": recipe.adversarial.rate}

    def take_step(step: int) -> dict[str, float]:
        batch = task.batch(seeded_generator(recipe.seed, step), step / recipe.steps)
        seed_step(recipe.seed, step, group.rank)
        if recipe.schedule == "cosine":
            for name, optimiser in state.optimisers.items():
                set_rate(optimiser, cosine(tops[name], step, recipe.steps, recipe.warmup))
        real = None if state.discriminator is None else draw_real_motion(task, recipe, step, group)
        terms = train_step(state, shard_batch(batch, group), real, task, recipe, step)
        track_average(state.average, state.network, min(recipe.average, 1.0 if step > recipe.warmup else 0.9))
        return all_reduce_mean(terms, group)

    config = TrainerConfig(
        folder=run, recipe=recipe, parts=state.parts(), data=task.data, take_step=take_step,
        validate=lambda: validate(state.average, task, recipe, group.device), score=task.score,
        save_weights=lambda path, step: save_weights(path, recipe, step, state.average),
        plateaus=state.plateaus.values(),
    )  # fmt: skip
    yield from train_loop(config, group, progress)


def train_step(
    state: TrainState, batch: Any, real: RealMotion | None, task: Task, recipe: GeneratorRecipe, step: int
) -> dict[str, float]:
    """One step of the generator and, where there is one, of the discriminator, from the same windows; its losses.

    Nobody's parameters move before all gradients are computed. Raises NotANumber.
    """
    # Section 3.1: features of each frame, latent vectors of the motion, SMPL parameters and camera.
    features, latent, output = generate(state.network.train(), batch.evidence, recipe.precision)

    # Equation 1 without its last term: L_2D, L_3D and L_SMPL.
    terms = task.losses(output, batch)
    if state.prior is not None:
        # Table 2, G + MPoser: the length of the prior's z takes the discriminator's place.
        terms["prior"] = recipe.prior.weight * prior_loss(state.prior.encode(output.rotmat[..., 1:, :, :]).mean)
    if state.heads is not None:
        # What the paper compares with: shuffled order, past and future poses, hallucinated latent vectors.
        read = state.network.encoder, features, latent, output
        shifted, seed = partial(task.shifted_losses, batch), seeded_generator(recipe.seed, step, ORDER)
        terms |= temporal_losses(state.heads, *read, shifted, recipe.temporal, seed)
    total = finite_total(terms, step, batch)
    roots: list[Tensor] = [total]
    gradients: list[Tensor | None] = [None]

    if state.discriminator is not None:
        # Equations 2 and 3: one run of D_M on real and generated motion serves L_adv and D_M's own loss. Its gradients
        # are now at D_M's parameters, and the generator's, `pull`, at the motion that it made.
        assert real is not None
        fake = motion_numbers(output.rotmat, recipe.discriminator.form)
        adversarial, pull = discriminate(
            state.discriminator.train(), real.motion, fake, recipe.adversarial, real.target
        )
        check_finite(torch.stack(list(adversarial.values())).sum(), "discriminator's loss", step, batch)
        terms, total = terms | adversarial, total + adversarial["adversarial"]
        roots, gradients = [*roots, fake], [*gradients, pull]

    # Backward: from the losses, and from the generated motion with what D_M says of it.
    torch.autograd.backward(roots, gradients)

    # Section 4.2: one step of each network's Adam.
    descend(state.learners, state.optimisers["network"], recipe.clip, step, batch)
    if state.discriminator is not None:
        descend(state.discriminator, state.optimisers["discriminator"], recipe.clip, step, batch)
    return {name: float(term.detach()) for name, term in ({"loss": total} | terms).items()}


def generate(
    network: VIBE, evidence: Observation | Float[Tensor, "*b time feature"], precision: str
) -> tuple[Float[Tensor, "*b time feature"], Float[Tensor, "*b time feature"], GeneratorOutput]:
    """Features, latent vectors and output, computed in the recipe's precision, given in float32."""
    reduced = precision == "bfloat16"
    with torch.autocast(next(network.parameters()).device.type, torch.bfloat16, enabled=reduced):
        features = network.embedding(evidence)
        latent = network.encoder(features)
        made = network.regressor(latent)
    if reduced:
        features, latent, made = features.float(), latent.float(), converted(made, Tensor.float)
    return features, latent, made


def discriminate(
    discriminator: nn.Module, real: Float[Tensor, "real time number"], fake: Float[Tensor, "batch frames number"],
    config: AdversarialConfig, target: Float[Tensor, "real"] | None = None,
) -> tuple[dict[str, Float[Tensor, ""]], Float[Tensor, "batch frames number"]]:  # fmt: skip
    """Equations 2 and 3 in one run: adds D's gradients, returns the terms and the generator's gradient at `fake`.

    A motion's score is one number, so the two sides' gradients at the motion differ by a factor only: that of their
    gradients at the score. One way back from the scores, with D's, therefore serves both. As published, D's terms
    ("real" and "fake", and its "penalty") have the weight too. `target` is what real motions are to score: 1, unless
    smoothed.
    """
    fake = fake.detach().requires_grad_()
    penalty = {}
    if config.penalty:
        penalty["penalty"] = config.weight * real_gradient_penalty(discriminator, real, config.penalty)
        penalty["penalty"].backward()
    scores = discriminator(torch.cat([real, fake]))
    leaf = scores.detach().requires_grad_()
    score_real, score_fake = leaf.split([len(real), len(fake)])
    terms = {"adversarial": generator_loss(score_fake, config.loss)}
    terms |= discriminator_losses(score_real, score_fake, target, config.loss)
    terms = {name: config.weight * term for name, term in terms.items()}
    (gradient_d,) = torch.autograd.grad(terms["real"] + terms["fake"], leaf, retain_graph=True)
    (gradient_g,) = torch.autograd.grad(terms["adversarial"], leaf)
    gradient_d = torch.where(gradient_d.abs() < LEAST_GRADIENT, LEAST_GRADIENT, gradient_d)
    scores.backward(gradient_d)
    assert fake.grad is not None
    pull = fake.grad * (gradient_g / gradient_d)[len(real) :, None, None]
    return {name: term.detach() for name, term in (terms | penalty).items()}, pull


def real_gradient_penalty(
    discriminator: nn.Module, real: Float[Tensor, "real time number"], weight: float
) -> Float[Tensor, ""]:
    """R1 of Mescheder et al. 2018: half the squared length of the gradient of each real motion's score at the motion.

    Without cuDNN, which has no second derivative of a GRU.
    """
    real = real.detach().requires_grad_()
    with torch.backends.cudnn.flags(enabled=False):
        (slope,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
    return weight / 2 * slope.square().sum((-1, -2)).mean()


def generator_loss(score_fake: Float[Tensor, "*b"], kind: str = "squares") -> Float[Tensor, ""]:
    """Equation 2: mean squared distance of the scores of generated motions from 1, or another of the LOSSES."""
    return LOSSES[kind](score_fake, torch.ones_like(score_fake))


def discriminator_losses(
    score_real: Float[Tensor, "*real"], score_fake: Float[Tensor, "*fake"],
    target: Float[Tensor, "*real"] | None = None, kind: str = "squares",
) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
    """The two terms of equation 3: scores of real motions from 1, or their smoothed target, and of generated ones
    from 0; or another of the LOSSES."""
    wanted = torch.ones_like(score_real) if target is None else target
    return {
        "real": LOSSES[kind](score_real, wanted),
        "fake": LOSSES[kind](score_fake, torch.zeros_like(score_fake)),
    }


def smoothed_target(
    score_real: Float[Tensor, "*b"], generator: torch.Generator, most: float = 0.1
) -> Float[Tensor, "*b"]:
    """1 less a random number in [0, `most`), one for each real motion (appendix 6.1).

    The target of generated motions stays 0: smoothed too, it would reward D for scores that real motion has
    (Salimans et al. 2016, whom the paper cites, smooth the one side only).
    """
    drawn = torch.rand(score_real.shape, generator=generator, device=generator.device, dtype=score_real.dtype)
    return 1 - most * drawn.to(score_real.device)


def draw_real_motion(task: Task, recipe: GeneratorRecipe, step: int, group: ProcessGroup) -> RealMotion:
    """As many windows of motion capture as a batch has, and what the discriminator is to say of them (equation 3)."""
    seed = seeded_generator(recipe.seed, step, REAL)
    rotmat = task.motion(seed)
    target = smoothed_target(torch.ones(len(rotmat)), seed, recipe.adversarial.smoothing)
    return RealMotion(motion_numbers(shard_batch(rotmat, group), recipe.discriminator.form), shard_batch(target, group))


def track_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moving average of the parameters."""
    with torch.no_grad():
        for mine, theirs in zip(average.parameters(), network.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)


@torch.no_grad()
def validate(network: VIBE, task: Task, recipe: GeneratorRecipe, device: torch.device) -> dict[str, float]:
    """The task's errors of a network."""
    alone = ProcessGroup(device=device)
    return task.validate(lambda evidence: generate(network.eval(), shard_batch(evidence, alone), recipe.precision)[2])
