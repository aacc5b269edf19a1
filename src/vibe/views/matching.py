"""Who in one view is who in another: by their pose, whichever way they face, then by where they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from vibe.views.camera_poses import PosedCamera, relative_pose
from vibe.views.record import Sighting

POSE, PLACE = 0.15, 0.08
"""Mean distance of two skeletons, metres, and of two pelvises as a share of their distance from the cameras, at which
people are as likely the same as not."""
UNLIKE = 1.5
"""Sum of both, in these units, beyond which two are not the same."""
LEAST = 10
"""Moments in which both views see somebody, of `STEP`."""
STEP = 1 / 15
"""Seconds."""
SHARED = 0.25
"""Seconds for which two tracks of one view may both be the same person."""


def pair_views(
    one: Sequence[Sighting], two: Sequence[Sighting], offset_s: float
) -> tuple[Float[ndarray, "3 3"], Float[ndarray, "3"], list[tuple[int, int]], float] | None:
    """R and t from a view to another whose clock is so much ahead, who is who, and how unlike they are, about 0 to 1.

    Each pair of people is a guess at the cameras, under which all others are compared. None where nobody is alike.
    """
    best = None
    both = {(i, j): _together(a, b, offset_s) for i, a in enumerate(one) for j, b in enumerate(two)}
    both = {pair: shared for pair, shared in both.items() if shared is not None}
    for guess in both.values():
        R, t, _ = relative_pose([guess[0]], [guess[1]])
        cost = np.full((len(one), len(two)), UNLIKE)
        for pair, shared in both.items():
            cost[pair] = min(unlikeness(*shared, R, t), UNLIKE)
        pairs = [(int(i), int(j)) for i, j in zip(*linear_sum_assignment(cost), strict=True) if cost[i, j] < UNLIKE]
        length = sum(len(both[pair][0].times) for pair in pairs)
        gain = sum((UNLIKE - cost[pair]) * len(both[pair][0].times) for pair in pairs)
        if pairs and (best is None or gain > best[0]):
            best = gain, pairs, 1 - gain / (UNLIKE * length)
    if best is None:
        return None
    R, t, _ = relative_pose(*([both[pair][side] for pair in best[1]] for side in (0, 1)))
    return R, t, best[1], float(best[2])


def same_people(views: Sequence[Sequence[Sighting]], cameras: Sequence[PosedCamera]) -> list[list[tuple[int, int]]]:
    """Everybody as the views and tracks in them that are theirs, the likest joined first.

    Tracks of one view are one person's only where they don't overlap in time.
    """
    tracks = [(view, track) for view, tracks in enumerate(views) for track in range(len(tracks))]
    costs = []
    for a, b in combinations(tracks, 2):
        if a[0] == b[0]:
            continue
        one, two = cameras[a[0]], cameras[b[0]]
        shared = _together(views[a[0]][a[1]], views[b[0]][b[1]], two.offset_s - one.offset_s)
        if shared is not None:
            R = two.R_view_ref @ one.R_view_ref.T
            cost = unlikeness(*shared, R, two.t_view_ref - R @ one.t_view_ref)
            costs.append((cost, a, b))
    groups = {track: [track] for track in tracks}
    for cost, a, b in sorted(costs):
        mine, other = groups[a], groups[b]
        if cost >= UNLIKE or mine is other or any(_clash(views, x, y) for x in mine for y in other):
            continue
        mine += other
        groups |= dict.fromkeys(other, mine)
    found = {id(group): group for group in groups.values()}
    return sorted((sorted(group) for group in found.values()), key=lambda group: group[0])


def unlikeness(one: Sighting, two: Sighting, R: Float[ndarray, "3 3"], t: Float[ndarray, "3"]) -> float:
    """How unlike two people are at the same moments in two views, the median; 1 where as likely the same as not."""
    apart = np.linalg.norm(one.points @ R.T - two.points, axis=-1).mean(-1) / POSE
    away = np.linalg.norm(one.pelvis @ R.T + t - two.pelvis, axis=-1)
    reach = np.linalg.norm(one.pelvis, axis=-1) + np.linalg.norm(two.pelvis, axis=-1)
    return float(np.median(0.5 * apart + 0.5 * away / (PLACE * reach)))


def _together(one: Sighting, two: Sighting, offset_s: float) -> tuple[Sighting, Sighting] | None:
    """Both at the moments in which both are seen; None if there are few."""
    low = max(one.times[0], two.times[0] - offset_s)
    high = min(one.times[-1], two.times[-1] - offset_s)
    if high - low < LEAST * STEP:
        return None
    times = np.arange(low, high, STEP)
    here, there = one.at(times), two.at(times + offset_s)
    both = here.seen & there.seen
    if both.sum() < LEAST:
        return None
    return one.at(times[both]), two.at(times[both] + offset_s)


def _clash(views: Sequence[Sequence[Sighting]], a: tuple[int, int], b: tuple[int, int]) -> bool:
    """Whether one person would be in two places of one picture."""
    if a[0] != b[0]:
        return False
    one, two = views[a[0]][a[1]].times, views[b[0]][b[1]].times
    return float(min(one[-1], two[-1]) - max(one[0], two[0])) > SHARED
