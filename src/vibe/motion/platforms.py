"""What people stand on that is higher than the world's floor: a stage, a roof, a treadmill, as far as contacts tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import median_filter

from vibe.body.skin_points import lower_around
from vibe.motion.record import Motion
from vibe.skeletons import SMPL

FEET = [SMPL.index(name) for name in ("left_ankle", "left_foot", "right_ankle", "right_foot")]
SOLES = np.array([0.08, 0.025, 0.08, 0.025], np.float32)
"""Metres from these joints to the sole below them."""
STANDS = 0.5
"""Probability from which a heel or a toe is taken to stand."""
LEAST = 0.15
"""Metres above the floor from which it is something else than the floor that somebody stands on."""
SAME = 0.12
"""Metres by which two heights may differ and be those of one platform."""
LASTS = 0.4
"""Seconds that somebody stands on something at least, and over which its height is a median."""
BETWEEN = 1.0
"""Metres between two at the same height that are one."""
MARGIN = 0.5
"""Metres that it reaches beyond the pelvis of who stands on it."""


@dataclass(frozen=True)
class Platform:
    """A level disc in the world that people stand on for a while."""

    people: tuple[int, ...]
    """Numbers of those who do."""
    first: int
    """Frame of the clip."""
    last: int
    height: float
    """Metres above the floor."""
    centre: Float[ndarray, "2"]
    """x and y in the world."""
    radius: float


def find_platforms(people: Sequence[tuple[int, Motion]]) -> tuple[Platform, ...]:
    """What these people, by number, stand on above the world's floor, the lowest first; none where no world is known.

    People who stand at the same height, and near enough, stand on one.
    """
    found: list[Platform] = []
    for platform in [each for number, motion in people for each in _of_one(number, motion)]:
        joined = next((other for other in found if _is_one(platform, other)), None)
        if joined is None:
            found.append(platform)
        else:
            found[found.index(joined)] = _joined(platform, joined)
    return tuple(sorted(found, key=lambda platform: platform.height))


def _of_one(number: int, motion: Motion) -> list[Platform]:
    """Those of one person: stretches of frames in which the height of what is under the feet stays about the same."""
    heights = standing_heights(motion)
    apart = np.flatnonzero((np.abs(np.diff(heights)) > SAME) | (np.diff(motion.frames) > 1)) + 1
    platforms = []
    for rows in np.split(np.arange(len(heights)), apart):
        if not len(rows) or heights[rows].mean() < LEAST or motion.times[rows[-1]] - motion.times[rows[0]] < LASTS:
            continue
        spots = motion.pelvis_world[rows, :2]
        low, high = spots.min(0), spots.max(0)
        radius = float(np.linalg.norm(high - low)) / 2 + MARGIN
        first, last = (int(motion.frames[row]) for row in rows[[0, -1]])
        platforms.append(Platform((number,), first, last, float(np.median(heights[rows])), (low + high) / 2, radius))
    return platforms


def standing_heights(motion: Motion) -> Float[ndarray, "time"]:
    """How high above the world's floor what somebody stands on is, metres: 0 on it, and where that is not known.

    Between two stances it is the lower of both.
    """
    heights = np.zeros(len(motion), np.float32)
    if motion.contacts is None or motion.space == "camera" or len(motion) < 2:
        return heights
    soles = motion.joints_world[:, FEET, 2] - SOLES
    lowest = np.where(motion.contacts > STANDS, soles, np.inf).min(1)
    stances = np.flatnonzero(np.isfinite(lowest))
    if not len(stances):
        return heights
    around = 2 * round(LASTS / float(np.median(np.diff(motion.times)))) + 1
    lowest[stances] = median_filter(lowest[stances], around, mode="nearest")
    heights = lower_around(lowest, np.isfinite(lowest))
    return np.where(heights < LEAST, 0, heights)


def _is_one(one: Platform, two: Platform) -> bool:
    together = one.first <= two.last and two.first <= one.last
    near = np.linalg.norm(one.centre - two.centre) < one.radius + two.radius + BETWEEN
    return together and bool(near) and abs(one.height - two.height) < SAME


def _joined(one: Platform, two: Platform) -> Platform:
    """The smallest disc around both, at their mean height, while either is there."""
    small, large = sorted((one, two), key=lambda each: each.radius)
    way = small.centre - large.centre
    apart = float(np.linalg.norm(way))
    centre, radius = large.centre, large.radius
    if apart + small.radius > radius:
        radius = (apart + small.radius + large.radius) / 2
        centre = large.centre + way / apart * (radius - large.radius)
    people = (*two.people, *(number for number in one.people if number not in two.people))
    height, span = (one.height + two.height) / 2, {"first": min(one.first, two.first), "last": max(one.last, two.last)}
    return replace(two, people=people, height=height, centre=centre, radius=radius, **span)
