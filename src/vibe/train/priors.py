"""Training of the learnt priors, MPoser and VPoser, on motion capture (the paper, sections 3.2 and 6.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal, cast

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body import joints, load_body, vertices
from vibe.body.pose import mirror_quaternions
from vibe.body.record import Body
from vibe.data.motion import Motions, clip_weights, draw_windows, find_motion, load_motions
from vibe.evaluate.metrics import mpjpe_mm
from vibe.models.priors import KINDS, Latent, MPoser, MPoserConfig, VPoser, VPoserConfig, whole_body
from vibe.records import Progress
from vibe.train.checkpoints import data_checksum, save_weights
from vibe.train.distributed import ProcessGroup, join_process_group, leave_process_group, shard_batch
from vibe.train.recipes import ACKNOWLEDGEMENT
from vibe.train.trainer import TrainerConfig, descend, finite_total, seed_step, seeded_generator, set_rate, train_loop

BodyPoints = Callable[[Tensor], Tensor]
"""From body rotations [*b, joint, 3, 3] to points [*b, point, 3], metres."""


@dataclass(frozen=True)
class VAEWeights:
    """Weight of each term."""

    rotations: float = 1.0
    """Squared distance of the matrices (Frobenius), summed over the joints."""
    distances: float = 0.0
    """The distance itself, likewise: small errors count more than by their squares."""
    points: float = 0.0
    """Mean distance of the points of `vae_points`, metres."""
    kl: float = 0.005
    """Divergence of the latent from the standard normal."""


def kl_divergence(latent: Latent) -> Float[Tensor, "*b"]:
    """Of each latent from the standard normal, in nats."""
    variance = latent.log_variance.exp()
    return (variance + latent.mean.square() - 1 - latent.log_variance).sum(-1) / 2


def vae_points(
    points: Callable[[Body, Tensor, Tensor], Tensor], body: Body, rotmat: Float[Tensor, "*b joint 3 3"]
) -> Float[Tensor, "*b point 3"]:
    """The mean body's points, `vibe.body.joints` or `vertices`, with its root unturned."""
    whole = whole_body(rotmat)
    return points(body, whole, whole.new_zeros(10).expand(*whole.shape[:-3], 10))


def vae_losses(
    made: Float[Tensor, "*b some 3 3"], latent: Latent, truth: Float[Tensor, "*b joint 3 3"], weights: VAEWeights,
    points: BodyPoints | None = None,
) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
    """Each term times its weight, averaged over the frames; the term of points only with a function that makes them."""
    read = truth[..., : made.shape[-3], :, :]
    squares = (made - read).square().sum((-1, -2))
    terms = {"rotations": weights.rotations * squares.sum(-1).mean(), "kl": weights.kl * kl_divergence(latent).mean()}
    if weights.distances:
        terms["distances"] = weights.distances * (squares + 1e-6).sqrt().sum(-1).mean()
    if points is not None:
        off = (points(made) - points(read)).square().sum(-1)
        terms["points"] = weights.points * (off + 1e-8).sqrt().mean()
    return terms


VERTICES_EVERY = 4
"""Frames from one whose vertices are compared to the next: neighbours hardly differ."""
CHUNK = 64
"""Frames whose vertices are made at once."""
MOVING = 21
"""Joints whose angles are compared: no motion capture here moves the hands."""


