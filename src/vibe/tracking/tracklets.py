"""Pieces of a person's track, between two losses of sight, and which of them belong to one person."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from vibe.tracking import appearance

END = 0.25
"""Seconds at a tracklet's end in which motion and appearance are measured."""
SHORT = 5
"""Frames below which a tracklet is linked last: too few to compare by."""
Block = tuple[int, int]
"""Rows: which is the first, and how many."""


@dataclass(frozen=True)
class Tracklet:
    """One person tracked without a loss."""

    frames: Int[Array, "time"]
    """Indices into the clip, increasing."""
    times: Float[Array, "time"]
    """Seconds."""
    keypoints_px: Float[Array, "time 17 3"]
    """COCO-17: x, y, confidence."""
    region: Float[Array, "time 4"]
    """The pose model's region: centre x, centre y, side, turn."""
    look: Float[Array, "time 128"] | None = None
    """Appearance of the clothes; None where it is not needed."""
    landmarks: Float[Array, "time 33 8"] | None = None
    """As in `records.Track`; zeros, or None, of a pose model that has none."""


@dataclass(frozen=True)
class TrackletEnd:
    """Motion and appearance at the beginning or end of a tracklet."""

    times: Float[Array, "time"]
    """Seconds, `END` from first to last at most."""
    region: Float[Array, "time 4"]
    """As in `Tracklet`."""
    look: Float[Array, "128"]
    """Mean appearance of the clothes."""


@dataclass(frozen=True)
class StoredTracklet:
    """A tracklet whose frames are stored in rows; the ends, by which it is linked, are in memory."""

    first: TrackletEnd
    last: TrackletEnd
    blocks: tuple[Block, ...]
    """Where the frames are."""

    @property
    def count(self) -> int:
        """Frames."""
        return sum(count for _, count in self.blocks)


def first_end(piece: Tracklet) -> TrackletEnd:
    """The beginning of a tracklet with appearance."""
    return _end(piece, piece.times <= piece.times[0] + END)


def last_end(piece: Tracklet) -> TrackletEnd:
    """The end of a tracklet with appearance."""
    return _end(piece, piece.times >= piece.times[-1] - END)


def _end(piece: Tracklet, part: Bool[Array, "time"]) -> TrackletEnd:
    """Some frames; the mean look is again of unit length in each half."""
    assert piece.look is not None
    mean = (piece.look[part].astype(np.float32) ** 2).mean(0)
    return TrackletEnd(piece.times[part], piece.region[part], np.sqrt(mean / (mean.sum() / 2)))


def link_tracklets(
    stretches: Sequence[StoredTracklet], most_gap: float, most_cost: float = 1.0
) -> list[list[StoredTracklet]]:
    """Groups that belong to one person each, where gaps are at most `most_gap` seconds and costs low enough.

    Long tracklets are linked by the cheapest assignment of ends to later beginnings; short ones then join the chain
    that they fit best.
    """
    stretches = sorted(stretches, key=lambda one: one.first.times[0])
    chains = _chains([one for one in stretches if one.count >= SHORT], most_gap, most_cost)
    around: defaultdict[int, set[int]] = defaultdict(set)
    for n, chain in enumerate(chains):
        for one in chain:
            _register(one, n, around, most_gap)
    for short in (one for one in stretches if one.count < SHORT):
        near = sorted({n for bucket in _buckets(short, most_gap) for n in around[bucket]})
        costs = [_fit(short, chains[n], most_gap, most_cost) for n in near]
        if costs and min(costs) <= most_cost:
            best = near[int(np.argmin(costs))]
            chains[best].insert(bisect_right(chains[best], _begins(short), key=_begins), short)
        else:
            best = len(chains)
            chains.append([short])
        _register(short, best, around, most_gap)
    return chains


def _begins(one: StoredTracklet) -> float:
    return float(one.first.times[0])


