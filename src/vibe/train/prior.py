"""Training of the learnt priors, MPoser and VPoser, on motion capture (the paper, sections 3.2 and 6.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import cast

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body import load_body
from vibe.body.mirror import mirror_quaternions
from vibe.body.record import Body
from vibe.data.motion import Motions, clip_weights, draw_windows, find_motion, load_motions
from vibe.evaluate.metrics import mpjpe_mm, pve_mm
from vibe.model.mposer import MPoser, MPoserConfig
from vibe.model.vposer import VPoser, VPoserConfig
from vibe.prior import KINDS
from vibe.records import Progress
from vibe.train.checkpoints import checksum, save_weights
from vibe.train.recipes import ACKNOWLEDGEMENT
from vibe.train.running import Pace, Run, descend, finite_total, generator, keep_running, seed_step
from vibe.train.schedules import set_rate
from vibe.train.team import Team, join_team, leave_team, share
from vibe.train.vae import BodyPoints, VAEWeights, body_points, kl_divergence, losses

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
    kind: str
    """mposer or vposer."""
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

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no prior is of the kind {self.kind!r}: choose {' or '.join(KINDS)}")


PRIOR_RECIPES = {
    "mposer": PriorRecipe("mposer", "mposer", MPoserConfig(hidden=256, layers=1)),
    "vposer": PriorRecipe("vposer", "vposer", VPoserConfig(hidden=512, dropout=0.0)),
}
"""Both with the same budget: windows, steps, rates, losses."""


def train(
    recipe: PriorRecipe, folder: Path, device: str = "cpu", progress: Progress | None = None
) -> Iterator[dict[str, float]]:
    """Train a prior until the recipe's last step, yielding the records of its log; taken up where it was stopped.

    The folder ends up with `weights.safetensors` and `best.safetensors`, of the lowest per-vertex error on held-out
    subjects. Raises NotANumber, and ValueError if the folder belongs to another recipe.
    """
    team = join_team(device)
    paths = [find_motion(name) for name in recipe.motion]
    motions, held_out = load_motions(paths, held_out=False), load_motions(paths, held_out=True)
    body = load_body().to(team.device)
    torch.manual_seed(recipe.seed)
    network = KINDS[recipe.kind](asdict(recipe.prior)).to(team.device)
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    draw = partial(draw_batch, motions, clip_weights(motions), recipe)
    run = Run(
        folder=folder,
        recipe=recipe,
        pace=Pace(recipe.steps, recipe.log_every, recipe.validate_every, recipe.save_every),
        parts={"network": network, "optimiser": optimiser},
        take_step=lambda step: take_step(
            network, share(draw(step), team), body_points(body, "joints"), recipe, optimiser, step, team
        ),
        validate=partial(validate, network, held_out, body),
        score="pve_mm",
        save_weights=lambda path, step: save_weights(path, recipe, step, network),
        data=checksum(dict(zip(recipe.motion, paths, strict=True))),
    )
    yield from keep_running(run, team, progress)
    leave_team()


def draw_batch(
    motions: Motions, weights: Float[Tensor, "clip"], recipe: PriorRecipe, step: int
) -> Float[Tensor, "window time 23 3 3"]:
    """The body rotations of a step's windows, half of them mirrored; the same for the same seed and step."""
    seed = generator(recipe.seed, step)
    quaternions, _ = draw_windows(motions, weights, recipe.batch, recipe.frames, recipe.fastest, seed)
    flip = torch.rand(recipe.batch, generator=seed) < 0.5
    quaternions = torch.where(flip[:, None, None, None], mirror_quaternions(quaternions), quaternions)
    return roma.unitquat_to_rotmat(quaternions[:, :, 1:])


def take_step(
    network: MPoser | VPoser, rotmat: Float[Tensor, "window time 23 3 3"], points: BodyPoints, recipe: PriorRecipe,
    optimiser: torch.optim.Optimizer, step: int, team: Team,
) -> dict[str, float]:  # fmt: skip
    """One step; returns the losses. Raises NotANumber."""
    seed_step(recipe.seed, step, team.rank)
    set_rate(optimiser, rate(recipe, step))
    network.train()
    made = network(rotmat, generator(recipe.seed, step, 1 + team.rank))
    terms = losses(made, rotmat, recipe.losses, points)
    total = finite_total(terms, step, rotmat)
    total.backward()
    descend(network, optimiser, recipe.clip, step, rotmat)
    return {"loss": float(total.detach())} | {name: float(value.detach()) for name, value in terms.items()}


def rate(recipe: PriorRecipe, step: int) -> float:
    """Learning rate: a line up, a line down to a fiftieth."""
    rise = min(1.0, (step + 1) / max(recipe.warmup, 1))
    return recipe.rate * rise * (0.02 + 0.98 * (1 - step / recipe.steps))


@torch.no_grad()
def validate(network: MPoser | VPoser, motions: Motions, body: Body) -> dict[str, float]:
    """What comes back of whole clips through the latent's mean, averaged over the frames; leaves the network as it is.

    Per-vertex and joint error of the mean body with its root unturned (mm), angle of the rotations but for the hands
    (degrees), and the latent's divergence from the standard normal (nats a frame).
    """
    training = network.training
    network.eval()
    joints = body_points(body, "joints")
    found: dict[str, list[Tensor]] = {"pve_mm": [], "joints_mm": [], "angle_deg": [], "kl_nats": []}
    for start, length in zip(motions.starts.tolist(), motions.lengths.tolist(), strict=True):
        truth = roma.unitquat_to_rotmat(motions.quaternions[start : start + length, 1:]).to(body.v_template)
        made = network(truth)
        read = truth[:, : made.rotmat.shape[-3]]
        angles = cast(Tensor, roma.rotmat_geodesic_distance(made.rotmat[:, :MOVING], read[:, :MOVING]))
        found["pve_mm"].append(vertex_errors_mm(made.rotmat[::VERTICES_EVERY], truth[::VERTICES_EVERY], body))
        found["joints_mm"].append(mpjpe_mm(joints(made.rotmat), joints(truth)))
        found["angle_deg"].append(angles.rad2deg().mean(-1))
        found["kl_nats"].append(kl_divergence(made.latent))
    network.train(training)
    return {name: float(torch.cat(values).mean()) for name, values in found.items()}


def vertex_errors_mm(
    made: Float[Tensor, "time joint 3 3"], truth: Float[Tensor, "time 23 3 3"], body: Body
) -> Float[Tensor, "time"]:
    """Mean distance of the mean body's vertices in each frame, a few frames at a time; its root is unturned."""
    vertices = body_points(body, "vertices")
    pairs = zip(made.split(CHUNK), truth.split(CHUNK), strict=True)
    return torch.cat([pve_mm(vertices(one), vertices(other)) for one, other in pairs])
