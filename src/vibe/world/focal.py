"""The focal length that a pan or a travelling camera shows: the one that explains best how the background moves."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from vibe.records import UNITS, Background
from vibe.world.background import TURNED
from vibe.world.key_views import pairs_px, rotations_of_rays, sightings_of
from vibe.world.travel import Path, find_path, mean_cost, refined

PAN_FOCALS = np.geomspace(0.3, 5.0, 64)
"""Focal lengths that are tried, in diagonals of the picture: angles of view from 118 to 11 degrees."""
STRETCHES, FAR = 48, 0.35
"""Of each of so many stretches of the clip the frame is taken that is farthest from its key frame, unless it is nearer
than this share of the farthest."""
LEAST_DEG, FITS = 2.0, 6e-4
"""A pan that turns less away from its key frames tells nothing; nor does one whose points lie farther from where
rotations have them on the median, in longer sides of the picture: that camera travels, or zooms."""
SCALE = 1e-3
"""Distance from there at which a point begins to count less, in longer sides."""
BLOCKS = 8
"""Into how many parts the frames are cut, of which some are drawn."""
DRAWS = 100
"""How often parts or key frames are drawn anew, to see how far the answer varies."""
PAN_FLOOR, PAN_WORST = 0.01, 0.08
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
    pairs, _, inliers = pairs_px(background, samples, longer)
    costs, residuals, turns = np.zeros((3, len(PAN_FOCALS), len(samples)))
    for number, share in enumerate(PAN_FOCALS):
        K_px = np.diag([share * diagonal, share * diagonal, 1.0])
        R_key_cam, away = rotations_of_rays(pairs[..., 2:], pairs[..., :2], inliers, K_px)
        costs[number] = (np.log1p((away / (SCALE * longer)) ** 2) * inliers).sum(1) / inliers.sum(1)
        residuals[number] = np.nanmedian(np.where(inliers, away, np.nan), axis=1)
        turns[number] = np.degrees(np.arccos(R_key_cam[:, 2, 2].clip(-1, 1)))
    place = lowest_place(costs.mean(1))
    best = round(place)
    random, blocks = np.random.default_rng(0), np.array_split(np.arange(len(samples)), BLOCKS)
    drawn = [np.concatenate([blocks[n] for n in random.integers(0, BLOCKS, BLOCKS)]) for _ in range(DRAWS)]
    step = math.log(PAN_FOCALS[1] / PAN_FOCALS[0])
    error = math.hypot(step * float(np.std([lowest_place(costs[:, each].mean(1)) for each in drawn])), PAN_FLOOR)
    fits = np.median(residuals[best]) <= FITS * longer and np.median(turns[best]) >= LEAST_DEG
    if not fits or error > PAN_WORST or best in (0, len(PAN_FOCALS) - 1):
        return None
    focal_px = float(PAN_FOCALS[0] * math.exp(step * place) * diagonal)
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


TRAVEL_FOCALS = np.geomspace(0.55, 2.0, 8)
"""Focal lengths that are tried, in diagonals of the picture: angles of view from 85 to 28 degrees."""
CLOSER = np.exp(np.linspace(-0.12, 0.12, 5))
"""Those that are tried then, beside the best of them."""
VIEWS, LEAST = 4, 2
"""Key frames that are asked, at most, those whose corners move most, and at least."""
FRAMES, FEWEST, MOVED = 8, 6, 0.02
"""Frames of each, how many one must have, and by how much its corners must have moved in the end, in longer sides."""
CONTRAST = 1.3
"""How much more the worst focal length must cost than the best."""
TRAVEL_FLOOR, TRAVEL_WORST = 0.02, 0.1
"""The least error that is stated, and the largest with which there still is an answer."""


def focal_from_travel(background: Background, size_px: tuple[int, int]) -> tuple[float, float] | None:
    """The focal length of a camera that travelled and its expected error (one sigma), pixels; None if it does not show.

    `size_px` is the picture's width and height. With a wrong focal length no path and no distances lay all corners of
    all frames where they are seen.
    """
    diagonal = math.hypot(*size_px)
    middle = int(np.abs(np.log(TRAVEL_FOCALS)).argmin())
    views = [_Curve(background, samples, size_px) for samples in _views(background)]
    coarse = np.array([view.costs(TRAVEL_FOCALS * diagonal, middle) for view in views])
    if len(coarse) < LEAST:
        return None
    mean = coarse.mean(0)
    best = int(mean.argmin())
    if best in (0, len(TRAVEL_FOCALS) - 1) or mean.max() < CONTRAST * mean.min():
        return None
    fine = np.array([view.costs(TRAVEL_FOCALS[best] * CLOSER * diagonal, len(CLOSER) // 2) for view in views])
    random, step = np.random.default_rng(0), math.log(CLOSER[1] / CLOSER[0])
    drawn = [lowest_place(fine[random.integers(0, len(fine), len(fine))].mean(0)) for _ in range(DRAWS)]
    error = math.hypot(step * float(np.std(drawn)), TRAVEL_FLOOR)
    if error > TRAVEL_WORST:
        return None
    focal_px = float(TRAVEL_FOCALS[best] * CLOSER[0] * math.exp(step * lowest_place(fine.mean(0))) * diagonal)
    return focal_px, error * focal_px


class _Curve:
    """What paths beside one key frame cost by the focal length; each is sought near that of a neighbour."""

    def __init__(self, background: Background, samples: Int[Array, "sample"], size_px: tuple[int, int]) -> None:
        self._given, self._size = (background, samples), size_px
        self._known: dict[float, Path] = {}

    def costs(self, focal_px: Float[Array, "tried"], first: int) -> Float[Array, "tried"]:
        """Of some focal lengths, increasing, from one of them upwards and downwards."""
        found = np.zeros(len(focal_px))
        for number in [*range(first, len(focal_px)), *reversed(range(first))]:
            found[number] = self._cost(float(focal_px[number]))
        return found

    def _cost(self, focal_px: float) -> float:
        K_px = np.diag([focal_px, focal_px, 1.0])
        K_px[:2, 2] = np.array(self._size) / 2
        sightings, R_turned, _ = sightings_of(*self._given, K_px, self._size)
        if self._known:
            near = min(self._known, key=lambda each: abs(math.log(each / focal_px)))
            path = refined(self._known[near], sightings)
        else:
            path = find_path(sightings, R_turned)
        self._known[focal_px] = path
        return mean_cost(path, sightings)


def _views(background: Background) -> list[Int[Array, "sample"]]:
    """Samples of the key frames whose corners move most, few of each, but the last."""
    turned = np.flatnonzero(background.kinds == TURNED)
    found = []
    for key in np.unique(background.keys[turned]):
        mine = turned[background.keys[turned] == key]
        if len(mine) >= FEWEST:
            pairs = background.pairs[background.ends[mine[-1] - 1] : background.ends[mine[-1]]].astype(float)
            moved = float(np.median(np.linalg.norm(pairs[:, 2:] - pairs[:, :2], axis=1)))
            some = np.linspace(0, len(mine) - 1, min(FRAMES, len(mine))).round().astype(int)
            found += [(moved, mine[some])] if moved > MOVED * UNITS else []
    found.sort(key=lambda each: -each[0])
    return [samples for _, samples in found[:VIEWS]]
