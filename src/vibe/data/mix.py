"""Windows of several sets side by side, each set as often as its weight says: what a step of training learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from vibe.data.recording import column_layout
from vibe.data.store import Store
from vibe.data.windows import Places, draw, find_places, find_runs


@dataclass(frozen=True)
class Clips:
    """Windows as stores hold them; what a set does not have is 0, and its mask False."""

    features: Float[ndarray, "clip time 2048"]
    keypoints_px: Float[ndarray, "clip time 49 3"]
    """In the set `spin49`: x, y, confidence."""
    points: Float[ndarray, "clip time 49 3"]
    """In the set `spin49`, metres."""
    poses: Float[ndarray, "clip time 72"]
    betas: Float[ndarray, "clip time 10"]
    box_px: Float[ndarray, "clip time 4"]
    has_points: Bool[ndarray, "clip time"]
    has_theta: Bool[ndarray, "clip time"]
    """Frames whose poses and betas are those of the neutral body."""


COLUMNS = {each.name: each.name for each in fields(Clips) if each.name != "has_theta"} | {
    "keypoints_px": "keypoints_px.spin49",
    "points": "points.spin49",
}
"""The column that each field of `Clips` is of, but for `has_theta`, which is of two."""
NEUTRAL = "neutral"


@dataclass(frozen=True)
class Portion:
    """One set of a mix."""

    store: Store
    places: Places
    """Where its windows may begin."""
    weight: float
    """How often it is drawn, beside the others of its kind."""
    has_theta: Bool[ndarray, "row"]
    """What `neutral_theta` says of the store."""


def portion(store: Store, frames: int, weight: float | None = None, split: str = "train") -> Portion:
    """A split of a store as part of a mix; without a weight every window of every set is as likely.

    Frames without features are gaps. Raises ValueError if no window fits in.
    """
    where = np.array(store.columns["has_features"]) if "has_features" in store.columns else None
    places = find_places(find_runs(store, split, where), frames)
    if len(places) == 0:
        raise ValueError(f"{store.folder} has nowhere {frames} frames in a row in its split {split!r}")
    return Portion(store, places, float(len(places)) if weight is None else weight, neutral_theta(store))


def neutral_theta(store: Store) -> Bool[ndarray, "row"]:
    """Rows whose poses and betas are known and those of the neutral body, which is what a network learns to move.

    The same ten betas make another shape of a male or female body, so recordings of those teach by their points alone.
    """
    known = np.array(store.column("has_theta"))
    for each in store.sequences:
        if each.gender != NEUTRAL:
            known[each.rows] = False
    return known


def is_labelled(store: Store) -> bool:
    """Whether a store knows anything in 3D that can be learnt; clips of one that does not are 2D clips."""
    return bool(store.column("has_points").any() or neutral_theta(store).any())


def draw_clips(kinds: Sequence[tuple[int, Sequence[Portion]]], random: np.random.Generator) -> Clips:
    """So many random windows of each kind, one kind after the other; of its sets as often as their weights say."""
    chosen: list[Portion] = []
    for count, portions in kinds:
        weights = np.array([each.weight for each in portions])
        chosen += [portions[at] for at in random.choice(len(portions), count, p=weights / weights.sum())]
    starts = [int(draw(each.places, 1, random)[0]) for each in chosen]
    windows, frames = [(each.store, at) for each, at in zip(chosen, starts, strict=True)], chosen[0].places.frames
    found = {name: _stacked(column, windows, frames) for name, column in COLUMNS.items()}
    has_theta = np.stack([each.has_theta[at : at + frames] for each, at in zip(chosen, starts, strict=True)])
    return Clips(**found, has_theta=has_theta)


def _stacked(column: str, windows: Sequence[tuple[Store, int]], frames: int) -> ndarray:
    dtype, shape = column_layout(column)
    out = np.zeros((len(windows), frames, *shape), dtype)
    for place, (store, start) in enumerate(windows):
        if column in store.columns:
            out[place] = store.columns[column][start : start + frames]
    return out
