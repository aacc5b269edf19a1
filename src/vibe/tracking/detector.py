"""Person detection: the interface of detectors, non-maximum suppression, decoding of `pose_detection.tflite`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray as Array

from vibe import assets
from vibe.tracking.tflite import Model

SIDE = 224
"""Pixels of the detector's square input."""
CELLS = ((8, 2), (16, 2), (32, 6))
"""Stride in pixels and anchors per cell of each level."""
OUTPUTS = ((1, 2254, 12), (1, 2254, 1))
"""Shapes of the model's outputs for each anchor: box and points, and the logit of a head."""
SAME_HEAD = 0.3
"""Overlap of two head boxes that are one person's."""


@dataclass(frozen=True)
class Detections:
    """People found in one picture."""

    box_px: Float[Array, "n 4"]
    """Centre x, centre y, width, height of the whole person, hidden parts included."""
    score: Float[Array, "n"]
    """Probability in [0, 1]."""
    keypoints_px: Float[Array, "n 2 2"] | None = None
    """Middle of the hips, and the point above it on the circle around the body; None where a detector has none."""


@runtime_checkable
class Detector(Protocol):
    """Anything that finds people in a picture."""

    def __call__(self, rgb: UInt8[Array, "height width 3"]) -> Detections:
        """All people who are large enough when the whole picture is scaled to the detector's input."""
        ...


@lru_cache(1)
def anchors() -> Float[Array, "2254 2"]:
    """Centre x, y of each anchor over the input's side: per level row by row, each cell's anchors together."""
    centres = []
    for stride, count in CELLS:
        grid = (np.arange(SIDE // stride) + 0.5) * stride / SIDE
        cell = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 1, 2)
        centres.append(np.broadcast_to(cell, (len(cell), count, 2)).reshape(-1, 2))
    return np.concatenate(centres).astype(np.float32)


def decode(
    values: Float[Array, "2254 12"], logits: Float[Array, "2254"], min_score: float
) -> tuple[Float[Array, "n 4"], Float[Array, "n 4 2"], Float[Array, "n"]]:
    """Head boxes (centre x, y, width, height), body points, scores of `min_score` or more; over the input's side."""
    keep = logits >= math.log(min_score / (1 - min_score))
    scores = 1 / (1 + np.exp(-np.clip(logits[keep], -100, 100)))
    points = values[keep].reshape(-1, 6, 2) / SIDE
    centre = anchors()[keep]
    boxes = np.concatenate([points[:, 0] + centre, points[:, 1]], -1)
    return boxes, points[:, 2:] + centre[:, None], scores


def iou(one: Float[Array, "n 4"], other: Float[Array, "m 4"]) -> Float[Array, "n m"]:
    """Intersection over union of boxes given as centre x, centre y, width, height."""
    low = np.maximum((one[:, :2] - one[:, 2:] / 2)[:, None], (other[:, :2] - other[:, 2:] / 2)[None])
    high = np.minimum((one[:, :2] + one[:, 2:] / 2)[:, None], (other[:, :2] + other[:, 2:] / 2)[None])
    shared = np.clip(high - low, 0, None).prod(-1)
    return shared / np.maximum(one[:, 2:].prod(-1)[:, None] + other[:, 2:].prod(-1)[None] - shared, 1e-9)


def suppress(boxes: Float[Array, "n 4"], scores: Float[Array, "n"], max_iou: float) -> list[Int[Array, "_"]]:
    """Non-maximum suppression: groups of indices of boxes that overlap their best one by `max_iou`, best first."""
    left = np.argsort(-scores, kind="stable")
    groups = []
    while len(left):
        near = iou(boxes[left[:1]], boxes[left])[0] >= max_iou
        near[0] = True
        groups.append(left[near])
        left = left[~near]
    return groups


def letterbox(
    rgb: UInt8[Array, "height width 3"], size: tuple[int, int], fill: int = 0, centred: bool = True
) -> tuple[UInt8[Array, "rows columns 3"], float, Int[Array, "2"]]:
    """The picture as large as fits on a canvas of `size` (columns, rows), its scale, and where it begins there.

    It lies in the middle or, if not `centred`, at the top left; the rest has the value `fill`.
    """
    height, width = rgb.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    factor = quick_factor(1 / scale)
    if min(height, width) >= factor:  # linear interpolation alone would skip pixels
        rgb = averaged(rgb, factor)
    left, top = ((size[0] - columns) // 2, (size[1] - rows) // 2) if centred else (0, 0)
    canvas = np.full((size[1], size[0], 3), fill, np.uint8)
    canvas[top : top + rows, left : left + columns] = cv2.resize(rgb, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return canvas, scale, np.array([left, top])


def quick_factor(most: float) -> int:
    """The largest number up to `most`, and at least 1, that `averaged` is quick with: a power of two, or thrice one."""
    power = 1 << (int(max(most, 1)).bit_length() - 1)
    return power // 2 * 3 if 1 < power <= most / 1.5 else power


def averaged(rgb: UInt8[Array, "height width 3"], factor: int) -> UInt8[Array, "rows columns 3"]:
    """The picture's means over squares of `factor` pixels; what is left over at the right and below is left out.

    It is halved as often as can be, which OpenCV does several times as fast as it averages over larger squares.
    """
    while factor > 1:
        step = 2 if factor % 2 == 0 else factor
        rows, columns = rgb.shape[0] // step, rgb.shape[1] // step
        part = rgb[: rows * step, : columns * step]
        rgb, factor = np.asarray(cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)), factor // step
    return rgb


class BlazePoseDetector:
    """The detector of `pose_detection.tflite`: finds heads with the circle around their body."""

    def __init__(self, model: Path | None = None, min_score: float = 0.5) -> None:
        self._model = Model(model or assets.find_model("pose_detection.tflite"), OUTPUTS)
        self._min_score = min_score

    def __call__(self, rgb: UInt8[Array, "height width 3"]) -> Detections:
        """People whose head shows, best first."""
        square, scale, corner = letterbox(rgb, (SIDE, SIDE))
        outputs = self._model(square[None] * np.float32(2 / 255) - 1)
        heads, points, scores = decode(outputs[1, 2254, 12][0], outputs[1, 2254, 1][0, :, 0], self._min_score)
        groups = suppress(heads, scores, SAME_HEAD)
        merged = [np.average(points[group], axis=0, weights=scores[group]) for group in groups]
        body = np.array(merged, np.float32).reshape(-1, 4, 2)[:, :2] * np.float32(SIDE / scale) - (
            corner / scale
        ).astype(np.float32)
        span = 2 * np.linalg.norm(body[:, 1] - body[:, 0], axis=-1)
        box = np.stack([*body[:, 0].T, span, span], -1)
        return Detections(box, np.array([scores[group[0]] for group in groups], np.float32), body)
