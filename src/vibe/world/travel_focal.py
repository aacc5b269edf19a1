"""The focal length that a travelling camera shows: the one with which its path explains the background best."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray as Array

from vibe.world.background import TURNED, UNITS, Background
from vibe.world.key_views import sightings_of
from vibe.world.pan_focal import lowest_place
from vibe.world.travel import Path, find_path, mean_cost, refined

TRIED = np.geomspace(0.55, 2.0, 8)
"""Focal lengths that are tried, in diagonals of the picture: angles of view from 85 to 28 degrees."""
CLOSER = np.exp(np.linspace(-0.12, 0.12, 5))
"""Those that are tried then, beside the best of them."""
VIEWS, LEAST = 4, 2
"""Key frames that are asked, at most, those whose corners move most, and at least."""
FRAMES, FEWEST, MOVED = 8, 6, 0.02
"""Frames of each, how many one must have, and by how much its corners must have moved in the end, in longer sides."""
CONTRAST = 1.3
"""How much more the worst focal length must cost than the best."""
DRAWS = 100
"""How often key frames are drawn anew, to see how far the answer varies."""
FLOOR, WORST = 0.02, 0.1
"""The least error that is stated, and the largest with which there still is an answer."""


def focal_from_travel(background: Background, size_px: tuple[int, int]) -> tuple[float, float] | None:
    """The focal length of a camera that travelled and its expected error (one sigma), pixels; None if it does not show.

    `size_px` is the picture's width and height. With a wrong focal length no path and no distances lay all corners of
    all frames where they are seen.
    """
    diagonal = math.hypot(*size_px)
    middle = int(np.abs(np.log(TRIED)).argmin())
    views = [_Curve(background, samples, size_px) for samples in _views(background)]
    coarse = np.array([view.costs(TRIED * diagonal, middle) for view in views])
    if len(coarse) < LEAST:
        return None
    mean = coarse.mean(0)
    best = int(mean.argmin())
    if best in (0, len(TRIED) - 1) or mean.max() < CONTRAST * mean.min():
        return None
    fine = np.array([view.costs(TRIED[best] * CLOSER * diagonal, len(CLOSER) // 2) for view in views])
    random, step = np.random.default_rng(0), math.log(CLOSER[1] / CLOSER[0])
    drawn = [lowest_place(fine[random.integers(0, len(fine), len(fine))].mean(0)) for _ in range(DRAWS)]
    error = math.hypot(step * float(np.std(drawn)), FLOOR)
    if error > WORST:
        return None
    focal_px = float(TRIED[best] * CLOSER[0] * math.exp(step * lowest_place(fine.mean(0))) * diagonal)
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