def _register(one: StoredTracklet, chain: int, around: dict[int, set[int]], most_gap: float) -> None:
    """Index a chain by the times, in steps of the longest gap, at which one of its tracklets begins and ends."""
    for time in (one.first.times[0], one.last.times[-1]):
        around[int(time // max(most_gap, END))].add(chain)


def _buckets(one: StoredTracklet, most_gap: float) -> set[int]:
    """Index entries of what begins or ends within the longest gap of this tracklet."""
    before, after = (int(time // max(most_gap, END)) for time in (one.first.times[0], one.last.times[-1]))
    return {before - 1, before, after, after + 1}


def _chains(stretches: list[StoredTracklet], most_gap: float, most_cost: float) -> list[list[StoredTracklet]]:
    """Those of one person each, in order of time; each may also stay without a successor, for twice the most cost."""
    count = len(stretches)
    starts = [_begins(one) for one in stretches]
    costs: dict[tuple[int, int], float] = {(i, count + i): 2 * most_cost for i in range(count)}
    for i, early in enumerate(stretches):
        end = float(early.last.times[-1])
        for j in range(bisect_right(starts, end), bisect_right(starts, end + most_gap + 1e-6)):
            if starts[j] - end <= most_gap and (cost := gap_cost(early.last, stretches[j].first)) < 2 * most_cost:
                costs[i, j] = cost
    after = {i: j for i, j in _cheapest(costs, count) if j < count and costs[i, j] <= most_cost}
    chains = []
    for first in sorted(set(range(count)) - set(after.values())):
        chain = [first]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        chains.append([stretches[n] for n in chain])
    return chains


def _cheapest(costs: dict[tuple[int, int], float], count: int) -> list[tuple[int, int]]:
    """The pairs of the cheapest assignment of all `count` rows to different columns, of those that have a cost."""
    if not count:
        return []
    rows, columns = np.array(list(costs)).T
    weights = np.array(list(costs.values())) + 1  # a weight of 0 would be none; one more on each row changes nothing
    found = min_weight_full_bipartite_matching(csr_array((weights, (rows, columns)), shape=(count, 2 * count)))
    return [(int(i), int(j)) for i, j in zip(*found, strict=True)]


def _fit(short: StoredTracklet, chain: Sequence[StoredTracklet], most_gap: float, most_cost: float) -> float:
    """What it costs to put a short tracklet into a chain; twice the most where there is no room."""
    place = bisect_right(chain, _begins(short), key=_begins)
    pairs = list(pairwise([*chain[max(place - 1, 0) : place], short, *chain[place : place + 1]]))
    gaps = [late.first.times[0] - early.last.times[-1] for early, late in pairs]
    if min(gaps) <= 0 or min(gaps) > most_gap:
        return 2 * most_cost
    return max(gap_cost(early.last, late.first) for early, late in pairs)


def gap_cost(before: TrackletEnd, after: TrackletEnd) -> float:
    """Cost of linking two ends by place, size and appearance; about 0 to 1 for the same person."""
    gap = after.times[0] - before.times[-1]
    size = np.median(np.concatenate([before.region[:, 2], after.region[:, 2]]))
    forward = _place(before, after.times[0]) - after.region[0, :2]
    backward = _place(after, before.times[-1]) - before.region[-1, :2]
    still = after.region[0, :2] - before.region[-1, :2]
    miss = min(np.linalg.norm(forward + -backward) / 2, np.linalg.norm(still)) / size
    growth = abs(np.log(np.median(after.region[:, 2]) / np.median(before.region[:, 2])))
    unlike = appearance.dissimilarity(before.look, after.look)
    return float(miss / (0.25 + 0.5 * gap) * 0.5 + growth * 0.5 + max(unlike - 0.2, 0) * 1.2)


def _place(end: TrackletEnd, time: float) -> Array:
    """Where a person would be at another time, at their mean velocity there, which fades over half a second."""
    times = end.times - end.times.mean()
    spread = (times**2).sum()
    velocity = times @ end.region[:, :2] / spread if spread > 1e-3 else np.zeros(2)
    nearest = -1 if time > end.times[-1] else 0
    ahead = time - end.times[nearest]
    return end.region[nearest, :2] + velocity * np.clip(ahead, -0.5, 0.5)


def place_ahead(end: TrackletEnd, time: float) -> Float[Array, "4"]:
    """The region of a person who is out of sight."""
    return np.concatenate([_place(end, time), end.region[-1, 2:]])


def stretches_state(stretches: Sequence[StoredTracklet]) -> list[dict[str, Any]]:
    """Those who are out of sight, as plain values and arrays."""
    return [{"first": dict(vars(one.first)), "last": dict(vars(one.last)), "blocks": one.blocks} for one in stretches]


def stretches_from(state: Sequence[Mapping[str, Any]]) -> list[StoredTracklet]:
    """The stretches again; raises KeyError, TypeError or ValueError for what is none."""
    return [
        StoredTracklet(
            TrackletEnd(**one["first"]),
            TrackletEnd(**one["last"]),
            tuple((int(start), int(count)) for start, count in one["blocks"]),
        )
        for one in state
    ]
