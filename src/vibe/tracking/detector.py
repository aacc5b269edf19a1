"""Where people are in a picture: the detector's interface, and our decoding of `pose_detection.tflite`."""

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
"""Shapes of what the model tells of each anchor: its box and points, and the logit of a head there."""
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
        """All people that show at the size at which the whole picture fits the detector's input."""
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
    values: Float[Array, "2254 12"], logits: Float[Array, "2254"], least: float
) -> tuple[Float[Array, "n 4"], Float[Array, "n 4 2"], Float[Array, "n"]]:
    """Head boxes (centre x, y, width, height), body points, scores of `least` or more; over the input's side."""
    keep = logits >= math.log(least / (1 - least))
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


def suppress(boxes: Float[Array, "n 4"], scores: Float[Array, "n"], most: float) -> list[Int[Array, "_"]]:
    """Non-maximum suppression: groups of indices whose boxes overlap their best one by `most` or more, best first."""
    left = np.argsort(-scores, kind="stable")
    groups = []
    while len(left):
        near = iou(boxes[left[:1]], boxes[left])[0] >= most
        near[0] = True
        groups.append(left[near])
        left = left[~near]
    return groups


def letterbox(rgb: UInt8[Array, "height width 3"]) -> tuple[Float[Array, "224 224 3"], float, Float[Array, "2"]]:
    """The picture in the middle of a black square of values -1 to 1; the square's side and its corner, in pixels."""
    height, width = rgb.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    whole = max(height, width) // SIDE
    if whole > 1 and min(height, width) >= whole:
        rgb = cv2.resize(rgb, (width // whole, height // whole), interpolation=cv2.INTER_AREA)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    square = np.full((SIDE, SIDE, 3), -1.0, np.float32)
    square[top : top + size[1], left : left + size[0]] = small * np.float32(2 / 255) - 1
    return square, SIDE / scale, np.array([-left / scale, -top / scale], np.float32)


class PoseDetector:
    """The detector of `pose_detection.tflite`: finds heads with the circle around their body."""

    def __init__(self, model: Path | None = None, least: float = 0.5) -> None:
        self._model = Model(model or assets.find_model("pose_detection.tflite"), OUTPUTS)
        self._least = least

    def __call__(self, rgb: UInt8[Array, "height width 3"]) -> Detections:
        """People whose head shows, best first."""
        square, side, corner = letterbox(rgb)
        seen = self._model(square[None])
        heads, points, scores = decode(seen[1, 2254, 12][0], seen[1, 2254, 1][0, :, 0], self._least)
        groups = suppress(heads, scores, SAME_HEAD)
        merged = [np.average(points[group], axis=0, weights=scores[group]) for group in groups]
        body = np.array(merged, np.float32).reshape(-1, 4, 2)[:, :2] * np.float32(side) + corner
        span = 2 * np.linalg.norm(body[:, 1] - body[:, 0], axis=-1)
        box = np.stack([*body[:, 0].T, span, span], -1)
        return Detections(box, np.array([scores[group[0]] for group in groups], np.float32), body)
