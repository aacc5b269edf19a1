"""Training of the learnt priors, MPoser and VPoser, on motion capture (the paper, sections 3.2 and 6.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, cast

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body import joints, load_body, vertices
from vibe.body.pose import mirror_quaternions, pose_joints
from vibe.body.record import Body
from vibe.data.motion import HELD_OUT, Motions, clip_weights, draw_windows, find_motion, load_motions
from vibe.evaluate.metrics import mpjpe_mm
from vibe.models.priors import KINDS, Latent, MPoser, MPoserConfig, VPoser, VPoserConfig, sample, whole_body
from vibe.records import Progress
from vibe.train.checkpoints import data_checksum, save_weights
from vibe.train.distributed import ProcessGroup, join_process_group, shard_batch
from vibe.train.recipes import FREE_LICENCE, TrainRecipe
from vibe.train.trainer import (
    TrainerConfig,
    cosine,
    descend,
    finite_total,
    seed_step,
    seeded_generator,
    set_rate,
    train_loop,
)


@dataclass(frozen=True)
class VAEWeights:
    """Weight of each term."""

    points: float = 20.0
    """Displacement of the mean body's surface, metres, root of the mean square."""
    kl: float = 3e-4
    """Divergence of the latent from the standard normal."""
    anneal: int = 500
    """Steps in which the divergence's weight rises from 0 to that."""


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
    made: Float[Tensor, "*b number"], latent: Latent, truth: Float[Tensor, "*b number"], weights: VAEWeights, step: int
) -> dict[str, Float[Tensor, ""]]:
    """Each term times its weight, averaged over the frames; of a prior's numbers, whose differences are metres."""
    off = ((made - truth).square().sum(-1) + 1e-8).sqrt()
    kl = weights.kl * min(1.0, (step + 1) / max(weights.anneal, 1))
    return {"points": weights.points * off.mean(), "kl": kl * kl_divergence(latent).mean()}


