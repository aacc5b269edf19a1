"""Training of the generator, and of the discriminator with it: step, validate, save; goes on where it was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe.models.discriminator import motion_numbers
from vibe.models.generator import VIBE
from vibe.models.latent import prior_loss
from vibe.records import GeneratorOutput, Observation
from vibe.train.checkpoints import save_weights
from vibe.train.distributed import Team, batch_share, join_team, leave_team, mean_over_team
from vibe.train.gan_losses import contest, smoothed_target
from vibe.train.recipes import GeneratorRecipe, PaperRecipe, Recipe
from vibe.train.schedules import cosine, follow_schedule, set_rate
from vibe.train.state import Task, TrainState, gather_state
from vibe.train.task_features import paper_course
from vibe.train.task_keypoints import open_course
from vibe.train.trainer import (
    Pace,
    Progress,
    RunProtocol,
    check_finite,
    descend,
    finite_total,
    keep_running,
    seed_step,
    seeded_generator,
)

REAL = 1
"""The purpose of a step's random numbers that real motion and its targets are drawn from."""
COURSES: Mapping[type[GeneratorRecipe], Callable[[Any, Team], Task]] = {
    Recipe: open_course,
    PaperRecipe: paper_course,
}
"""What the recipes of each kind learn from."""


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
    team = join_team(device)
    course = COURSES[type(recipe)](recipe, team)
    players = gather_state(recipe, course.build, team.device)

    def take_step(step: int) -> dict[str, float]:
        batch = course.batch(seeded_generator(recipe.seed, step))
        seed_step(recipe.seed, step, team.rank)
        if recipe.schedule == "cosine":
            for name, top in (("network", recipe.rate), ("discriminator", recipe.adversarial.rate)):
                if name in players.optimisers:
                    set_rate(players.optimisers[name], cosine(top, step, recipe.steps, recipe.warmup))
        real = draw_real_motion(course, recipe, step, team) if players.discriminator is not None else None
        terms = learn(players, batch_share(batch, team), real, course, recipe, step)
        track_average(players.average, players.network, min(recipe.average, 1.0 if step > recipe.warmup else 0.9))
        return mean_over_team(terms, team)

    yield from keep_running(
        RunProtocol(
            folder=run,
            recipe=recipe,
            pace=Pace(recipe.steps, recipe.log_every, recipe.validate_every, recipe.save_every),
            parts=players.parts(),
            take_step=take_step,
            validate=lambda: validate(players.average, course, recipe, team.device),
            score=course.score,
            save_weights=lambda path, step: save_weights(path, recipe, step, players.average),
            after_validation=lambda score: follow_schedule(players.plateaus.values(), score),
            data=course.data,
        ),
        team,
        progress,
    )
    leave_team()


def learn(
    players: TrainState, batch: Any, real: RealMotion | None, course: Task, recipe: GeneratorRecipe, step: int
) -> dict[str, float]:
    """One step of the generator and, where there is one, of the discriminator, from the same windows; its losses."""
    terms = add_gradients(players, batch, real, course, recipe, step)
    descend(players.network, players.optimisers["network"], recipe.clip, step, batch)
    if players.discriminator is not None:
        descend(players.discriminator, players.optimisers["discriminator"], recipe.clip, step, batch)
    return dict(zip(terms, torch.stack(list(terms.values())).tolist(), strict=True))


def add_gradients(
    players: TrainState, batch: Any, real: RealMotion | None, course: Task, recipe: GeneratorRecipe, step: int
) -> dict[str, Float[Tensor, ""]]:
    """Add each network's gradients to its parameters'; returns the losses, which hold none.

    The generator's adversarial term and both of the discriminator's share one run of the discriminator and one way
    back: nobody's parameters move before all are computed.
    """
    made = predict(players.network.train(), batch.evidence, recipe.precision)
    terms = course.losses(made, batch)
    if players.prior is not None:
        terms["prior"] = recipe.prior.weight * prior_loss(players.prior.encode(made.rotmat[..., 1:, :, :]).mean)
    total = finite_total(terms, step, batch)
    roots, pulls = [total], [None]
    if players.discriminator is not None:
        assert real is not None
        fake = motion_numbers(made.rotmat, recipe.discriminator.form)
        told, pull = contest(players.discriminator.train(), real.motion, fake, recipe.adversarial.weight, real.target)
        check_finite(torch.stack(list(told.values())).sum(), "discriminator's loss", step, batch)
        terms, total = terms | told, total + told["adversarial"]
        roots, pulls = [*roots, fake], [*pulls, pull]
    torch.autograd.backward(roots, pulls)
    return {name: value.detach() for name, value in ({"loss": total} | terms).items()}


def draw_real_motion(course: Task, recipe: GeneratorRecipe, step: int, team: Team) -> RealMotion:
    """As many windows of motion capture as a batch has, and what the discriminator is to say of them (equation 3)."""
    seed = seeded_generator(recipe.seed, step, REAL)
    rotmat = course.motion(seed)
    target = smoothed_target(torch.ones(len(rotmat)), seed, recipe.adversarial.smoothing)
    return RealMotion(motion_numbers(batch_share(rotmat, team), recipe.discriminator.form), batch_share(target, team))


def predict(network: VIBE, evidence: Observation | Float[Tensor, "*b time feature"], precision: str) -> GeneratorOutput:
    """The network's answer in float32, on a graphics card computed in the recipe's precision."""
    device = next(network.parameters()).device.type
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda" and precision == "bfloat16"):
        theta = network(evidence)
    return GeneratorOutput(theta.rotmat.float(), theta.betas.float(), theta.pred_cam.float())


def track_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moving average of the parameters."""
    with torch.no_grad():
        for mine, its in zip(average.parameters(), network.parameters(), strict=True):
            mine.lerp_(its, 1 - decay)


@torch.no_grad()
def validate(network: VIBE, course: Task, recipe: GeneratorRecipe, device: torch.device) -> dict[str, float]:
    """The course's errors of a network."""
    alone = Team(device=device)
    return course.validate(lambda evidence: predict(network.eval(), batch_share(evidence, alone), recipe.precision))
