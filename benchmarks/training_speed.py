"""One training step of the published sizes, ours over the plain way, and where the time goes.

    python benchmarks/training_speed.py [--threads 1 2] [--table FILE]

32 windows of 16 frames, random features, targets and weights; generator (GRU 2x1024, 2048 features), 49 joints of a
body of 6,890 vertices, discriminator (GRU 2x1024, three layers of attention). The plain way skins all vertices,
regresses the joints from them, runs the regressor's three iterations on features and state side by side, and the
discriminator three times; both take Adam's steps. They are compared first, without dropout.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import body_speed
import report
import roma
import textbook
import torch
import tyro
from torch import Tensor, nn

from vibe import cameras
from vibe.body.record import Body
from vibe.data.windows import Annotation, ClipBatch
from vibe.models.discriminator import MotionDiscriminator, motion_numbers
from vibe.models.encoders import build_encoder
from vibe.models.generator import VIBE
from vibe.models.regressor import Regressor
from vibe.records import GeneratorOutput
from vibe.rotations import rotmat_from_6d
from vibe.train.loop import RealMotion, discriminate, discriminator_losses, generator_loss, train_step
from vibe.train.losses import PredictedClips, feature_losses
from vibe.train.recipes import RELEASED_RECIPE, PaperRecipe
from vibe.train.state import Task, TrainState, build_train_state
from vibe.train.task_features import project_output

BATCH, FRAMES, FEATURES = 32, 16, 2048
ROUNDS = 5
CPU = torch.device("cpu")
WEIGHT = RELEASED_RECIPE.adversarial.weight


@dataclass(frozen=True)
class Options:
    threads: tuple[int, ...] = (1, 2)
    """A column of times each."""
    table: Path | None = None


@dataclass(frozen=True)
class Lesson:
    """What one step learns from."""

    clips: ClipBatch
    real: RealMotion
    course: Task


def recipe(dropout: bool) -> PaperRecipe:
    if dropout:
        return RELEASED_RECIPE
    regressor, discriminator = (
        replace(each, dropout=0.0) for each in (RELEASED_RECIPE.regressor, RELEASED_RECIPE.discriminator)
    )
    return replace(RELEASED_RECIPE, regressor=regressor, discriminator=discriminator)


def our_players(dropout: bool, device: torch.device = CPU) -> TrainState:
    chosen = recipe(dropout)
    build = partial(VIBE, nn.Identity(), build_encoder(chosen.encoder), Regressor(chosen.regressor))
    return build_train_state(chosen, build, device)


def lesson(body: Body) -> Lesson:
    torch.manual_seed(1)
    everywhere = torch.ones(BATCH, FRAMES, dtype=torch.bool)
    turns = 0.4 * torch.randn(2, BATCH, FRAMES, 24, 3)
    truth = Annotation(
        keypoints_2d=torch.rand(BATCH, FRAMES, 49, 3),
        points=torch.randn(BATCH, FRAMES, 49, 3),
        rotmat=roma.rotvec_to_rotmat(turns[0]),
        betas=torch.randn(BATCH, FRAMES, 10),
        has_points=everywhere,
        has_theta=everywhere,
    )
    clips, rotmat = ClipBatch(torch.randn(BATCH, FRAMES, FEATURES), truth), roma.rotvec_to_rotmat(turns[1])
    course = Task(
        build=lambda: our_players(True).network, batch=lambda *_: clips, motion=lambda _: rotmat,
        losses=lambda made, its: feature_losses(project_output(made, body), its.truth), shifted_losses=lambda *_: {},
        validate=lambda _: {}, score="", data={},
    )  # fmt: skip
    return Lesson(clips, RealMotion(motion_numbers(rotmat), torch.ones(BATCH)), course)


def plain_prediction(generator: VIBE, arrays: textbook.Arrays, features: Tensor) -> PredictedClips:
    """By full iterations, vertices, and joints regressed from them."""
    latent = generator.encoder(features).flatten(0, 1)
    pose, betas, camera = textbook.regress(generator.regressor, latent).split([144, 10, 3], 1)
    rotmat = rotmat_from_6d(pose.unflatten(-1, (24, 6)))
    points = textbook.points49(arrays, *textbook.skinned(arrays, rotmat, betas))
    rotmat, betas, camera, points = (each.unflatten(0, (BATCH, FRAMES)) for each in (rotmat, betas, camera, points))
    return PredictedClips(GeneratorOutput(rotmat, betas, camera), points, cameras.project_in_crop(points, camera))


def plain_step(players: TrainState, arrays: textbook.Arrays, given: Lesson) -> dict[str, Tensor]:
    """All terms are computed, then each network steps in turn, as in the published program."""
    discriminator = judge(players)
    predicted = plain_prediction(players.network, arrays, given.clips.evidence)
    terms = feature_losses(predicted, given.clips.truth)
    fake, real = motion_numbers(predicted.theta.rotmat), given.real.motion
    terms["adversarial"] = WEIGHT * generator_loss(discriminator(fake))
    told = discriminator_losses(discriminator(real), discriminator(fake.detach()))
    told = {name: WEIGHT * term for name, term in told.items()}
    players.optimisers["network"].zero_grad()
    torch.stack(list(terms.values())).sum().backward()
    players.optimisers["network"].step()
    players.optimisers["discriminator"].zero_grad()
    (told["real"] + told["fake"]).backward()
    players.optimisers["discriminator"].step()
    return {name: term.detach() for name, term in (terms | told).items()}


def judge(players: TrainState) -> MotionDiscriminator:
    assert players.discriminator is not None
    return players.discriminator


def plain_players(dropout: bool) -> TrainState:
    """With Adam as it comes."""
    players = our_players(dropout)
    optimisers = {
        "network": torch.optim.Adam(players.network.parameters(), lr=5e-5),
        "discriminator": torch.optim.Adam(judge(players).parameters(), lr=1e-4, weight_decay=1e-4),
    }
    return replace(players, optimisers=optimisers)


def apart(arrays: textbook.Arrays, given: Lesson) -> float:
    """The largest relative difference of a term, or of a network's whole gradient, between the two ways."""
    ours, plain = our_players(False), plain_players(False)
    plain.network.load_state_dict(ours.network.state_dict())
    judge(plain).load_state_dict(judge(ours).state_dict())
    gradients: dict[str, Tensor] = {}
    for name, optimiser in ours.optimisers.items():
        optimiser.register_step_pre_hook(lambda it, *_, name=name: gradients.update({name: gradient(it)}))
    found = train_step(ours, given.clips, given.real, given.course, recipe(False), 0)
    wanted = plain_step(plain, arrays, given)
    pairs = [(torch.tensor(found[name]), wanted[name]) for name in wanted]
    pairs += [(gradients[name], gradient(optimiser)) for name, optimiser in plain.optimisers.items()]
    return max(float((mine - its).norm() / its.norm()) for mine, its in pairs)


