"""Pieces of a person's track, between two losses of sight, which of them belong to one person, and what is between."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.ndimage import median_filter
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching

from vibe.tracking import appearance
from vibe.tracking.matching import CONTEST, body_overlap

END = 0.25
"""Seconds at a tracklet's end in which motion and appearance are measured."""
SHORT = 5
"""Frames below which a tracklet is linked last: too few to compare by."""
WEAK, USUAL = 0.8, 4.0
"""A reading beside others is weak below this share of the median confidence in so many seconds around it ..."""
SLID = 0.15
"""... and of somebody else, if it is so far, over the person's size, from what the clear ones before and after tell."""
UNDONE, FIT = 0.5, 0.6
"""Most that it costs to go on with a track where it was parted, and to let in a short tracklet: most of somebody else
cost 0.7 and more, most of the person 0.5 at most."""
MOSTLY = 0.5
"""Share of a gap in which somebody else must be at the place of a person who is taken to be behind them."""
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
    track: int
    """Number of the track: tracklets of one are parted where somebody else may be seen from then on."""

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
        if costs and min(costs) <= FIT * most_cost:
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
            if starts[j] - end <= most_gap and (cost := _link_cost(early, stretches[j])) < 2 * most_cost:
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
    return max(_link_cost(early, late) for early, late in pairs)


def _link_cost(early: StoredTracklet, late: StoredTracklet) -> float:
    """Cost of linking two tracklets: where they are of one track, it is parted only for what is likelier."""
    cost = gap_cost(early.last, late.first)
    return min(cost, UNDONE) if early.track == late.track else cost


def gap_cost(before: TrackletEnd, after: TrackletEnd) -> float:
    """Cost of linking two ends by place, size and appearance; about 0 to 1 for the same person."""
    gap = after.times[0] - before.times[-1]
    size = np.median(np.concatenate([before.region[:, 2], after.region[:, 2]]))
    forward = place_at(before.times, before.region, after.times[0]) - after.region[0, :2]
    backward = place_at(after.times, after.region, before.times[-1]) - before.region[-1, :2]
    still = after.region[0, :2] - before.region[-1, :2]
    miss = min(np.linalg.norm(forward + -backward) / 2, np.linalg.norm(still)) / size
    growth = abs(np.log(np.median(after.region[:, 2]) / np.median(before.region[:, 2])))
    unlike = appearance.dissimilarity(before.look, after.look)
    return float(miss / (0.25 + 0.5 * gap) * 0.5 + growth * 0.5 + max(unlike - 0.2, 0) * 1.2)


def place_at(times: Float[Array, "time"], region: Float[Array, "time 4"], time: float) -> Float[Array, "2"]:
    """Where a person would be before or after some regions: at their mean velocity there, for half a second at most."""
    centred = times - times.mean()
    spread = (centred**2).sum()
    velocity = centred @ region[:, :2] / spread if spread > 1e-3 else np.zeros(2)
    nearest = -1 if time > times[-1] else 0
    return region[nearest, :2] + velocity * np.clip(time - times[nearest], -0.5, 0.5)


def place_ahead(end: TrackletEnd, time: float) -> Float[Array, "4"]:
    """The region of a person who is out of sight."""
    return np.concatenate([place_at(end.times, end.region, time), end.region[-1, 2:]])


def stretches_state(stretches: Sequence[StoredTracklet]) -> list[dict[str, Any]]:
    """Those who are out of sight, as plain values and arrays."""
    return [
        {"first": dict(vars(one.first)), "last": dict(vars(one.last)), "blocks": one.blocks, "track": one.track}
        for one in stretches
    ]


def stretches_from(state: Sequence[Mapping[str, Any]]) -> list[StoredTracklet]:
    """The stretches again; raises KeyError, TypeError or ValueError for what is none."""
    return [
        StoredTracklet(
            TrackletEnd(**one["first"]),
            TrackletEnd(**one["last"]),
            tuple((int(start), int(count)) for start, count in one["blocks"]),
            int(one["track"]),
        )
        for one in state
    ]


def beside(
    frames: Int[Array, "time"], region: Float[Array, "time 4"], others: Sequence[Tracklet]
) -> Bool[Array, "time"]:
    """In which frames a body in these regions would overlap that of somebody else who is seen there."""
    found = np.zeros(len(frames), bool)
    for other in others:
        there = np.isin(frames, other.frames) & ~found
        if there.any():
            found[there] = body_overlap(region[there], _between(frames[there], other.frames, other.region)) > CONTEST
    return found


