"""The focal length that a pan shows: the one with which rotations alone explain how the background moves."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from vibe.world.background import TURNED, Background
from vibe.world.key_views import rotations_of_rays

TRIED = np.geomspace(0.3, 5.0, 64)
"""Focal lengths that are tried, in diagonals of the picture: angles of view from 118 to 11 degrees."""
STRETCHES, FAR = 48, 0.35
"""Of each of so many stretches of the clip the frame is taken that is farthest from its key frame, unless it is nearer
than this share of the farthest."""
LEAST_DEG, FITS = 2.0, 6e-4
"""A pan that turns less away from its key frames tells nothing; nor does one whose points lie farther from where
rotations have them on the median, in longer sides of the picture: that camera travels, or zooms."""
SCALE = 1e-3
"""Distance from there at which a point begins to count less, in longer sides."""
BLOCKS, DRAWS = 8, 100
"""Into how many parts the frames are cut, and how often parts are drawn anew, to see how far the answer varies."""
FLOOR, WORST = 0.01, 0.08
"""The least error that is stated, for lenses are no pinholes, and the largest with which there still is an answer."""


def focal_from_pan(background: Background, size_px: tuple[int, int]) -> tuple[float, float] | None:
    """The focal length of a camera that turned, and its expected error (one sigma), pixels; None if it does not show.

    `size_px` is the picture's width and height. Where f is too long, rotations are taken for too small, and points near
    the rim are not where they should be: a wrong f costs more the farther the camera turns.
    """
    # In one piece: what the search over focal lengths gives is judged by four tests in a row, each of its numbers.
    diagonal, longer = math.hypot(*size_px), max(size_px)
    samples = _farthest(background, longer)
    if len(samples) < BLOCKS:
        return None
    pairs, _, inliers = background.pairs_px(samples, longer)
    costs, residuals, turns = np.zeros((3, len(TRIED), len(samples)))
    for number, share in enumerate(TRIED):
        K_px = np.diag([share * diagonal, share * diagonal, 1.0])
        R_key_cam, away = rotations_of_rays(pairs[..., 2:], pairs[..., :2], inliers, K_px)
        costs[number] = (np.log1p((away / (SCALE * longer)) ** 2) * inliers).sum(1) / inliers.sum(1)
        residuals[number] = np.nanmedian(np.where(inliers, away, np.nan), axis=1)
        turns[number] = np.degrees(np.arccos(R_key_cam[:, 2, 2].clip(-1, 1)))
    place = lowest_place(costs.mean(1))
    best = round(place)
    random, blocks = np.random.default_rng(0), np.array_split(np.arange(len(samples)), BLOCKS)
    drawn = [np.concatenate([blocks[n] for n in random.integers(0, BLOCKS, BLOCKS)]) for _ in range(DRAWS)]
    step = math.log(TRIED[1] / TRIED[0])
    error = math.hypot(step * float(np.std([lowest_place(costs[:, each].mean(1)) for each in drawn])), FLOOR)
    fits = np.median(residuals[best]) <= FITS * longer and np.median(turns[best]) >= LEAST_DEG
    if not fits or error > WORST or best in (0, len(TRIED) - 1):
        return None
    focal_px = float(TRIED[0] * math.exp(step * place) * diagonal)
    return focal_px, error * focal_px


def _farthest(background: Background, longer_px: int) -> Int[Array, "chosen"]:
    """The samples of a clip that are far from their key frames, spread over it."""
    turned = np.flatnonzero(background.kinds == TURNED)
    if not len(turned):
        return turned
    ends = background.ends[turned]
    starts = np.where(turned > 0, background.ends[turned - 1], 0)
    shifts = np.array(
        [
            np.median(np.abs(np.diff(background.pairs[start:end].reshape(-1, 2, 2).astype(float), axis=1)).max(-1))
            for start, end in zip(starts, ends, strict=True)
        ]
    )
    stretches = np.array_split(np.arange(len(turned)), min(STRETCHES, len(turned)))
    best = np.array([each[shifts[each].argmax()] for each in stretches])
    return turned[best[shifts[best] > FAR * shifts.max()]]


def lowest_place(costs: Float[Array, "tried"]) -> float:
    """Where the parabola through the lowest cost and its neighbours is lowest, as a number of the costs."""
    lowest = int(costs.argmin())
    if lowest in (0, len(costs) - 1):
        return float(lowest)
    before, here, after = costs[lowest - 1 : lowest + 2]
    return lowest + 0.5 * float(before - after) / float(before - 2 * here + after)
