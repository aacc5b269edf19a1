"""Which reading or detection is whose: by place, size, clothes and sureness."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array
from scipy.optimize import linear_sum_assignment

from vibe.tracking import appearance
from vibe.tracking.pose_model import Landmarks

SAME_PLACE, SAME_SIZE = 0.15, 0.5
"""Distance over the side, and logarithm of the growth, up to which a detection is of the person in a region."""
AWAY, UNSURE, DRESSED = 1.5, 0.5, 0.8
"""Cost of a reading that lies a region's side away, of one that is not sure at all, and the most of other clothes."""


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


def body_overlap(one: Float[Array, "4"], other: Float[Array, "4"]) -> float:
    """Of two people's regions: how far the narrow boxes of upright people in their middle overlap."""
    boxes = np.array([one, other])[:, [0, 1, 2, 2]] * (1, 1, 0.35, 0.7)
    low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
    shared = np.clip(high.min(0) - low.max(0), 0, None).prod()
    return float(shared / boxes[:, 2:].prod(-1).min())


def sureness(landmarks: Landmarks) -> float:
    """Presence times mean confidence of the keypoints."""
    return landmarks.presence * float(landmarks.keypoints_px[:, 2].mean())


def assign_readings(
    rgb: UInt8[Array, "height width 3"],
    expected: Sequence[tuple[Float[Array, "4"], Float[Array, "128"]]],
    readings: Sequence[Landmarks],
    most_cost: float,
    same_person: float,
) -> dict[int, tuple[Landmarks, Float[Array, "128"]]]:
    """For each person with a region and a look the reading that is most like them, and the look in it.

    The cheapest pairs are made first. Two people get no readings that are more similar than `same_person`, and nobody
    one that costs more than `most_cost`: about 0.1 to 0.6 is a person's own, 1 and more that of others.
    """
    looks = [appearance.clothing(rgb, reading.keypoints_px) for reading in readings]
    costs = sorted(
        (_cost(region, each) + min(appearance.dissimilarity(own, look), DRESSED), person, n)
        for person, (region, own) in enumerate(expected)
        for n, (each, look) in enumerate(zip(readings, looks, strict=True))
    )
    found: dict[int, tuple[Landmarks, Array]] = {}
    for cost, person, n in costs:
        points = readings[n].keypoints_px
        free = all(appearance.similarity(points, other.keypoints_px) <= same_person for other, _ in found.values())
        if cost <= most_cost and person not in found and free:
            found[person] = readings[n], looks[n]
    return found


def _cost(expected: Array, reading: Landmarks) -> float:
    """How far a reading lies from where it was expected, how much it grew, and how unsure it is."""
    away = np.linalg.norm(reading.follow[:2] - expected[:2]) / expected[2]
    growth = abs(math.log(max(reading.follow[2], 1e-6) / expected[2]))
    return float(AWAY * away + growth + UNSURE * (1 - sureness(reading)))
