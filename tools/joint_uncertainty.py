"""Fits what tells how far joints may be off to our own errors on rendered evidence.

    python tools/joint_uncertainty.py STORE [STORE ...] [--out FILE]

Stores are those that `vibe prepare rendered-evidence` makes of motion capture. Every fifth recording is kept aside, and
the table that is printed is of those.
"""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import roma
import torch
import tyro
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize
from tyro.conf import Positional

from vibe import assets
from vibe.body.load import load_body
from vibe.body.pose import joints
from vibe.body.record import Body
from vibe.cameras import default_camera
from vibe.data.store import SequenceRows, Store, open_store
from vibe.inference.config import Refinement, energies
from vibe.inference.predict import predict_track
from vibe.inference.refine import refine_track
from vibe.inference.uncertainty import KINDS, MODEL, deviations, motion_signs
from vibe.models.network import Network, load_network
from vibe.parallel import one_thread
from vibe.records import Clip, Track
from vibe.refine.presets import FITTINGS, SMOOTHING

EVERY = 3
"""Frames of which one is looked at: neighbours err alike."""
HIDDEN = 16
FREEDOM = 6.0
"""Degrees of Student's distribution, whose tails are those of errors: a few that are gross leave the others as they
are."""
STEPS, BATCH, RATE, DECAY = 1500, 256, 5e-3, 1e-2
SCALES = {"pelvis": (0.17, 0.55), "others": (0.82, 0.80)}
"""By which deviations across and along the line of sight are multiplied: motion in the stores is made livelier, and
cameras stranger, than any that is filmed, so that errors are larger. Chosen on rendered clips of subjects that weights
are trained on (`benchmarks/uncertainty.py --subjects training`)."""


@dataclass(frozen=True)
class Options:
    stores: Positional[tuple[Path, ...]]
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = MODEL


@dataclass(frozen=True)
class Sample:
    """What is known of one recording."""

    signs: Float[Tensor, "time 24 sign"]
    off: Float[Tensor, "time 24 3"]
    """Of places about the pelvis, and of the pelvis's own: along two axes across the line of sight, and along it."""


def main(options: Options) -> None:
    """Fits, scores on recordings that were kept aside, and writes the file."""
    with one_thread():
        samples = list(read_samples(options.stores))
    aside = samples[::5]
    model = fit_model([sample for place, sample in enumerate(samples) if place % 5])
    sys.stdout.write(f"{len(aside)} recordings kept aside: {scores(model, aside)}\n")
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **{name: each.numpy() for name, each in scaled(model).items()})
    assets.write_whole(options.out, content.getvalue())


def read_samples(folders: Sequence[Path]) -> Iterator[Sample]:
    """Every recording as the whole method sees it, whose angle of view nobody tells."""
    body, network = load_body(), load_network()
    for folder in folders:
        store = open_store(folder)
        for recording in store.sequences:
            yield read_sample(store, recording, body, network)


def read_sample(store: Store, recording: SequenceRows, body: Body, network: Network) -> Sample:
    """One recording: its signs and the errors of our own answer."""
    assert recording.K_px is not None

    def column(name: str) -> Tensor:
        return torch.from_numpy(store.column(name)[recording.rows].astype(np.float32))

    box_px, landmarks = column("box_px"), column("landmarks")
    landmarks[..., :2] += box_px[:, None, :2]
    track = Track(torch.arange(len(box_px)), box_px, column("keypoints_px.coco17"), landmarks)
    times = torch.arange(len(box_px), dtype=torch.float64) / recording.fps
    width, height = (round(2 * float(recording.K_px[axis, 2])) for axis in (0, 1))
    clip, camera = Clip(Path(recording.name), recording.fps, width, height, times, 0), default_camera(width, height)
    rotmat = roma.rotvec_to_rotmat(column("poses").unflatten(-1, (-1, 3)))
    true = joints(body, rotmat, column("betas")[0]) + column("trans")[:, None]
    # without deviations, which are only found here
    how = Refinement(SMOOTHING["light"], replace(FITTINGS["open"], grounded=False), energies())
    predicted = predict_track(track, times, camera, network, body)
    motion = refine_track(track, predicted, clip, camera, body, how)
    (signs,) = motion_signs(motion, track, predicted, camera, body)
    return Sample(signs[::EVERY], parts(torch.from_numpy(motion.joints_cam), true)[::EVERY])