@dataclass(frozen=True)
class PriorRecipe:
    """One training run of a prior."""

    name: str
    """What the weights are called."""
    kind: Literal["mposer", "vposer"]
    """Of motion, or of single poses."""
    prior: MPoserConfig | VPoserConfig
    """Its sizes."""
    licence: str = f"{ACKNOWLEDGEMENT}; free for every use with this acknowledgement."
    """One sentence on what the weights were trained on and what that allows; kept in their file."""
    motion: tuple[str, ...] = ("open_30fps.npz",)
    """Files of motion capture."""
    steps: int = 2500
    """Batches that the prior learns from."""
    batch: int = 64
    """Windows in one."""
    frames: int = 16
    """Of a window, at 30 a second (T of the paper)."""
    fastest: float = 1.2
    """Motion is played at up to this many times its speed, or as much slower; half of it is mirrored."""
    rate: float = 4e-3
    """Highest learning rate of Adam; it rises for `warmup` steps and falls along a line to a fiftieth."""
    warmup: int = 50
    """Steps until the rate is at its highest."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    losses: VAEWeights = VAEWeights(rotations=0.0, distances=0.3, points=20.0, kl=3e-4)
    """Weight of each term; the points are the joints of the mean body."""
    save_every: int = 500
    """Steps from checkpoint to checkpoint."""
    validate_every: int = 500
    """Steps of an epoch, after which it validates on held-out subjects."""
    log_every: int = 50
    """Steps from line to line of the log."""
    seed: int = 0


PRIOR_RECIPES = {
    "mposer": PriorRecipe("mposer", "mposer", MPoserConfig(hidden=256, layers=1)),
    "vposer": PriorRecipe("vposer", "vposer", VPoserConfig(hidden=512, dropout=0.0)),
}
"""Both with the same budget: windows, steps, rates, losses."""


def train_prior(
    recipe: PriorRecipe, folder: Path, device: str = "cpu", progress: Progress | None = None
) -> Iterator[dict[str, float]]:
    """Train a prior until the recipe's last step, yielding the records of its log; taken up where it was stopped.

    The folder ends up with `weights.safetensors` and `best.safetensors`, of the lowest per-vertex error on held-out
    subjects. Raises NotANumber, and ValueError if the folder belongs to another recipe.
    """
    group = join_process_group(device)
    paths = [find_motion(name) for name in recipe.motion]
    motions, held_out = load_motions(paths, held_out=False), load_motions(paths, held_out=True)
    body = load_body().to(group.device)
    torch.manual_seed(recipe.seed)
    network = KINDS[recipe.kind](asdict(recipe.prior)).to(group.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    draw = partial(draw_batch, motions, clip_weights(motions), recipe)
    points = partial(vae_points, joints, body)
    run = TrainerConfig(
        folder=folder, recipe=recipe, parts={"network": network, "optimiser": optimiser},
        data=data_checksum(dict(zip(recipe.motion, paths, strict=True))),
        take_step=lambda step: take_step(
            network, shard_batch(draw(step), group), points, recipe, optimiser, step, group
        ),
        validate=partial(validate_prior, network, held_out, body), score="pve_mm",
        save_weights=lambda path, step: save_weights(path, recipe, step, network),
    )  # fmt: skip
    yield from train_loop(run, group, progress)
    leave_process_group()


def draw_batch(
    motions: Motions, weights: Float[Tensor, "clip"], recipe: PriorRecipe, step: int
) -> Float[Tensor, "window time 23 3 3"]:
    """The body rotations of a step's windows, half of them mirrored; the same for the same seed and step."""
    seed = seeded_generator(recipe.seed, step)
    quaternions, _ = draw_windows(motions, weights, recipe.batch, recipe.frames, recipe.fastest, seed)
    flip = torch.rand(recipe.batch, generator=seed) < 0.5
    quaternions = torch.where(flip[:, None, None, None], mirror_quaternions(quaternions), quaternions)
    return roma.unitquat_to_rotmat(quaternions[:, :, 1:])


def take_step(
    network: MPoser | VPoser, rotmat: Float[Tensor, "window time 23 3 3"], points: BodyPoints, recipe: PriorRecipe,
    optimiser: torch.optim.Optimizer, step: int, group: ProcessGroup,
) -> dict[str, float]:  # fmt: skip
    """One step; returns the losses. Raises NotANumber."""
    seed_step(recipe.seed, step, group.rank)
    set_rate(optimiser, rate(recipe, step))
    network.train()
    made, latent = network(rotmat, seeded_generator(recipe.seed, step, 1 + group.rank))
    terms = vae_losses(made, latent, rotmat, recipe.losses, points)
    total = finite_total(terms, step, rotmat)
    total.backward()
    descend(network, optimiser, recipe.clip, step, rotmat)
    return {"loss": float(total.detach())} | {name: float(value.detach()) for name, value in terms.items()}


def rate(recipe: PriorRecipe, step: int) -> float:
    """Learning rate: a line up, a line down to a fiftieth."""
    rise = min(1.0, (step + 1) / max(recipe.warmup, 1))
    return recipe.rate * rise * (0.02 + 0.98 * (1 - step / recipe.steps))


@torch.no_grad()
def validate_prior(network: MPoser | VPoser, motions: Motions, body: Body) -> dict[str, float]:
    """What comes back of whole clips through the latent's mean, averaged over the frames; leaves the network as it is.

    Per-vertex and joint error of the mean body with its root unturned (mm), angle of the rotations but for the hands
    (degrees), and the latent's divergence from the standard normal (nats a frame).
    """
    training = network.training
    network.eval()
    found: dict[str, list[Tensor]] = {"pve_mm": [], "joints_mm": [], "angle_deg": [], "kl_nats": []}
    for start, length in zip(motions.starts.tolist(), motions.lengths.tolist(), strict=True):
        truth = roma.unitquat_to_rotmat(motions.quaternions[start : start + length, 1:]).to(body.v_template)
        made, latent = network(truth)
        angles = cast(Tensor, roma.rotmat_geodesic_distance(made[:, :MOVING], truth[:, :MOVING]))
        found["pve_mm"].append(vertex_errors_mm(made[::VERTICES_EVERY], truth[::VERTICES_EVERY], body))
        found["joints_mm"].append(mpjpe_mm(vae_points(joints, body, made), vae_points(joints, body, truth)))
        found["angle_deg"].append(angles.rad2deg().mean(-1))
        found["kl_nats"].append(kl_divergence(latent))
    network.train(training)
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}


def vertex_errors_mm(
    made: Float[Tensor, "time joint 3 3"], truth: Float[Tensor, "time 23 3 3"], body: Body
) -> Float[Tensor, "time"]:
    """Mean distance of the mean body's vertices in each frame, a few frames at a time; its root is unturned."""
    pairs = zip(made.split(CHUNK), truth.split(CHUNK), strict=True)
    return torch.cat([mpjpe_mm(*(vae_points(vertices, body, each) for each in pair)) for pair in pairs])