def segment_points(body: Body, rotmat: Float[Tensor, "*b joint 3 3"]) -> Float[Tensor, "*b 24 3 4"]:
    """Four points that ride on each joint for the vertices that it carries, times the root of its share of all.

    They have these vertices' centre and second moments, so the sum of their squared distances is the mean of the
    vertices', as far as each of these is moved by one joint alone.
    """
    carried = body.weights / body.weights.sum(0).clamp_min(1e-6)
    arms = body.v_template[:, None] - body.J_template
    centre = (carried[..., None] * arms).sum(0)
    spread = torch.einsum("vj,vja,vjb->jab", carried, arms - centre, arms - centre)
    sizes, axes = torch.linalg.eigh(spread)
    corners = spread.new_tensor([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    offsets = centre[..., None] + (axes * sizes.clamp_min(0).sqrt()[:, None]) @ corners.mT
    share = (body.weights.sum(0) / body.weights.sum() / 4).sqrt()
    whole = whole_body(rotmat)
    R_world, joints = pose_joints(body, whole, whole.new_zeros(10).expand(*whole.shape[:-3], 10))
    return share[:, None, None] * (joints[..., None] + R_world @ offsets)


def surface_metric(body: Body, rotvec: Float[Tensor, "frame joint 3"]) -> Float[Tensor, "number number"]:
    """Times this, small changes of axis-angle numbers are as long as the surface's displacement; over some poses."""
    count, size = 3 * rotvec.shape[1], 0.02
    moved = rotvec.flatten(1)[:, None] + size * torch.eye(count, device=rotvec.device)
    points = segment_points(body, roma.rotvec_to_rotmat(moved.unflatten(-1, (-1, 3))))
    still = segment_points(body, roma.rotvec_to_rotmat(rotvec))
    pulls = ((points - still[:, None]) / size).flatten(2)
    squares = torch.einsum("fip,fjp->ij", pulls, pulls) / len(rotvec) + LEAST_REACH**2 * torch.eye(
        count, device=rotvec.device
    )
    return torch.linalg.cholesky(squares)


@torch.no_grad()
def begin_at_axes(network: MPoser | VPoser, motions: Motions, weights: Float[Tensor, "clip"], body: Body) -> None:
    """Give a prior its metric, and let its linear code begin at the principal axes of the motion."""
    draw = torch.multinomial(weights, AXES_FROM, replacement=True, generator=seeded_generator(0, 0))
    part = torch.rand(AXES_FROM, generator=seeded_generator(0, 1))
    frames = motions.quaternions[motions.starts[draw] + (part * motions.lengths[draw]).long()]
    both = torch.cat([frames, mirror_quaternions(frames)])[:, 1 : 1 + network.joints]
    rotvec = roma.unitquat_to_rotvec(both).to(network.center.device)
    network.center.copy_(rotvec.flatten(1).mean(0))
    network.metric.copy_(surface_metric(body, rotvec[:: len(rotvec) // METRIC_FROM]))
    network.inverse.copy_(torch.linalg.inv(network.metric))
    numbers = network.numbers(rotvec)
    variances, axes = torch.linalg.eigh(numbers.mT @ numbers / len(numbers))
    count = network.code.out_features
    sizes, axes = variances.flip(0)[:count].clamp_min(LEAST_AXIS**2).sqrt(), axes.flip(1)[:, :count]
    network.code.weight.copy_((axes / sizes).mT)
    network.uncode.weight.copy_(axes * sizes)
    network.code.bias.zero_()
    network.uncode.bias.zero_()


LEAST_AXIS = 0.001
"""Metres: an axis along which the motion hardly differs is not stretched further."""
AXES_FROM = 20_000
"""Frames, and as many mirrored, whose principal axes a prior begins at."""
METRIC_FROM = 200
"""Frames over which the metric is a mean."""
LEAST_REACH = 0.02
"""Metres a radian: a joint that carries hardly anything counts as if it moved the body's vertices so far."""
VERTICES_EVERY = 8
"""Frames from one whose vertices are compared to the next: neighbours hardly differ."""
CHUNK = 64
"""Frames whose vertices are made at once."""
MOVING = 21
"""Joints whose angles are compared: no motion capture here moves the hands."""


@dataclass(frozen=True, kw_only=True)
class PriorRecipe(TrainRecipe):
    """One training run of a prior."""

    kind: Literal["mposer", "vposer"]
    """Of motion, or of single poses."""
    prior: MPoserConfig | VPoserConfig
    """Its sizes."""
    motion: tuple[str, ...] = ("open2_30fps.npz",)
    """Files of motion capture."""
    left_out: tuple[str, ...] = ()
    """Subjects that are not trained on, beside the held-out ones."""
    batch: int = 64
    """Windows in one."""
    frames: int = 16
    """Of a window, at 30 a second (T of the paper)."""
    fastest: float = 1.25
    """Motion is played at up to this many times its speed, or as much slower; half of it is mirrored."""
    losses: VAEWeights = VAEWeights()
    """Weight of each term."""


_MPOSER = PriorRecipe(
    name="mposer", kind="mposer", prior=MPoserConfig(hidden=256, layers=1), licence=FREE_LICENCE, steps=2000,
    warmup=100, save_every=100, validate_every=500,
)  # fmt: skip
PRIOR_RECIPES = {
    "mposer": _MPOSER,
    "vposer": replace(_MPOSER, name="vposer", kind="vposer", prior=VPoserConfig(hidden=512, dropout=0.0)),
}
"""Both with the same budget: windows, steps, rates, losses. They validate on held-out subjects."""


def train_prior(
    recipe: PriorRecipe, folder: Path, device: str = "cpu", progress: Progress | None = None
) -> Iterator[dict[str, float]]:
    """Train a prior until the recipe's last step, yielding the records of its log; taken up where it was stopped.

    The folder ends up with `weights.safetensors` and `best.safetensors`, of the lowest per-vertex error on held-out
    subjects. Raises NotANumber, and ValueError if the folder belongs to another recipe.
    """
    group = join_process_group(device)
    paths = [find_motion(name) for name in recipe.motion]
    motions = load_motions(paths, held_out=False, subjects=(*HELD_OUT, *recipe.left_out))
    held_out = load_motions(paths, held_out=True)
    body = load_body().to(group.device)
    torch.manual_seed(recipe.seed)
    network = KINDS[recipe.kind](asdict(recipe.prior)).to(group.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate, fused=True)
    weights = clip_weights(motions)
    draw = partial(draw_batch, motions, weights, recipe)
    begin_at_axes(network, motions, weights, body)
    run = TrainerConfig(
        folder=folder, recipe=recipe, parts={"network": network, "optimiser": optimiser},
        data=data_checksum(dict(zip(recipe.motion, paths, strict=True))),
        take_step=lambda step: take_step(
            network, shard_batch(draw(step), group), recipe, optimiser, step, group
        ),
        validate=partial(_errors, network, held_out, some_clips(motions), body), score="pve_mm",
        save_weights=lambda path, step: save_weights(path, recipe, step, network),
    )  # fmt: skip
    yield from train_loop(run, group, progress)


def draw_batch(
    motions: Motions, weights: Float[Tensor, "clip"], recipe: PriorRecipe, step: int
) -> Float[Tensor, "window time 23 3"]:
    """Body rotations (axis-angle) of a step's windows, half of them mirrored; the same for the same seed and step."""
    seed = seeded_generator(recipe.seed, step)
    quaternions, _ = draw_windows(motions, weights, recipe.batch, recipe.frames, recipe.fastest, seed)
    flip = torch.rand(recipe.batch, generator=seed) < 0.5
    quaternions = torch.where(flip[:, None, None, None], mirror_quaternions(quaternions), quaternions)
    return roma.unitquat_to_rotvec(quaternions[:, :, 1:])


def take_step(
    network: MPoser | VPoser, rotvec: Float[Tensor, "window time 23 3"], recipe: PriorRecipe,
    optimiser: torch.optim.Optimizer, step: int, group: ProcessGroup,
) -> dict[str, float]:  # fmt: skip
    """One step; returns the losses. Raises NotANumber."""
    seed_step(recipe.seed, step, group.rank)
    set_rate(optimiser, cosine(recipe.rate, step, recipe.steps, recipe.warmup))
    network.train()
    numbers = network.numbers(rotvec)
    with torch.autocast(rotvec.device.type, torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        latent = network.latent(numbers)
        made = network.made(sample(latent, seeded_generator(recipe.seed, step, 1 + group.rank)))
    terms = vae_losses(made, latent, numbers, recipe.losses, step)
    total = finite_total(terms, step, rotvec)
    total.backward()
    descend(network, optimiser, recipe.clip, step, rotvec)
    return {"loss": float(total.detach())} | {name: float(value.detach()) for name, value in terms.items()}


def some_clips(motions: Motions, every: int = 32) -> Motions:
    """A clip of so many, whole."""
    chosen = motions.subjects[::every]
    return replace(motions, starts=motions.starts[::every], lengths=motions.lengths[::every], subjects=chosen)


def _errors(network: MPoser | VPoser, held_out: Motions, trained: Motions, body: Body) -> dict[str, float]:
    """Those of the held-out clips, and beside them those of some that are trained on."""
    beside = validate_prior(network, trained, body)
    return validate_prior(network, held_out, body) | {f"trained_{name}": value for name, value in beside.items()}


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