def gradient(optimiser: torch.optim.Optimizer) -> Tensor:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    return torch.cat([parameter.grad.flatten() for parameter in parameters if parameter.grad is not None])


def best_ms(ways: Mapping[str, Callable[[], object]], threads: int) -> dict[str, tuple[float, float]]:
    """The shortest time of each way, and of the processor, in milliseconds; the ways take turns."""
    torch.set_num_threads(threads)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            began, worked = time.perf_counter(), time.process_time()
            way()
            times[name].append((1000 * (time.perf_counter() - began), 1000 * (time.process_time() - worked)))
    return {name: (min(t for t, _ in found[1:]), min(t for _, t in found[1:])) for name, found in times.items()}


def parts(arrays: textbook.Arrays, body: Body, given: Lesson) -> dict[str, Callable[[], object]]:
    """Both ways, and what they are made of."""
    ours, plain, real = our_players(True), plain_players(True), given.real.motion

    def both(prediction: Callable[[], PredictedClips]) -> Callable[[], object]:
        return lambda: torch.stack(list(feature_losses(prediction(), given.clips.truth).values())).sum().backward()

    def three_runs() -> None:
        fake = real.clone().requires_grad_()
        generator_loss(judge(plain)(fake)).backward()
        told = discriminator_losses(judge(plain)(real), judge(plain)(fake.detach()))
        (told["real"] + told["fake"]).backward()

    evidence = given.clips.evidence
    return {
        "plain way": lambda: plain_step(plain, arrays, given),
        "ours": lambda: train_step(ours, given.clips, given.real, given.course, RELEASED_RECIPE, 0),
        "generator and losses, plain way": both(lambda: plain_prediction(plain.network, arrays, evidence)),
        "generator and losses, ours": both(lambda: project_output(ours.network(evidence), body)),
        "discriminator, three runs": three_runs,
        "discriminator, ours": lambda: discriminate(judge(ours), real, real, WEIGHT),
        "Adam's steps, plain way": lambda: [each.step() for each in plain.optimisers.values()],
        "Adam's steps, ours": lambda: [each.step() for each in ours.optimisers.values()],
    }


def main(options: Options) -> None:
    arrays, body = body_speed.random_body()
    given = lesson(body)
    error = apart(arrays, given)
    ways = parts(arrays, body, given)
    found = [best_ms(ways, threads) for threads in options.threads]
    rows: list[list[object]] = [[name, *(t for column in found for t in column[name])] for name in ways]
    ratios = [f"{column['plain way'][clock] / column['ours'][clock]:.2f} times" for column in found for clock in (0, 1)]
    rows.insert(2, ["plain way over ours", *ratios])
    heads = [f"{clock}, {n} thread{'s' * (n > 1)}" for n in options.threads for clock in ("ms", "of the processor")]
    report.table(
        f"One training step of the published sizes, {BATCH} windows of {FRAMES} frames",
        ["what", *heads],
        rows,
        f"Best of {ROUNDS - 1} rounds; terms and gradients of the two ways agree to {error:.0e} (relative, float32)",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
