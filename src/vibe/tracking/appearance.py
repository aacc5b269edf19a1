"""Similarity of people: by where their keypoints lie and by the colours of their clothes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

TOLERANCE = 0.08
"""Distance over the person's size at which a keypoint's similarity has fallen to 0.6."""
SHOULDERS, HIPS, KNEES = (5, 6), (11, 12), (13, 14)
ACROSS, ALONG = (grid.ravel()[:, None] for grid in np.meshgrid(np.linspace(0.15, 0.85, 7), np.linspace(0.1, 0.9, 9)))
"""Where on the trunk colours are looked at: from shoulder to shoulder, and from the shoulders to the hips."""
ALONG_THIGH = np.linspace(0.15, 0.85, 16)[:, None]
"""The same from hip to knee."""
BINS = 4
"""Levels of each colour channel."""
CORNERS = np.array(list(np.ndindex(2, 2, 2)))
"""Of the cell between levels in which a colour lies."""


def size_px(keypoints_px: Float[Array, "*b 17 3"]) -> Float[Array, "*b"]:
    """A person's size: the longer side of the box around all keypoints, visible or not."""
    return np.asarray(np.ptp(keypoints_px[..., :2], axis=-2).max(-1))


def box_px(keypoints_px: Float[Array, "*b 17 3"]) -> Float[Array, "*b 4"]:
    """Centre x, y, width and height of the box around all keypoints, visible or not."""
    low, high = keypoints_px[..., :2].min(-2), keypoints_px[..., :2].max(-2)
    return np.concatenate([(low + high) / 2, high - low], -1)


def similarity(one: Float[Array, "*b 17 3"], other: Float[Array, "*b 17 3"]) -> Float[Array, "*b"]:
    """1 where two people's keypoints coincide, falling to 0 as they part; measured by the smaller one's size."""
    size = np.minimum(size_px(one), size_px(other)).clip(1e-6)[..., None]
    distance = np.linalg.norm(one[..., :2] - other[..., :2], axis=-1) / (TOLERANCE * size)
    weight = (one[..., 2] * other[..., 2]).clip(1e-3)
    return np.asarray((np.exp(-(distance**2) / 2) * weight).sum(-1) / weight.sum(-1))


def clothing(
    rgb: UInt8[Array, "height width 3"],
    keypoints_px: Float[Array, "17 3"],
    painted: UInt8[Array, "height width 3"] | None = None,
) -> Float[Array, "128"]:
    """Appearance of the clothes: square roots of two colour histograms, of the trunk and of the thighs.

    Where a picture is painted over, others stand before the clothes: it does not count, unless nothing else is there.
    """
    points = keypoints_px[:, :2]
    top = points[SHOULDERS[0]] * (1 - ACROSS) + points[SHOULDERS[1]] * ACROSS
    bottom = points[HIPS[0]] * (1 - ACROSS) + points[HIPS[1]] * ACROSS
    thighs = [points[h] * (1 - ALONG_THIGH) + points[k] * ALONG_THIGH for h, k in zip(HIPS, KNEES, strict=True)]
    return np.concatenate(
        [_histogram(rgb, part, painted) for part in (top * (1 - ALONG) + bottom * ALONG, np.concatenate(thighs))]
    )


def dissimilarity(one: Float[Array, "128"], other: Float[Array, "128"]) -> float:
    """How differently two people are dressed: Hellinger distance, from 0 to 1."""
    return float(np.sqrt(np.clip(1 - (one @ other) / 2, 0, 1)))


def _histogram(rgb: Array, points: Array, painted: Array | None) -> Array:
    """Square root of the soft colour histogram at points, those outside the picture moved to its border."""
    column, row = np.clip(points, 0, np.array(rgb.shape[1::-1]) - 1).astype(int).T
    if painted is not None and (shown := (painted[row, column] == rgb[row, column]).all(-1)).any():
        column, row = column[shown], row[shown]
    level = rgb[row, column].astype(np.float32) * ((BINS - 1) / 255)
    low = np.minimum(level.astype(int), BINS - 2)
    part = level - low
    bins = low @ (BINS**2, BINS, 1) + CORNERS @ np.array([[BINS**2], [BINS], [1]])
    weight = np.where(CORNERS[:, None] == 1, part, 1 - part).prod(-1)
    counts = np.bincount(bins.ravel(), weight.ravel(), BINS**3).astype(np.float32)
    return np.sqrt(counts / counts.sum())
