"""People painted out of a picture, so that detector and pose model see whoever is behind or beside them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from vibe import skeletons

STATURE = 0.7
"""Height of a person over the side of the pose model's region."""
LIMB, TRUNK, NECK, FACE, HEAD = 0.065, 0.13, 0.09, 0.1, 0.19
"""Widths of what is painted over the height: somewhat more than those of people."""
STEP = 16
"""Of the pixels one in so many, each way, tells the colour."""
LIMBS = [
    (skeletons.COCO.index(f"{side}_{one}"), skeletons.COCO.index(f"{side}_{other}"))
    for side in ("left", "right")
    for one, other in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"))
]
NOSE, EARS, SHOULDERS, TRUNK_CORNERS = 0, [3, 4], [5, 6], [5, 6, 12, 11]


class Canvas:
    """Copies of pictures, in memory that the next one overwrites: new memory costs more than a copy."""

    def __init__(self) -> None:
        self._pixels = np.zeros((0, 0, 3), np.uint8)

    def copied(self, rgb: UInt8[Array, "height width 3"]) -> UInt8[Array, "height width 3"]:
        """The same picture, until the next call."""
        if self._pixels.shape != rgb.shape:
            self._pixels = np.empty_like(rgb)
        np.copyto(self._pixels, rgb)
        return self._pixels


def paint_out(
    picture: UInt8[Array, "height width 3"], keypoints_px: Float[Array, "17 3"], region: Float[Array, "4"]
) -> None:
    """Cover, in place, the person with these keypoints, as large as in this region, in the picture's median colour."""
    colour = np.median(picture[::STEP, ::STEP].reshape(-1, 3), axis=0).tolist()
    _draw(picture, keypoints_px, region, colour)


def restore(
    picture: UInt8[Array, "height width 3"],
    rgb: UInt8[Array, "height width 3"],
    keypoints_px: Float[Array, "17 3"],
    region: Float[Array, "4"],
) -> None:
    """Uncover, in place, what of this person was covered, as it is in `rgb`."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    _draw(mask, keypoints_px, region, 255)
    cv2.copyTo(rgb, mask, picture)


def share_shown(
    picture: UInt8[Array, "height width 3"], rgb: UInt8[Array, "height width 3"], keypoints_px: Float[Array, "17 3"]
) -> float:
    """Share of a reading in the picture, weighed by its confidence, that rests on what is not painted out: 0 to 1."""
    inside = ((keypoints_px[:, :2] >= 0) & (keypoints_px[:, :2] < rgb.shape[1::-1])).all(1)
    column, row = keypoints_px[inside, :2].astype(int).T
    shown = (picture[row, column] == rgb[row, column]).all(1)
    return float(keypoints_px[inside, 2] @ shown / max(keypoints_px[inside, 2].sum(), 1e-6))


def _draw(picture: Array, keypoints_px: Array, region: Array, colour: float | Sequence[float]) -> None:
    """A body in one colour; nothing of one that lies far outside."""
    points = keypoints_px[:, :2]
    if np.abs(points).max() > 3 * max(picture.shape):
        return
    corners = [(int(x), int(y)) for x, y in points]
    limb, trunk, neck, face, head = (
        max(1, round(each * STATURE * float(region[2]))) for each in (LIMB, TRUNK, NECK, FACE, HEAD)
    )
    for one, other in LIMBS:
        cv2.line(picture, corners[one], corners[other], colour, limb)
    trunk_px = np.array([corners[n] for n in TRUNK_CORNERS], np.int32)
    cv2.fillPoly(picture, [trunk_px], colour)
    cv2.polylines(picture, [trunk_px], True, colour, trunk)
    skull, chest = ([int(each) for each in points[rows].mean(0)] for rows in (EARS, SHOULDERS))
    cv2.line(picture, skull, chest, colour, neck)
    cv2.line(picture, skull, corners[NOSE], colour, face)
    cv2.circle(picture, skull, head // 2, colour, -1)
