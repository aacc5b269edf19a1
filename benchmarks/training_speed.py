"""One training step of the published sizes, ours over the plain way, and where the time goes.

    python benchmarks/training_speed.py [--threads 1 2] [--table FILE]

32 windows of 16 frames, random features, targets and weights; generator (GRU 2x1024, 2048 features), 49 joints of a
body of 6,890 vertices, discriminator (GRU 2x1024, three layers of attention). The plain way skins all vertices,
regresses the joints from them, runs the regressor's three iterations on features and state side by side, and the
discriminator three times, with torch's own GRU; both take Adam's steps. They are compared first, without dropout.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from vibe.model.discriminator import RELEASED as PUBLISHED
from vibe.model.discriminator import MotionDiscriminator, motion_numbers
from vibe.model.encoder import EncoderConfig, GRUEncoder
from vibe.model.regressor import Regressor, RegressorConfig
from vibe.model.vibe import VIBE
from vibe.records import Theta
from vibe.rotations import rotmat_from_6d
from vibe.train import paper
from vibe.train.adversarial import contest, loss_of_generator, losses_of_discriminator
from vibe.train.official import RELEASED, Annotation, Prediction, losses

BATCH, FRAMES, FEATURES = 32, 16, 2048
ROUNDS = 5


@dataclass(frozen=True)
class Options:
    threads: tuple[int, ...] = (1, 2)
    """A column of times each."""
    table: Path | None = None


@dataclass(frozen=True)
class Pair:
    """Both networks and what trains them."""

    generator: VIBE
    discriminator: MotionDiscriminator
    optimisers: paper.Optimisers


def networks(dropout: bool) -> tuple[VIBE, MotionDiscriminator]:
    torch.manual_seed(0)
    generator = VIBE(nn.Identity(), GRUEncoder(EncoderConfig()), Regressor(RegressorConfig()))
    return generator.train(dropout), MotionDiscriminator(PUBLISHED).train(dropout)


def batch() -> paper.Batch:
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
    return paper.Batch(torch.randn(BATCH, FRAMES, FEATURES), truth, roma.rotvec_to_rotmat(turns[1]))


def plain_prediction(generator: VIBE, arrays: textbook.Arrays, features: Tensor) -> Prediction:
    """By full iterations, vertices, and joints regressed from them."""
    latent = generator.encoder(features).flatten(0, 1)
    pose, betas, camera = textbook.regress(generator.regressor, latent).split([144, 10, 3], 1)
    rotmat = rotmat_from_6d(pose.unflatten(-1, (24, 6)))
    points = textbook.points49(arrays, *textbook.skinned(arrays, rotmat, betas))
    rotmat, betas, camera, points = (each.unflatten(0, (BATCH, FRAMES)) for each in (rotmat, betas, camera, points))
    return Prediction(Theta(rotmat, betas, camera), points, cameras.project_in_crop(points, camera))


def plain_step(pair: Pair, arrays: textbook.Arrays, batch: paper.Batch) -> dict[str, Tensor]:
    """All terms are computed, then each network steps in turn, as in the published program."""
    discriminator, weight = pair.discriminator, RELEASED.adversarial
    predicted = plain_prediction(pair.generator, arrays, batch.evidence)
    terms = losses(predicted, batch.truth, RELEASED)
    fake, real = motion_numbers(predicted.theta.rotmat), motion_numbers(batch.real)
    terms["adversarial"] = weight * loss_of_generator(discriminator(fake))
    told = losses_of_discriminator(discriminator(real), discriminator(fake.detach()))
    told = {name: weight * term for name, term in told.items()}
    pair.optimisers.generator.zero_grad()
    torch.stack(list(terms.values())).sum().backward()
    pair.optimisers.generator.step()
    pair.optimisers.discriminator.zero_grad()
    (told["real"] + told["fake"]).backward()
    pair.optimisers.discriminator.step()
    return {name: term.detach() for name, term in (terms | told).items()}


def step(pair: Pair, body: Body, batch: paper.Batch) -> dict[str, Tensor]:
    return paper.paper_step(pair.generator, pair.discriminator, batch, body, pair.optimisers, RELEASED)


def plain_pair(dropout: bool) -> Pair:
    """With torch's own GRUs and Adam as they come."""
    generator, discriminator = networks(dropout)
    for network in (generator.encoder, discriminator):
        ours = network.get_submodule("gru")
        assert isinstance(ours, nn.GRU)
        plain = nn.GRU(ours.input_size, ours.hidden_size, ours.num_layers, batch_first=True)
        plain.load_state_dict(ours.state_dict())
        network.register_module("gru", plain)
    adam = torch.optim.Adam(generator.parameters(), lr=5e-5)
    return Pair(
        generator, discriminator,
        paper.Optimisers(adam, torch.optim.Adam(discriminator.parameters(), lr=1e-4, weight_decay=1e-4)),
    )  # fmt: skip


def our_pair(dropout: bool) -> Pair:
    generator, discriminator = networks(dropout)
    return Pair(generator, discriminator, paper.optimisers(generator, discriminator))


def apart(arrays: textbook.Arrays, body: Body, given: paper.Batch) -> float:
    """The largest relative difference of a term, or of a network's whole gradient, between the two ways."""
    ours, plain = our_pair(False), plain_pair(False)
    found, wanted = step(ours, body, given), plain_step(plain, arrays, given)
    pairs = [(found[name], wanted[name]) for name in wanted]
    pairs.append((gradient(ours.generator), gradient(plain.generator)))
    pairs.append((gradient(ours.discriminator), gradient(plain.discriminator)))
    return max(float((mine - its).norm() / its.norm()) for mine, its in pairs)


def gradient(network: nn.Module) -> Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])


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


def parts(arrays: textbook.Arrays, body: Body, given: paper.Batch) -> dict[str, Callable[[], object]]:
    """Both ways, and what they are made of."""
    ours, plain = our_pair(True), plain_pair(True)
    real = motion_numbers(given.real)

    def both(prediction: Callable[[], Prediction]) -> Callable[[], object]:
        return lambda: torch.stack(list(losses(prediction(), given.truth).values())).sum().backward()

    def three_runs() -> None:
        fake = real.clone().requires_grad_()
        loss_of_generator(plain.discriminator(fake)).backward()
        told = losses_of_discriminator(plain.discriminator(real), plain.discriminator(fake.detach()))
        (told["real"] + told["fake"]).backward()

    return {
        "plain way": lambda: plain_step(plain, arrays, given),
        "ours": lambda: step(ours, body, given),
        "generator and losses, plain way": both(lambda: plain_prediction(plain.generator, arrays, given.evidence)),
        "generator and losses, ours": both(lambda: paper.predict(ours.generator, body, given.evidence)),
        "discriminator, three runs": three_runs,
        "discriminator, ours": lambda: contest(ours.discriminator, real, real, RELEASED.adversarial),
        "Adam's steps, plain way": lambda: (plain.optimisers.generator.step(), plain.optimisers.discriminator.step()),
        "Adam's steps, ours": lambda: (ours.optimisers.generator.step(), ours.optimisers.discriminator.step()),
    }


def main(options: Options) -> None:
    arrays, body = body_speed.random_body()
    given = batch()
    error = apart(arrays, body, given)
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
