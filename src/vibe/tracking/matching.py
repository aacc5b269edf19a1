"""Which reading or detection is whose: by place, size, clothes and sureness."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array
from scipy.optimize import linear_sum_assignment

from vibe.tracking import appearance
from vibe.tracking.pose_model import Landmarks

CONTEST = 0.05
"""Overlap of two people's bodies over the smaller one from which a place is contested."""
SAME_PLACE, SAME_SIZE = 0.15, 0.5
"""Distance over the side, and logarithm of the growth, up to which a detection is of the person in a region."""
AWAY, UNSURE, DRESSED = 1.5, 0.5, 0.8
"""Cost of a reading that lies a region's side away, of one that is not sure at all, and the most of other clothes."""

CLOSER, SHIFTS = 0.8, (0.0, -0.12, 0.12)
"""Side of the region of a closer look, which shows less of whoever stands beside, and where it is, over the side."""
STRAYED = 0.15
"""Cost of a reading that was made in another region than the person's."""


def pair_regions(regions: Sequence[Float[Array, "4"]], starts: Sequence[Float[Array, "4"]]) -> list[tuple[int, int]]:
    """Which region of a tracked person is which of the detector's: the assignment of least distance and growth."""
    if not regions or not starts:
        return []
    one, other = np.array(regions, float)[:, None], np.array(starts, float)[None]
    apart = np.linalg.norm(one[..., :2] - other[..., :2], axis=-1) / one[..., 2]
    growth = np.abs(np.log(np.maximum(other[..., 2], 1e-6) / one[..., 2]))
    near = (apart < SAME_PLACE) & (growth < SAME_SIZE)
    pairs = zip(*linear_sum_assignment(np.where(near, apart + 0.3 * growth, 10.0)), strict=True)
    return [(int(n), int(m)) for n, m in pairs if near[n, m]]


def body_overlap(one: Float[Array, "*b 4"], other: Float[Array, "*b 4"]) -> Float[Array, "*b"]:
    """Of two people's regions: how far the narrow boxes of upright people in their middle overlap."""
    boxes = np.array([one, other])[..., [0, 1, 2, 2]] * (1, 1, 0.35, 0.7)
    low, high = boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2
    shared = np.clip(high.min(0) - low.max(0), 0, None).prod(-1)
    return np.asarray(shared / boxes[..., 2:].prod(-1).min(0))


def lowest(regions: Sequence[Float[Array, "4"]]) -> float:
    """How far down a body reached on the median, about: of two people on a floor, the nearer one's further."""
    return float(np.median([region[1] + region[2] / 2 for region in regions]))


def closer(region: Float[Array, "4"]) -> list[Float[Array, "4"]]:
    """Regions of a closer look at somebody, and to their sides."""
    return [region * (1, 1, CLOSER, 1) + (shift * region[2], 0, 0, 0) for shift in SHIFTS]


def sureness(landmarks: Landmarks) -> float:
    """Presence times mean confidence of the keypoints."""
    return landmarks.presence * float(landmarks.keypoints_px[:, 2].mean())


def assign_readings(
    expected: Sequence[tuple[Float[Array, "4"], Float[Array, "128"]]],
    readings: Sequence[tuple[Landmarks, Float[Array, "128"]]],
    most_cost: float,
    same_person: float,
) -> dict[int, int]:
    """For each person with a region and a look the reading, with the look in it, that is most like them.

    The cheapest assignment is made, in which a reading in somebody else's region costs `STRAYED` more. Two people get
    no readings that are more similar than `same_person`, and nobody one that costs more than `most_cost`: about 0.1 to
    0.6 is a person's own, 1 and more that of others.
    """
    if not expected or not readings:
        return {}
    costs = np.array(
        [
            [
                _cost(region, each)
                + min(appearance.dissimilarity(own, look), DRESSED)
                + STRAYED * (not np.array_equal(each.region[:2], region[:2]))
                for each, look in readings
            ]
            for region, own in expected
        ]
    )
    found: dict[int, int] = {}
    pairs = zip(*linear_sum_assignment(np.minimum(costs, 2 * most_cost)), strict=True)
    for person, n in sorted(pairs, key=lambda pair: costs[pair]):
        points = readings[n][0].keypoints_px
        given = [readings[other][0].keypoints_px for other in found.values()]
        free = all(appearance.similarity(points, other) <= same_person for other in given)
        if costs[person, n] <= most_cost and free:
            found[int(person)] = int(n)
    return found


def _cost(expected: Array, reading: Landmarks) -> float:
    """How far a reading lies from where it was expected, how much it grew, and how unsure it is."""
    away = np.linalg.norm(reading.follow[:2] - expected[:2]) / expected[2]
    growth = abs(math.log(max(reading.follow[2], 1e-6) / expected[2]))
    return float(AWAY * away + growth + UNSURE * (1 - sureness(reading)))