def without_slid(person: Tracklet, others: Sequence[Tracklet]) -> Tracklet:
    """The person without weak readings, beside others, that leave the way between the clear ones around them."""
    confidence = person.keypoints_px[..., 2].mean(-1)
    window = round(USUAL / max(float(np.median(np.diff(person.times, prepend=-0.03))), 0.01)) | 1
    weak = np.flatnonzero(confidence < WEAK * median_filter(confidence, window))
    weak = weak[beside(person.frames[weak], person.region[weak], others)]
    clear = np.setdiff1d(np.arange(len(confidence)), weak)
    weak = weak[(weak > clear[0]) & (weak < clear[-1])]
    expected = _between(person.times[weak], person.times[clear], person.keypoints_px[clear])
    apart = (person.keypoints_px[weak] - expected)[..., :2]
    away = np.linalg.norm(apart, axis=-1).mean(-1) / appearance.size_px(expected)
    stays = ~np.isin(np.arange(len(confidence)), weak[away > SLID])
    return person if stays.all() else _rows(person, stays)


def with_ends(person: Tracklet, times: Float[Array, "frame"], others: Sequence[Tracklet], most: float) -> Tracklet:
    """The person with one row more, at confidence 0, at each end at which they are behind others for a while.

    There they are moved on as in the last `END` seconds, for `most` seconds and while the others are there.
    """
    for end, step in ((0, -1), (-1, 1)):
        part = np.abs(person.times - person.times[end]) <= END
        frames = person.frames[end] + step * np.arange(1, len(times))
        frames = frames[(frames >= 0) & (frames < len(times))]
        frames = frames[np.abs(times[frames] - person.times[end]) <= most + 1e-6]
        region = np.repeat(person.region[[end]], len(frames), 0)
        for row, frame in enumerate(frames):
            region[row, :2] = place_at(person.times[part], person.region[part], float(times[frame]))
        there = [one for one in others if one.frames[0] < person.frames[end] < one.frames[-1]]
        count = int(np.append(beside(frames, region, there), False).argmin())
        if count:
            person = _moved_on(person, end, int(frames[count - 1]), times, region[count - 1])
    return person


def fill_gaps(
    piece: Tracklet, times: Float[Array, "frame"], max_gap: float, longest: float, others: Sequence[Tracklet] = ()
) -> tuple[Int[Array, "_"], Float[Array, "_ 17 3"], Float[Array, "_ 33 8"] | None]:
    """Frames, keypoints and landmarks with gaps filled linearly, at confidence 0, `max_gap` / 2 seconds from each end.

    Whoever goes behind somebody, or comes forth, is in view for a while before and after the pose model can tell.
    Longer gaps, up to `longest` seconds, are filled wholly where the person is behind others meanwhile.
    """
    frames = np.arange(piece.frames[0], piece.frames[-1] + 1)
    after = np.searchsorted(piece.frames, frames)
    near = np.minimum(times[frames] - piece.times[np.maximum(after - 1, 0)], piece.times[after] - times[frames])
    stays = near <= max_gap / 2 + 1e-6
    for row in np.unique(after[~stays]):
        if piece.times[row] - piece.times[row - 1] > longest + 1e-6:
            continue
        inside = after == row
        inside[np.isin(frames, piece.frames[[row - 1, row]])] = False
        start, stop = piece.frames[[row - 1, row]]
        there = [one for one in others if not start < one.frames[0] <= one.frames[-1] < stop]
        region = _between(frames[inside], piece.frames, piece.region)
        stays[inside] |= beside(frames[inside], region, there).mean() >= MOSTLY
    frames = frames[stays]
    new = ~np.isin(frames, piece.frames)

    def filled(values: Array, sureness: slice) -> Array:
        found = _between(times[frames], piece.times, values).astype(values.dtype)
        found[new, :, sureness] = 0
        return found

    landmarks = None if piece.landmarks is None else filled(piece.landmarks, slice(5, None))
    return frames, filled(piece.keypoints_px, slice(2, None)), landmarks


def _between(wanted: Array, known: Array, values: Array) -> Array:
    """Values linearly between those that are known, each along the first axis."""
    columns = [np.interp(wanted, known, column) for column in values.reshape(len(values), -1).T]
    return np.stack(columns, 1).reshape(-1, *values.shape[1:])


def _rows(person: Tracklet, chosen: Array) -> Tracklet:
    """Some rows of a person, copied."""
    return replace(person, **{name: each[chosen] for name, each in vars(person).items() if each is not None})


def _moved_on(person: Tracklet, end: int, frame: int, times: Array, region: Array) -> Tracklet:
    """The person with one row more at an end, as the last one there, but moved to a region, at confidence 0."""
    rows = np.arange(len(person.frames))
    person = _rows(person, np.insert(rows, 0 if end == 0 else len(rows), rows[end]))
    for points, sureness in ((person.keypoints_px, 2), (person.landmarks, 5)):
        if points is not None:
            points[end, :, :2] += region[:2] - person.region[end, :2]
            points[end, :, sureness:] = 0
    person.frames[end], person.times[end], person.region[end] = frame, times[frame], region
    return person
