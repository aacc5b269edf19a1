"""Sliced detection: a detector run on tiles of a picture, since it misses small people in the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray as Array

from vibe.tracking.detector import Detections, Detector, iou

OVERLAP = 0.2
"""Of a tile's side: so that a person cut by one tile is whole in the next."""
TILE_GAIN = 3.2
"""How much larger a tile shows a person than the whole picture does."""
TILE_PX = (448, 720)
"""Least and most side of a tile: the detector misses people among many in one tile."""
SMALLEST_TILE_PX = 224
"""Least side where the picture is too small for two of the others: the detector sees no person of a quarter of it."""
SQUARES_FROM = 1.3
"""Longer over shorter side of the picture from which squares of the shorter side are searched, too."""
SQUARES_LEAST_PX = 224
SAME_BOX = 0.5
"""Overlap of two boxes in different tiles that are one person's."""
SAME_PART = 0.7
"""Share of a box at a tile's edge that lies in another box, where it is part of that person."""
AROUND = 1.8
"""Side of the tile around a lost person, over that of their region."""


def tile_regions(width: int, height: int) -> tuple[Int[Array, "n 4"], Int[Array, "m 4"]]:
    """Left, top, width and height of the tiles to search: large ones, then small ones of a large picture.

    The large ones are the whole picture and, if it is far from square, squares of its shorter side.
    """
    longer, shorter = max(width, height), min(width, height)
    whole = np.array([[0, 0, width, height]])
    squares = longer >= SQUARES_FROM * shorter and longer > SQUARES_LEAST_PX
    large = np.concatenate([whole, _cover(width, height, shorter)]) if squares else whole
    side = round(min(max(longer / TILE_GAIN, min(TILE_PX[0], max(longer / 2, SMALLEST_TILE_PX))), TILE_PX[1]))
    return large, _cover(width, height, side) if longer >= 1.5 * side else whole[:0]


def scheduled_tiles(width: int, height: int, search: int) -> Int[Array, "n 4"]:
    """All tiles in the first two searches, then one large and one small tile in each, in turn."""
    large, tiles = tile_regions(width, height)
    if search < 2:
        return np.concatenate([large, tiles])
    return np.concatenate([parts[(search - 1) % len(parts)][None] for parts in (large, tiles) if len(parts)])


def tiles_around(region: Float[Array, "4"], width: int, height: int) -> Int[Array, "n 4"]:
    """The tile around the region of a lost person; none if they left the picture."""
    half = AROUND * region[2] / 2
    low = np.clip(region[:2] - half, 0, (width, height)).astype(int)
    high = np.clip(region[:2] + half, 0, (width, height)).astype(int)
    return np.array([[*low, *(high - low)]]) if (high - low).min() > half / 2 else np.zeros((0, 4), int)


def distinct(parts: Int[Array, "n 4"]) -> Int[Array, "m 4"]:
    """Each tile once, in the order in which they come first: around somebody large is the whole picture again."""
    return np.array(list(dict.fromkeys(map(tuple, parts.tolist()))), int).reshape(-1, 4)


def detect_in_tiles(
    detector: Detector, rgb: UInt8[Array, "height width 3"], parts: Int[Array, "n 4"]
) -> list[Detections]:
    """Detections in each of the tiles, in pixels of the picture."""
    detections = []
    for left, top, width, height in parts:
        inside = detector(rgb[top : top + height, left : left + width])
        keypoints = None if inside.keypoints_px is None else inside.keypoints_px + (left, top)
        detections.append(Detections(inside.box_px + (left, top, 0, 0), inside.score, keypoints))
    return detections


def detect_turned(
    detector: Detector, rgb: UInt8[Array, "height width 3"], parts: Int[Array, "n 4"]
) -> tuple[list[Detections], Int[Array, "m 4"]]:
    """Detections in each of the tiles turned by 90, 180 and 270 degrees, in pixels of the picture, and their tiles.

    They are of people who are not upright; a detector that gives boxes alone tells no turn, and finds nobody here.
    """
    detections, found_in = [], [parts[:0]]
    for part in parts:
        left, top, width, height = part
        for turns in (1, 2, 3):
            inside = detector(np.rot90(rgb[top : top + height, left : left + width], turns).copy())
            if inside.keypoints_px is None:
                return [], parts[:0]
            places = np.concatenate([inside.box_px[:, None, :2], inside.keypoints_px], 1)
            for turn in reversed(range(turns)):
                places = np.stack([(width, height)[turn % 2] - places[..., 1], places[..., 0]], -1)
            places += (left, top)
            size = inside.box_px[:, 2:][:, :: -1 if turns % 2 else 1]
            detections.append(Detections(np.concatenate([places[:, 0], size], 1), inside.score, places[:, 1:]))
            found_in.append(part[None])
    return detections, np.concatenate(found_in)


def merge_detections(detections: Sequence[Detections], parts: Int[Array, "n 4"], width: int, height: int) -> Detections:
    """Detections of all tiles, each person once, best first; boxes cut by a tile's edge rank lower."""
    if not detections:
        return Detections(np.zeros((0, 4)), np.zeros(0))
    ranks, cuts, origins = [], [], []
    for n, (inside, part) in enumerate(zip(detections, parts, strict=True)):
        tight = inside.keypoints_px is None
        cuts.append(_at_edge(inside.box_px, part, width, height) & tight)
        ranks.append(inside.score * _share_in_tile(inside.box_px, part, width, height) * np.where(cuts[-1], 0.5, 1.0))
        origins.append(np.full(len(inside.score), n))
    rank, cut, origin = (np.concatenate(values) for values in (ranks, cuts, origins))
    every = _concatenate(detections)
    same = (iou(every.box_px, every.box_px) >= SAME_BOX) | (cut[:, None] & (overlap_share(every.box_px) >= SAME_PART))
    same &= origin[:, None] != origin
    best: list[int] = []
    for n in np.argsort(-rank, kind="stable"):
        if not same[n, best].any():
            best.append(int(n))
    keypoints = None if every.keypoints_px is None else every.keypoints_px[best]
    return Detections(every.box_px[best], every.score[best], keypoints)


def _cover(width: int, height: int, side: int) -> Array:
    """Overlapping tiles of at most this side that cover the picture evenly."""
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


def _share_in_tile(box: Array, part: Array, width: int, height: int) -> Array:
    """Share of each box, as far as it lies in the picture, that lies in a tile."""
    low, high = box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2
    low, high = np.maximum(low, 0), np.minimum(high, (width, height))
    inside = np.minimum(high, part[:2] + part[2:]) - np.maximum(low, part[:2])
    return (np.clip(inside, 0, None) / np.maximum(high - low, 1e-6)).prod(-1).clip(0, 1)


def _at_edge(box: Array, part: Array, width: int, height: int) -> Array:
    """Whether each box reaches an edge of a tile that is no edge of the picture."""
    low, high = box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2
    margin = 0.01 * part[2:].max()
    first = (low <= part[:2] + margin) & (part[:2] > 0)
    last = (high >= part[:2] + part[2:] - margin) & (part[:2] + part[2:] < (width, height))
    return (first | last).any(-1)


def _concatenate(detections: Sequence[Detections]) -> Detections:
    """Detections of several tiles as one record."""
    keypoints = [each.keypoints_px for each in detections if each.keypoints_px is not None]
    return Detections(
        np.concatenate([each.box_px for each in detections]),
        np.concatenate([each.score for each in detections]),
        np.concatenate(keypoints) if keypoints else None,
    )
