"""Windows of stores, never across a gap; of several sets, each as often as its weight says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from vibe import cameras
from vibe.data.recording import column_layout
from vibe.data.store import Store


@dataclass(frozen=True)
class Windows:
    """Rows from `starts`, `lengths` of them."""

    starts: Int[ndarray, "window"]
    lengths: Int[ndarray, "window"]

    def __len__(self) -> int:
        return len(self.starts)


def find_runs(store: Store, split: str | None = None, where: Bool[ndarray, "row"] | None = None) -> Windows:
    """The gapless runs of a split (of all, if None); rows that are not `where` count as missing."""
    rows = len(store)
    breaks = np.ones(rows + 1, bool)
    allowed = np.ones(rows, bool) if where is None else where.copy()
    for sequence in store.sequences:
        inside = slice(sequence.start + 1, sequence.stop)
        breaks[inside] = np.diff(store.frames[sequence.rows]) > sequence.step
        if split is not None and sequence.split != split:
            allowed[sequence.rows] = False
    breaks[:-1] |= ~allowed
    breaks[1:] |= ~allowed
    edges = np.flatnonzero(breaks)
    starts, stops = edges[:-1], edges[1:]
    kept = allowed[starts]
    return Windows(starts[kept], (stops - starts)[kept])


def tile(runs: Windows, frames: int, stride: int | None = None, tails: bool = False) -> Windows:
    """Windows of `frames` rows, one every `stride` rows of each run; without a stride they do not overlap.

    With a stride of 1 they are all that there are, for random ones. With tails, what is left at a run's end, or of a
    run too short for one window, makes a last, shorter window. Raises ValueError for less than one frame or a stride
    that leaves frames out.
    """
    stride = frames if stride is None else stride
    if not 1 <= stride <= frames:
        raise ValueError(f"windows of {frames} frames, one every {stride}: give 1 frame or more, and no longer stride")
    sizes = runs.lengths
    whole = np.where(sizes >= frames, (sizes - frames) // stride + 1, 0)
    covered = np.where(whole > 0, (whole - 1) * stride + frames, 0)
    count = whole + (tails & (covered < sizes))
    place = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    starts = np.repeat(runs.starts, count) + place * stride
    return Windows(starts, np.minimum(frames, np.repeat(runs.starts + sizes, count) - starts))


def gather_held(column: ndarray, windows: Windows, frames: int) -> ndarray:
    """Windows of a column, [window, frames, ...]; a shorter one is held at its last row."""
    reach = np.minimum(np.arange(frames), windows.lengths[:, None] - 1)
    return column[windows.starts[:, None] + reach]


@dataclass(frozen=True)
class Annotation:
    """What is known of a batch of clips; what is not known may hold any number, under its mask."""

    keypoints_2d: Float[Tensor, "*b time 49 3"]
    """x, y in half crop sides from the crop's centre, confidence; an unknown joint has confidence 0."""
    points: Float[Tensor, "*b time 49 3"]
    """The 49 joints, metres, about any point."""
    rotmat: Float[Tensor, "*b time 24 3 3"]
    betas: Float[Tensor, "*b time 10"]
    has_points: Bool[Tensor, "*b time"]
    """Frames whose `points` are known (the published data's w_3d)."""
    has_theta: Bool[Tensor, "*b time"]
    """Frames whose `rotmat` and `betas` are known (the published data's w_smpl): those of the neutral body."""


@dataclass(frozen=True)
class ClipBatch:
    """What one step learns from."""

    evidence: Float[Tensor, "batch time feature"]
    """ResNet-50's features of each frame."""
    truth: Annotation


@dataclass(frozen=True)
class Portion:
    """One set of a mix."""

    store: Store
    frames: int
    starts: Int[ndarray, "window"]
    """Where its windows of so many frames begin."""
    weight: float
    """How often it is drawn, beside the others of its kind."""
    has_theta: Bool[ndarray, "row"]
    """What `neutral_parameters` says of the store."""


def portion(store: Store, frames: int, weight: float | None = None) -> Portion:
    """What of a store is to train on, as part of a mix; without a weight every window of every set is as likely.

    Frames without features are gaps. Raises ValueError if no window fits in.
    """
    where = np.array(store.columns["has_features"]) if "has_features" in store.columns else None
    starts = tile(find_runs(store, "train", where), frames, 1).starts
    if len(starts) == 0:
        raise ValueError(f"{store.folder} has nowhere {frames} frames in a row in its split 'train'")
    return Portion(store, frames, starts, float(len(starts)) if weight is None else weight, neutral_parameters(store))


def neutral_parameters(store: Store) -> Bool[ndarray, "row"]:
    """Rows whose poses and betas are known and those of the neutral body, which is what a network learns to move.

    The same ten betas make another shape of a male or female body, so recordings of those teach by their points alone.
    """
    known = np.array(store.column("has_theta"))
    for each in store.sequences:
        if each.gender != "neutral":
            known[each.rows] = False
    return known


def is_labelled(store: Store) -> bool:
    """Whether a store knows anything in 3D that can be learnt; clips of one that does not are 2D clips."""
    return bool(store.column("has_points").any() or neutral_parameters(store).any())


def draw_clips(kinds: Sequence[tuple[int, Sequence[Portion]]], random: np.random.Generator) -> ClipBatch:
    """So many random windows of each kind, one kind after the other; of its sets as often as their weights say."""
    chosen: list[Portion] = []
    for count, portions in kinds:
        weights = np.array([each.weight for each in portions])
        chosen += [portions[at] for at in random.choice(len(portions), count, p=weights / weights.sum())]
    windows, frames = [(each, int(random.choice(each.starts))) for each in chosen], chosen[0].frames

    def column(name: str) -> Tensor:
        """The windows of a column; 0 where a set lacks it."""
        dtype, shape = column_layout(name)
        out = np.zeros((len(windows), frames, *shape), dtype)
        for place, (each, start) in enumerate(windows):
            if name in each.store.columns:
                out[place] = each.store.columns[name][start : start + frames]
        return torch.from_numpy(out)

    box, keypoints = column("box_px"), column("keypoints_px.spin49")
    half = cameras.crop_side(box).clamp_min(1e-3)[..., None, None] / 2
    truth = Annotation(
        keypoints_2d=torch.cat([(keypoints[..., :2] - box[..., None, :2]) / half, keypoints[..., 2:]], -1),
        points=column("points.spin49"),
        rotmat=roma.rotvec_to_rotmat(column("poses").unflatten(-1, (-1, 3))),
        betas=column("betas"),
        has_points=column("has_points"),
        has_theta=torch.from_numpy(np.stack([each.has_theta[at : at + frames] for each, at in windows])),
    )
    return ClipBatch(column("features").float(), truth)
