"""Motion capture in SMPL's joints: clips in one array, split by subject, and random windows of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from vibe import assets
from vibe.assets.archives import read_npz
from vibe.errors import check_distinct
from vibe.rotations import continuous

HELD_OUT = ("cmu_03", "cmu_06", "cmu_09", "cmu_55", "cmu_115")
"""Subjects never trained on: 4.7 minutes of walks on uneven ground, basketball, runs, dance, bending."""
FPS = 30.0
"""Every motion file holds this many frames a second."""


@dataclass(frozen=True)
class Motions:
    """Clips end to end, with where each begins."""

    quaternions: Float[Tensor, "frame 24 4"]
    """Local rotations (x, y, z, w), the root's in a y-up world; neighbours in time lie on one hemisphere."""
    trans: Float[Tensor, "frame 3"]
    """Metres, y up."""
    starts: Int[Tensor, "clip"]
    lengths: Int[Tensor, "clip"]
    subjects: tuple[str, ...]
    """The subject or family of each clip."""


def find_motion(name: str) -> Path:
    """The file in VIBE_MOTION, `vibe fetch`'s folder or ../shared/data/motion; FileNotFoundError names the places."""
    places = [Path(os.environ["VIBE_MOTION"])] if "VIBE_MOTION" in os.environ else []
    places += [assets.home() / "motion", Path("../shared/data/motion")]
    for place in places:
        if (place / name).is_file():
            return place / name
    raise FileNotFoundError(f"{name}: not in {', '.join(map(str, places))}; set VIBE_MOTION to its folder")


def subject_of(clip: str) -> str:
    """`cmu_05_01` gives `cmu_05`; other sources count as one subject each."""
    words = clip.split("_")
    return "_".join(words[:2]) if words[0] == "cmu" else words[0]


def load_motions(paths: Sequence[Path], held_out: bool, subjects: Sequence[str] = HELD_OUT) -> Motions:
    """The clips of these files that belong to the held-out subjects (`subjects`), or all the others.

    Each file holds `poses` [frames, 72] axis-angle, `trans` [frames, 3], `seq_offsets` [clips + 1], `names` and `fps`.
    Raises ValueError for a file without them.
    """
    check_distinct(paths, "the motion")
    quaternions, places, lengths, whose = [], [], [], []
    for path in paths:
        poses, trans, offsets, names = read_motion_clips(path)
        for name, start, stop in zip(names, offsets[:-1], offsets[1:], strict=True):
            subject = subject_of(name)
            if (subject in subjects) == held_out:
                rotvec = torch.from_numpy(poses[start:stop].astype(np.float32)).unflatten(-1, (-1, 3))
                quaternions.append(continuous(roma.rotvec_to_unitquat(rotvec)))
                places.append(torch.from_numpy(trans[start:stop].astype(np.float32)))
                lengths.append(stop - start)
                whose.append(subject)
    if not lengths:
        which = "the held-out subjects" if held_out else "subjects that are not held out"
        raise ValueError(f"{', '.join(map(str, paths))}: no clip of {which} ({', '.join(subjects)})")
    sizes = torch.tensor(lengths)
    return Motions(torch.cat(quaternions), torch.cat(places), sizes.cumsum(0) - sizes, sizes, tuple(whose))


def join_motions(one: Motions, other: Motions) -> Motions:
    """The clips of both, the other's last."""
    return Motions(
        torch.cat([one.quaternions, other.quaternions]),
        torch.cat([one.trans, other.trans]),
        torch.cat([one.starts, other.starts + len(one.trans)]),
        torch.cat([one.lengths, other.lengths]),
        (*one.subjects, *other.subjects),
    )


def read_motion_clips(path: Path) -> tuple[Float[ndarray, "frame 72"], Float[ndarray, "frame 3"], list[int], list[str]]:
    """Poses, places, where the clips begin and the last one ends, and their names; raises OSError, ValueError."""
    held = read_npz(path)
    if missing := {"poses", "trans", "seq_offsets", "names", "fps"} - held.keys():
        raise ValueError(f"{path}: no {', '.join(sorted(missing))}: not a motion file")
    poses, trans, offsets, names = (held[name] for name in ("poses", "trans", "seq_offsets", "names"))
    if held["fps"].shape != () or held["fps"] != FPS:
        raise ValueError(f"{path}: {held['fps']} frames a second: resample it to {FPS}")
    if poses.ndim != 2 or poses.shape[1] != 72 or trans.shape != (len(poses), 3):
        raise ValueError(f"{path}: poses of {poses.shape} and trans of {trans.shape}: not a motion file")
    clips = names.ndim == 1 and names.dtype.kind in "SU" and len(names) > 0
    whole = clips and offsets.shape == (len(names) + 1,) and offsets.dtype.kind in "iu"
    if not whole or offsets[0] != 0 or offsets[-1] != len(poses) or not (np.diff(offsets.astype(np.int64)) > 0).all():
        raise ValueError(f"{path}: its clips (names, seq_offsets) are not those of {len(poses)} frames: it is damaged")
    if any(values.dtype.kind != "f" or not np.isfinite(values).all() for values in (poses, trans)):
        raise ValueError(f"{path}: poses or trans hold numbers that are not finite: it is damaged")
    return poses, trans, offsets.tolist(), names.astype(str).tolist()


def clip_weights(motions: Motions) -> Float[Tensor, "clip"]:
    """How often to draw each clip: by its length, and the root of each subject's total.

    The root keeps the longest takes (a quarter of the free motion is salsa) from filling the training.
    """
    totals: dict[str, float] = {}
    for subject, length in zip(motions.subjects, motions.lengths.tolist(), strict=True):
        totals[subject] = totals.get(subject, 0.0) + length
    share = torch.tensor([totals[subject] ** -0.5 for subject in motions.subjects])
    weights = motions.lengths * share
    return weights / weights.sum()


def draw_windows(
    motions: Motions, weights: Float[Tensor, "clip"], count: int, frames: int, fastest: float, seed: torch.Generator
) -> tuple[Float[Tensor, "count {frames} 24 4"], Float[Tensor, "count {frames} 3"]]:
    """Quaternions and places of random windows at FPS, played at 1/`fastest` to `fastest` times their speed.

    A clip shorter than its window is held at its last frame.
    """
    clip = torch.multinomial(weights, count, replacement=True, generator=seed)
    speed = fastest ** (2 * torch.rand(count, generator=seed) - 1)
    spare = (motions.lengths[clip] - 1 - speed * (frames - 1)).clamp_min(0)
    start = torch.rand(count, generator=seed) * spare
    time = start[:, None] + speed[:, None] * torch.arange(frames)
    time = torch.minimum(time, (motions.lengths[clip] - 1)[:, None].float())
    before = time.floor().long().clamp(max=(motions.lengths[clip] - 2).clamp_min(0)[:, None])
    first = motions.starts[clip][:, None] + before
    second = torch.minimum(first + 1, (motions.starts[clip] + motions.lengths[clip] - 1)[:, None])
    part = (time - before)[..., None, None]
    blend = torch.lerp(motions.quaternions[first], motions.quaternions[second], part)
    trans = torch.lerp(motions.trans[first], motions.trans[second], part[..., 0])
    return torch.nn.functional.normalize(blend, dim=-1), trans
