"""Pose estimation: the interface of pose models, and the decoding of `pose_landmark_full.tflite`.

A region is the part of the picture that the model reads: centre x, centre y and side of a square in pixels, and its
turn in radians (clockwise on the screen, 0 upright).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from vibe import assets, skeletons
from vibe.tracking.detector import averaged, quick_factor
from vibe.tracking.tflite import Model

SIDE = 256
"""Pixels of the model's square input."""
MARGIN = 1.25
"""Side of the region over the diameter of the circle around the body."""
COCO_FROM_MODEL = skeletons.index(skeletons.BLAZEPOSE, skeletons.COCO)
BORDER = 2
"""Averaged pixels that are kept around a region, of which its own are interpolated."""
CENTRE, RIM = 33, 34
"""The model's auxiliary points: middle of the hips, and the point above it on the circle around the body."""
OUTPUTS = ((1, 195), (1, 117), (1, 64, 64, 39), (1, 1))
"""Shapes of what is read: points in the picture, points in space, heat maps, presence; not the person's outline."""
REFINE_LEAST = 0.5
"""Heat that a point's map must reach before it moves the point."""


@dataclass(frozen=True)
class Landmarks:
    """The pose model's output for one region."""

    keypoints_px: Float[Array, "17 3"]
    """COCO-17: x, y in picture pixels, confidence in [0, 1]."""
    presence: float
    """Probability that a person is in the region."""
    region: Float[Array, "4"]
    """The region that was read."""
    follow: Float[Array, "4"]
    """The next region if the person stands still."""
    whole: Float[Array, "33 8"] | None = None
    """All points of the shipped model, as `records.Track.landmarks`; None from a model that has COCO's alone."""


@runtime_checkable
class PoseModel(Protocol):
    """Anything that reads COCO-17 keypoints in a region; it may be called by several threads at once."""

    def start(self, box_px: Float[Array, "4"], keypoints_px: Float[Array, "2 2"] | None) -> Float[Array, "4"]:
        """The first region of a detected person."""
        ...

    def __call__(self, rgb: UInt8[Array, "height width 3"], region: Float[Array, "4"]) -> Landmarks:
        """The keypoints of the person in the region."""
        ...


def region_from_circle(centre: Float[Array, "2"], rim: Float[Array, "2"]) -> Float[Array, "4"]:
    """The region around a body's circle, turned so that `rim` is straight above `centre`."""
    x, y = rim - centre
    turn = math.remainder(math.pi / 2 - math.atan2(-y, x), 2 * math.pi)
    return np.array([*centre, 2 * MARGIN * math.hypot(x, y), turn])


def to_picture(points: Float[Array, "*b 2"], region: Float[Array, "4"]) -> Float[Array, "*b 2"]:
    """Points of the crop (0 to 1) in picture pixels."""
    return (points - 0.5) * region[2] @ screen_turn(region[3]).T + region[:2]