def parts(found: Float[Tensor, "time 24 3"], true: Float[Tensor, "time 24 3"]) -> Float[Tensor, "time 24 3"]:
    """Errors as `Sample` has them."""
    off, sight = found - true, normalize(found, dim=-1)
    off = torch.cat([off[:, :1], off[:, 1:] - off[:, :1]], 1)
    aside = normalize(torch.linalg.cross(sight, torch.tensor([0.0, 1.0, 0.0]).expand_as(sight)), dim=-1)
    return torch.stack([(off * axis).sum(-1) for axis in (aside, torch.linalg.cross(sight, aside), sight)], -1)


def fit_model(samples: Sequence[Sample], steps: int = STEPS, seed: int = 0) -> dict[str, Tensor]:
    """The numbers of `vibe.inference.uncertainty.deviations` under which the errors are likeliest."""
    generator = torch.Generator().manual_seed(seed)
    signs, off = (torch.cat([getattr(sample, name) for sample in samples]) for name in ("signs", "off"))
    fixed = {"mean": signs.mean((0, 1)), "spread": signs.std((0, 1)).clamp_min(1e-3)}
    sizes = {"first": (signs.shape[-1], HIDDEN), "second": (HIDDEN, 2)}
    free = {name: torch.randn(shape, generator=generator) / shape[0] for name, shape in sizes.items()}
    free |= {"kind_first": torch.zeros(len(KINDS), HIDDEN), "kind_second": torch.full((len(KINDS), 2), -3.0)}
    for each in free.values():
        each.requires_grad_()
    search = torch.optim.AdamW(free.values(), lr=RATE, weight_decay=DECAY)
    slower = torch.optim.lr_scheduler.CosineAnnealingLR(search, steps)
    for _ in range(steps):
        rows = torch.randint(len(signs), (BATCH,), generator=generator)
        scale = deviations(signs[rows], fixed | free)[..., [0, 0, 1]]
        cost = (FREEDOM + 1) / 2 * ((off[rows] / scale).square() / FREEDOM).log1p() + scale.log()
        search.zero_grad()
        cost.sum(-1).mean().backward()
        search.step()
        slower.step()
    found = {name: each.detach() for name, each in free.items()}
    # from the scale of Student's distribution to its deviation
    return fixed | found | {"kind_second": found["kind_second"] + math.log(FREEDOM / (FREEDOM - 2)) / 2}


def scaled(model: Mapping[str, Tensor], scales: Mapping[str, tuple[float, float]] = SCALES) -> dict[str, Tensor]:
    """The model whose deviations across and along are so many times as large."""
    logs = torch.tensor([scales["pelvis" if kind == "pelvis" else "others"] for kind in KINDS]).log()
    return {**model, "kind_second": model["kind_second"] + logs}


def scores(model: dict[str, Tensor], samples: Sequence[Sample]) -> str:
    """Shares of the errors of joints about the pelvis that lie within one and two deviations."""
    ratio = torch.cat([sample.off / deviations(sample.signs, model)[..., [0, 0, 1]] for sample in samples]).abs()
    ways = {"across": ratio[:, 1:, :2], "along": ratio[:, 1:, 2]}
    within = {way: [float((each < most).float().mean()) for most in (1, 2)] for way, each in ways.items()}
    return "; ".join(f"{one:.3f} and {two:.3f} {way} the line of sight" for way, (one, two) in within.items())


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
