"""Which parts of a picture a detector looks at: small and distant people need a closer look than the whole gives."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray as Array

from vibe.tracking.detector import Detections, Detector, iou

OVERLAP = 0.2
"""Of a window's side: so that a person cut by one window is whole in the next."""
TILE_GAIN = 3.2
"""How much larger a tile shows a person than the whole picture does."""
TILE_PX = (448, 720)
"""Least and most side of a tile: the detector misses people among many in one window."""
SQUARES_FROM = 1.3
"""Longer over shorter side of the picture from which squares of the shorter side are looked at, too."""
SQUARES_LEAST_PX = 224
SAME_BOX = 0.5
"""Overlap of two boxes in different windows that are one person's."""
SAME_PART = 0.7
"""Share of a box at a window's edge that lies in another's box, where it is part of that person."""
AROUND = 1.8
"""Side of the window around a missed person, over that of the region they were in."""


def tile_regions(width: int, height: int) -> tuple[Int[Array, "n 4"], Int[Array, "m 4"]]:
    """Left, top, width and height of the parts to look at: large ones, then small tiles of a large picture.

    The large ones are the whole picture and, if it is far from square, squares of its shorter side.
    """
    longer, shorter = max(width, height), min(width, height)
    whole = np.array([[0, 0, width, height]])
    squares = longer >= SQUARES_FROM * shorter and longer > SQUARES_LEAST_PX
    large = np.concatenate([whole, _cover(width, height, shorter)]) if squares else whole
    side = round(min(max(longer / TILE_GAIN, TILE_PX[0]), TILE_PX[1]))
    return large, _cover(width, height, side) if longer >= 1.5 * side else whole[:0]


def by_turns(width: int, height: int, tick: int) -> Int[Array, "n 4"]:
    """All windows at `tick` 0, then one large one and one tile each time."""
    large, tiles = tile_regions(width, height)
    if tick == 0:
        return np.concatenate([large, tiles])
    return np.concatenate([parts[(tick - 1) % len(parts)][None] for parts in (large, tiles) if len(parts)])


def tiles_around(region: Float[Array, "4"], width: int, height: int) -> Int[Array, "n 4"]:
    """The window around the place of a missed person; none if they left the picture."""
    half = AROUND * region[2] / 2
    low = np.clip(region[:2] - half, 0, (width, height)).astype(int)
    high = np.clip(region[:2] + half, 0, (width, height)).astype(int)
    return np.array([[*low, *(high - low)]]) if (high - low).min() > half / 2 else np.zeros((0, 4), int)


def detect_in_tiles(
    detector: Detector, rgb: UInt8[Array, "height width 3"], parts: Int[Array, "n 4"]
) -> list[Detections]:
    """Who is found in each of the windows, in pixels of the picture."""
    found = []
    for left, top, width, height in parts:
        seen = detector(rgb[top : top + height, left : left + width])
        keypoints = None if seen.keypoints_px is None else seen.keypoints_px + (left, top)
        found.append(Detections(seen.box_px + (left, top, 0, 0), seen.score, keypoints))
    return found


def merge_detections(found: Sequence[Detections], parts: Int[Array, "n 4"], width: int, height: int) -> Detections:
    """Who is found in any of a picture's windows, each once, best first; who is cut by a window's edge ranks lower."""
    if not found:
        return Detections(np.zeros((0, 4)), np.zeros(0))
    ranks, cuts, origins = [], [], []
    for n, (seen, part) in enumerate(zip(found, parts, strict=True)):
        tight = seen.keypoints_px is None
        cuts.append(_at_edge(seen.box_px, part, width, height) & tight)
        ranks.append(seen.score * _shown(seen.box_px, part, width, height) * np.where(cuts[-1], 0.5, 1.0))
        origins.append(np.full(len(seen.score), n))
    rank, cut, origin = (np.concatenate(values) for values in (ranks, cuts, origins))
    every = _concatenate(found)
    same = (iou(every.box_px, every.box_px) >= SAME_BOX) | (cut[:, None] & (overlap_share(every.box_px) >= SAME_PART))
    same &= origin[:, None] != origin
    kept: list[int] = []
    for n in np.argsort(-rank, kind="stable"):
        if not same[n, kept].any():
            kept.append(int(n))
    keypoints = None if every.keypoints_px is None else every.keypoints_px[kept]
    return Detections(every.box_px[kept], every.score[kept], keypoints)


def _cover(width: int, height: int, side: int) -> Array:
    """Overlapping windows of at most this side that cover the picture evenly."""
    starts = []
    for extent in (width, height):
        count = max(1, math.ceil((extent - side * OVERLAP) / (side * (1 - OVERLAP))))
        starts.append(np.linspace(0, max(extent - side, 0), count).round().astype(int))
    return np.array([[left, top, min(side, width), min(side, height)] for top in starts[1] for left in starts[0]])


def overlap_share(box_px: Float[Array, "n 4"]) -> Float[Array, "n n"]:
    """How much of each box (first axis) lies in each other."""
    low, high = box_px[:, :2] - box_px[:, 2:] / 2, box_px[:, :2] + box_px[:, 2:] / 2
    both = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    return np.clip(both, 0, None).prod(-1) / np.maximum(box_px[:, 2:].prod(-1), 1e-9)[:, None]


def _shown(box: Array, part: Array, width: int, height: int) -> Array:
    """Share of each box, as far as it lies in the picture, that lies in a window."""
    low, high = box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2
    low, high = np.maximum(low, 0), np.minimum(high, (width, height))
    inside = np.minimum(high, part[:2] + part[2:]) - np.maximum(low, part[:2])
    return (np.clip(inside, 0, None) / np.maximum(high - low, 1e-6)).prod(-1).clip(0, 1)


def _at_edge(box: Array, part: Array, width: int, height: int) -> Array:
    """Whether each box reaches an edge of a window that is no edge of the picture."""
    low, high = box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2
    margin = 0.01 * part[2:].max()
    first = (low <= part[:2] + margin) & (part[:2] > 0)
    last = (high >= part[:2] + part[2:] - margin) & (part[:2] + part[2:] < (width, height))
    return (first | last).any(-1)


def _concatenate(found: Sequence[Detections]) -> Detections:
    """Several findings as one."""
    keypoints = [each.keypoints_px for each in found if each.keypoints_px is not None]
    return Detections(
        np.concatenate([each.box_px for each in found]),
        np.concatenate([each.score for each in found]),
        np.concatenate(keypoints) if keypoints else None,
    )