def crop_person(
    rgb: UInt8[Array, "height width 3"], region: Float[Array, "4"], size: tuple[int, int]
) -> UInt8[Array, "rows columns 3"]:
    """The region as an upright picture of `size` (columns, rows), as high as the region; black beyond the border.

    A large region is averaged down first, so that small shifts of it do not make its pixels flicker.
    """
    rgb, region = _reduced(rgb, region, quick_factor(region[2] / size[1]))
    matrix = screen_turn(region[3]) * region[2] / size[1]
    shift = region[:2] - matrix @ ((np.array(size) - 1) / 2) - 0.5
    picture_crop = np.concatenate([matrix, shift[:, None]], 1)
    return cv2.warpAffine(rgb, picture_crop, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def refine_with_heat(
    points: Float[Array, "n 2"], heat: Float[Array, "size size n"], reach: int = 3
) -> tuple[Float[Array, "n 2"], Float[Array, "n"]]:
    """Points (0 to 1) moved to the centre of gravity of the heat around them where it is strong, and its peak there.

    `heat` holds logits; a peak in [0, 1] tells how sure the model is of a place.
    """
    size = heat.shape[0]
    cell = (points * size).astype(int)[:, :, None] + np.arange(-reach, reach + 1)
    inside = (cell >= 0) & (cell < size)
    column, row = cell.clip(0, size - 1).transpose(1, 0, 2)
    patch = _sigmoid(heat[row[:, :, None], column[:, None], np.arange(len(points))[:, None, None]])
    patch *= inside[:, 1, :, None] & inside[:, 0, None] & inside[:, :, reach].all(1)[:, None, None]
    peaks = patch.max((1, 2))
    weighed = [(patch * at).reshape(len(points), -1).sum(1) for at in (column[:, None], row[:, :, None], size)]
    moved = np.stack(weighed[:2], -1).astype(points.dtype) / weighed[2].clip(1e-9)[:, None]
    return np.where(peaks[:, None] >= REFINE_LEAST, moved, points), peaks


class BlazePose:
    """The model of `pose_landmark_full.tflite`."""

    def __init__(self, model: Path | None = None) -> None:
        self._model = Model(model or assets.find_model("pose_landmark_full.tflite"), OUTPUTS)

    def start(self, box_px: Float[Array, "4"], keypoints_px: Float[Array, "2 2"] | None) -> Float[Array, "4"]:
        """The circle's region where the detector gives one, else an upright square around the box."""
        if keypoints_px is not None:
            return region_from_circle(*keypoints_px)
        return np.array([box_px[0], box_px[1], MARGIN * max(box_px[2:]), 0.0])

    def __call__(self, rgb: UInt8[Array, "height width 3"], region: Float[Array, "4"]) -> Landmarks:
        """The keypoints of the person in the region."""
        return self.read(crop_person(rgb, region, (SIDE, SIDE)), region)

    def read(self, crop: UInt8[Array, "side side 3"], region: Float[Array, "4"]) -> Landmarks:
        """The same of the region's crop, in pixels of the picture that it is of."""
        seen = self._model(crop[None] * np.float32(1 / 255))
        numbers, world = seen[1, 195].reshape(39, 5), seen[1, 117].reshape(39, 3)
        points, peaks = refine_with_heat(numbers[:, :2] / SIDE, seen[1, 64, 64, 39][0])
        picture_px = to_picture(points, region)
        world = np.concatenate([world[:, :2] @ screen_turn(region[3]).T, world[:, 2:]], 1)
        whole = np.concatenate([picture_px, world, _sigmoid(numbers[:, 3:]), peaks[:, None]], 1)
        coco = whole[COCO_FROM_MODEL]
        return Landmarks(
            keypoints_px=np.concatenate([coco[:, :2], coco[:, 5:].prod(1, keepdims=True)], 1),
            presence=float(seen[1, 1].item()),
            region=region,
            follow=region_from_circle(picture_px[CENTRE], picture_px[RIM]),
            whole=whole[:CENTRE].astype(np.float32),
        )


def _reduced(rgb: Array, region: Array, factor: int) -> tuple[Array, Array]:
    """The part of the picture that holds the region, averaged over squares of `factor` pixels, and the region in it."""
    across = abs(math.cos(region[3])) + abs(math.sin(region[3]))
    reach = region[2] * across / 2 + BORDER * factor
    low = np.clip(np.floor((region[:2] - reach) / factor) * factor, 0, rgb.shape[1::-1]).astype(int)
    high = np.clip(np.ceil(region[:2] + reach), 0, rgb.shape[1::-1]).astype(int)
    if factor < 2 or (high - low).min() < factor:
        return rgb, region
    moved = np.array([*((region[:2] - low) / factor), region[2] / factor, region[3]])
    return averaged(rgb[low[1] : high[1], low[0] : high[0]], factor), moved


def screen_turn(angle: float) -> Float[Array, "2 2"]:
    """Rotation on the screen, clockwise."""
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _sigmoid(logits: Array) -> Array:
    """Probability of a logit."""
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
