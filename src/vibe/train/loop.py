"""Training of the generator, and of the discriminator with it: step, validate, save; goes on where it was killed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.data.motion import Motions, clip_weights, draw_windows, find_motion, load_motions
from vibe.evaluate.metrics import acceleration_error_mm, mpjpe_mm, pa_mpjpe_mm
from vibe.model.discriminator import motion_numbers
from vibe.model.latent import prior_loss
from vibe.model.vibe import VIBE
from vibe.records import Observation, Theta
from vibe.train.adversarial import contest, smoothed_target
from vibe.train.checkpoints import checksum, save_weights
from vibe.train.labels import fitted
from vibe.train.losses import losses
from vibe.train.players import Players, begun_from, gather
from vibe.train.recipes import Recipe
from vibe.train.running import (
    Pace,
    Progress,
    Run,
    check_finite,
    descend,
    finite_total,
    generator,
    keep_running,
    seed_step,
)
from vibe.train.schedules import cosine, follow, set_rate
from vibe.train.synthesis import Example, body_points, synthesise
from vibe.train.team import Team, join_team, leave_team, mean_over_team, share

SCORE = "noisy_pa_mpjpe_mm"
"""The error that decides which weights are the best, and that a plateau is told by."""
REAL = 1
"""The purpose of a step's random numbers that real motion and its targets are drawn from."""


@dataclass(frozen=True)
class Source:
    """What batches are made of."""

    motions: Motions
    weights: Float[Tensor, "clip"]
    """How often each clip is drawn."""
    body: Body
    """On the CPU, where batches are made."""


@dataclass(frozen=True)
class RealMotion:
    """What the discriminator learns beside the generator's motion."""

    motion: Float[Tensor, "real time number"]
    target: Float[Tensor, "real"]
    """What it is to score, at most 1."""


def train(
    recipe: Recipe, run: Path, device: str = "cpu", progress: Progress | None = None
) -> Iterator[dict[str, float]]:
    """Train until the recipe's last step, yielding the records of the log; `run` ends up with `weights.safetensors`.

    A folder that holds a checkpoint of the same recipe is taken up where it stands, on one CPU to the same result.
    Under torchrun the processes share each batch, and the first of them writes. Raises NotANumber
    (a FloatingPointError) if the loss stops being a number, and ValueError if the folder is another recipe's.
    """
    team = join_team(device)
    paths = [find_motion(name) for name in recipe.motion]
    motions, body = load_motions(paths, held_out=False), load_body()
    source, held_out = Source(motions, clip_weights(motions), body), load_motions(paths[:1], held_out=True)
    players, body = gather(recipe, motions, team.device), body.to(team.device)

    def take_step(step: int) -> dict[str, float]:
        batch = synthesise(source.motions, source.weights, source.body, recipe.synthesis, generator(recipe.seed, step))
        seed_step(recipe.seed, step, team.rank)
        if recipe.schedule == "cosine":
            for name, top in (("network", recipe.rate), ("discriminator", recipe.adversarial.rate)):
                if name in players.optimisers:
                    set_rate(players.optimisers[name], cosine(top, step, recipe.steps, recipe.warmup))
        real = real_motion(source, recipe, step, team) if players.discriminator is not None else None
        terms = learn(players, share(batch, team), real, body, recipe, step)
        track_average(players.average, players.network, min(recipe.average, 1.0 if step > recipe.warmup else 0.9))
        return mean_over_team(terms, team)

    yield from keep_running(
        Run(
            folder=run,
            recipe=recipe,
            pace=Pace(recipe.steps, recipe.log_every, recipe.validate_every, recipe.save_every),
            parts=players.parts(),
            take_step=take_step,
            validate=lambda: validate(players.average, recipe, source.body, held_out, team.device),
            score=SCORE,
            save_weights=lambda path, step: save_weights(path, recipe, step, players.average),
            after_validation=lambda score: follow(players.plateaus.values(), score),
            data=checksum({path.name: path for path in paths} | begun_from(recipe)),
        ),
        team,
        progress,
    )
    leave_team()


def learn(
    players: Players, batch: Example, real: RealMotion | None, body: Body, recipe: Recipe, step: int
) -> dict[str, float]:
    """One step of the generator and, where there is one, of the discriminator, from the same windows; its losses."""
    network = players.network.train()
    made = predict(network, batch.observation, recipe.precision)
    if recipe.labels.fit:
        batch = fitted(made, batch, body, recipe.labels)
    terms = losses(made, batch, body, recipe.losses)
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
    descend(network, players.optimisers["network"], recipe.clip, step, batch)
    if players.discriminator is not None:
        descend(players.discriminator, players.optimisers["discriminator"], recipe.clip, step, batch)
    return {name: float(value.detach()) for name, value in ({"loss": total} | terms).items()}


def real_motion(source: Source, recipe: Recipe, step: int, team: Team) -> RealMotion:
    """As many windows of motion capture as a batch has, and what the discriminator is to say of them (equation 3)."""
    seed, config = generator(recipe.seed, step, REAL), recipe.synthesis
    quaternions, _ = draw_windows(source.motions, source.weights, config.batch, config.frames, config.fastest, seed)
    target = smoothed_target(torch.ones(config.batch), seed, recipe.adversarial.smoothing)
    rotmat = share(roma.unitquat_to_rotmat(quaternions), team)
    return RealMotion(motion_numbers(rotmat, recipe.discriminator.form), share(target, team))


def predict(network: VIBE, observation: Observation, precision: str) -> Theta:
    """The network's answer in float32, on a graphics card computed in the recipe's precision."""
    device = observation.keypoints.device.type
    with torch.autocast(device, torch.bfloat16, enabled=device == "cuda" and precision == "bfloat16"):
        theta = network(observation)
    return Theta(theta.rotmat.float(), theta.betas.float(), theta.pred_cam.float())


def track_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moving average of the parameters."""
    with torch.no_grad():
        for mine, its in zip(average.parameters(), network.parameters(), strict=True):
            mine.lerp_(its, 1 - decay)


@torch.no_grad()
def validate(network: VIBE, recipe: Recipe, body: Body, held_out: Motions, device: torch.device) -> dict[str, float]:
    """Errors on held-out subjects, always the same windows: detections imitated ("noisy") and true ("clean")."""
    network.eval()
    weights = clip_weights(held_out)
    plain = replace(recipe.synthesis.poses, limb=0.0, wobble=0.0, tumble=0.0)
    config = replace(recipe.synthesis, batch=128, fastest=1.0, poses=plain)
    results = {}
    for name, noisy in (("noisy", True), ("clean", False)):
        batch = synthesise(held_out, weights, body, config, generator(12345, 0), noisy)
        theta = predict(network, share(batch.observation, Team(device=device)), recipe.precision)
        points = body_points(body, theta.rotmat.cpu(), theta.betas.cpu())
        predicted, truth = points[..., :24, :], batch.points[..., :24, :]
        results |= {
            f"{name}_pa_mpjpe_mm": float(pa_mpjpe_mm(predicted, truth).mean()),
            f"{name}_mpjpe_mm": float(mpjpe_mm(predicted, truth).mean()),
            f"{name}_acceleration_error_mm": float(acceleration_error_mm(predicted, truth).mean()),
        }
    return results
