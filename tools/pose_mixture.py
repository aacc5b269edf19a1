"""Fits the pose prior that is shipped to free motion capture: `make pose-mixture`."""

from __future__ import annotations

import argparse
import io
import math
import sys
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import assets, skeletons
from vibe.data.motion import Motions, clip_weights, draw_windows, find_motion, load_motions
from vibe.refine.energies_paper import OPEN, SMPL_BODY_POSE
from vibe.train.recipes import RECIPES

PARTS = 8
FRAMES = 60_000
FLOOR = 0.05
"""Radians added to every deviation, in quadrature: what motion capture itself errs by. Hands never move in it."""
ROUNDS = 100
"""Of expectation and maximisation, at most."""


def body_poses(motions: Motions, count: int, seed: torch.Generator) -> Float[Tensor, "{2*count} 69"]:
    """Axis-angles of random frames, drawn as training draws its windows, and of the same frames mirrored."""
    quaternions, _ = draw_windows(motions, clip_weights(motions), count, 1, 1.0, seed)
    rotvec = roma.unitquat_to_rotvec(quaternions[:, 0, 1:])
    swap = [place - 1 for place in skeletons.mirrored(skeletons.SMPL)[1:]]
    mirrored = rotvec[:, swap] * rotvec.new_tensor([1.0, -1.0, -1.0])
    return torch.cat([rotvec, mirrored]).flatten(1)


def log_densities(
    poses: Float[Tensor, "n 69"],
    means: Float[Tensor, "part 69"],
    covars: Float[Tensor, "part 69 69"],
    weights: Float[Tensor, "part"],
) -> Float[Tensor, "n part"]:
    """Logarithm of each part's share of the density at each pose."""
    found = []
    for mean, covar, weight in zip(means, covars, weights, strict=True):
        root = torch.linalg.cholesky(covar)
        away = torch.linalg.solve_triangular(root, (poses - mean).mT, upper=False).square().sum(0)
        found.append(weight.log() - root.diagonal().log().sum() - away / 2)
    return torch.stack(found, -1) - SMPL_BODY_POSE / 2 * math.log(2 * math.pi)


def fit_mixture(
    poses: Float[Tensor, "n 69"], parts: int, floor: float, seed: torch.Generator, rounds: int = ROUNDS
) -> tuple[Float[Tensor, "{parts} 69"], Float[Tensor, "{parts} 69 69"], Float[Tensor, "{parts}"]]:
    """Means, covariances and weights by expectation and maximisation, from the nearest of random poses far apart.

    `floor` (radians) is added to every deviation in quadrature. Stops where a round gains less than 1e-4 a pose.
    """
    share = _nearest(poses, _scattered(poses, parts, seed))
    before = -math.inf
    means, covars, weights = _maximise(poses, share, floor)
    for _ in range(rounds):
        logs = log_densities(poses, means, covars, weights)
        now = float(logs.logsumexp(-1).mean())
        if now - before < 1e-4:
            break
        before = now
        means, covars, weights = _maximise(poses, logs.softmax(-1), floor)
    return means, covars, weights


def _scattered(poses: Float[Tensor, "n 69"], parts: int, seed: torch.Generator) -> Float[Tensor, "{parts} 69"]:
    """Poses drawn one after the other, each by its squared distance to those drawn before."""
    chosen = poses[torch.randint(len(poses), (1,), generator=seed)]
    while len(chosen) < parts:
        apart = torch.cdist(poses, chosen).amin(-1).square()
        chosen = torch.cat([chosen, poses[torch.multinomial(apart.float(), 1, generator=seed)]])
    return chosen


def _nearest(poses: Float[Tensor, "n 69"], centres: Float[Tensor, "part 69"]) -> Float[Tensor, "n part"]:
    nearest = torch.cdist(poses, centres).argmin(-1)
    return torch.nn.functional.one_hot(nearest, len(centres)).to(poses)


def _maximise(
    poses: Float[Tensor, "n 69"], share: Float[Tensor, "n part"], floor: float
) -> tuple[Float[Tensor, "part 69"], Float[Tensor, "part 69 69"], Float[Tensor, "part"]]:
    total = share.sum(0)
    means = share.mT @ poses / total[:, None]
    covars = []
    for mean, part, count in zip(means, share.unbind(-1), total, strict=True):
        away = poses - mean
        covars.append((part[:, None] * away).mT @ away / count + floor**2 * torch.eye(SMPL_BODY_POSE).to(away))
    return means, torch.stack(covars), total / total.sum()


def main() -> None:
    """Fits, scores on held-out subjects, and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=OPEN, help="the file to write, by itself the shipped one")
    out = parser.parse_args().out
    files = [find_motion(name) for name in RECIPES["open"].motion]
    seed = torch.Generator().manual_seed(0)
    poses = body_poses(load_motions(files, held_out=False), FRAMES, seed).double()
    held_out = body_poses(load_motions(files, held_out=True), FRAMES // 10, seed).double()
    found = fit_mixture(poses, PARTS, FLOOR, seed)
    scores = [float(log_densities(each, *found).logsumexp(-1).mean()) for each in (poses, held_out)]
    means, covars, weights = (tensor.float().numpy() for tensor in found)
    content = io.BytesIO()
    np.savez_compressed(
        content,
        allow_pickle=False,
        means=means,
        covars=covars,
        weights=weights,
        name=np.array("open-mixture"),
        licence=np.array(RECIPES["open"].licence),
        log_likelihood=np.array(scores, np.float32),
    )
    assets.write_whole(out, content.getvalue())
    sys.stdout.write(f"{out}: mean log density {scores[0]:.2f} where fitted, {scores[1]:.2f} on held-out subjects\n")


if __name__ == "__main__":
    main()
