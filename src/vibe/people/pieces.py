"""Pieces of a person's track, between two losses of sight, and which of them belong to one person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.optimize import linear_sum_assignment

from vibe.people import evidence

END = 0.25
"""Seconds at a piece's end that tell how the person moved and looked there."""
SHORT = 5
"""Frames below which a piece tells too little to decide who is who: the longer ones are linked first."""


@dataclass(frozen=True)
class Piece:
    """One person seen without a loss."""

    frames: Int[Array, "time"]
    """Indices into the clip, increasing."""
    times: Float[Array, "time"]
    """Seconds."""
    keypoints_px: Float[Array, "time 17 3"]
    """COCO-17: x, y, confidence."""
    region: Float[Array, "time 4"]
    """Where the keypoints were read: centre x, centre y, side, turn."""
    look: Float[Array, "time 128"]
    """What the person wears."""

    def __getitem__(self, part: slice | Bool[Array, "time"]) -> Piece:
        """Some of the frames."""
        return Piece(*(values[part] for values in vars(self).values()))


def join(pieces: Sequence[Piece]) -> Piece:
    """Pieces of one person, in order of time, as one."""
    return Piece(*(np.concatenate(values) for values in zip(*(vars(piece).values() for piece in pieces), strict=True)))


def link(pieces: Sequence[Piece], most_gap: float, most_cost: float = 1.0) -> list[Piece]:
    """Join the pieces that belong to one person, where the gap is at most `most_gap` seconds and the cost low enough.

    Long pieces are linked by the cheapest assignment of ends to later beginnings; short ones then join the chain
    that they fit best.
    """
    pieces = sorted(pieces, key=lambda piece: piece.times[0])
    chains = _chains([piece for piece in pieces if len(piece.frames) >= SHORT], most_gap, most_cost)
    for short in (piece for piece in pieces if len(piece.frames) < SHORT):
        costs = [_fit(short, chain, most_gap, most_cost) for chain in chains]
        if costs and min(costs) <= most_cost:
            chain = chains[int(np.argmin(costs))]
            chain.append(short)
            chain.sort(key=lambda piece: piece.times[0])
        else:
            chains.append([short])
    return [join(chain) for chain in chains]


def _chains(pieces: list[Piece], most_gap: float, most_cost: float) -> list[list[Piece]]:
    """Pieces grouped by person and in order of time."""
    count = len(pieces)
    cost = np.full((count, count), 2 * most_cost)
    for i, early in enumerate(pieces):
        for j, late in enumerate(pieces):
            if 0 < late.times[0] - early.times[-1] <= most_gap:
                cost[i, j] = min(gap_cost(early, late), 2 * most_cost)
    after = {i: j for i, j in zip(*linear_sum_assignment(cost), strict=True) if cost[i, j] <= most_cost}
    chains = []
    for first in sorted(set(range(count)) - set(after.values())):
        chain = [first]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        chains.append([pieces[n] for n in chain])
    return chains


def _fit(short: Piece, chain: Sequence[Piece], most_gap: float, most_cost: float) -> float:
    """What it costs to put a short piece into a chain; twice the most where there is no room."""
    before = [piece for piece in chain if piece.times[0] <= short.times[0]]
    after = [piece for piece in chain if piece.times[0] > short.times[0]]
    pairs = [(one, other) for one, other in ((before[-1:], [short]), ([short], after[:1])) if one and other]
    gaps = [late[0].times[0] - early[0].times[-1] for early, late in pairs]
    if min(gaps) <= 0 or min(gaps) > most_gap:
        return 2 * most_cost
    return max(gap_cost(early[0], late[0]) for early, late in pairs)


def gap_cost(early: Piece, late: Piece) -> float:
    """How unlikely one person is to make both pieces: place, size and look; about 0 to 1 for the same person."""
    gap = late.times[0] - early.times[-1]
    before, after = early[early.times >= early.times[-1] - END], late[late.times <= late.times[0] + END]
    size = np.median(np.concatenate([piece.region[:, 2] for piece in (before, after)]))
    forward = _place(before, late.times[0]) - after.region[0, :2]
    backward = _place(after, early.times[-1]) - before.region[-1, :2]
    still = after.region[0, :2] - before.region[-1, :2]
    miss = min(np.linalg.norm(forward + -backward) / 2, np.linalg.norm(still)) / size
    growth = abs(np.log(np.median(after.region[:, 2]) / np.median(before.region[:, 2])))
    unlike = evidence.unlike(*(_mean_look(piece) for piece in (before, after)))
    return float(miss / (0.25 + 0.5 * gap) * 0.5 + growth * 0.5 + max(unlike - 0.2, 0) * 1.2)


def _mean_look(piece: Piece) -> Array:
    """The look of a piece as one, again of unit length in each half."""
    mean = (piece.look.astype(np.float32) ** 2).mean(0)
    return np.sqrt(mean / (mean.sum() / 2))


def _place(piece: Piece, time: float) -> Array:
    """Where a person would be at another time, at the piece's mean velocity, which fades over half a second."""
    times = piece.times - piece.times.mean()
    spread = (times**2).sum()
    velocity = times @ piece.region[:, :2] / spread if spread > 1e-3 else np.zeros(2)
    nearest = -1 if time > piece.times[-1] else 0
    ahead = time - piece.times[nearest]
    return piece.region[nearest, :2] + velocity * np.clip(ahead, -0.5, 0.5)
