"""The square crop of each person that the image network reads."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from vibe import cameras

SIDE = 224
"""Pixels of a crop, along both sides."""


def cut(rgb: UInt8[ndarray, "height width 3"], box_px: Float[Tensor, "person 4"]) -> UInt8[ndarray, "person 224 224 3"]:
    """The square around each box, `cameras.crop_side` wide, as an upright picture: bilinear, black beyond the border.

    Sampled as in the published code, so that published weights see what they were trained on: the box's centre falls
    on pixel 112 of the crop, counted from 0, and nothing is averaged where a large person shrinks. Raises ValueError
    for a box that has no size or is not finite.
    """
    side_px = cameras.crop_side(box_px.double().cpu())
    corner_px = box_px[:, :2].double().cpu() - side_px[:, None] / 2
    usable = side_px.gt(0) & torch.cat([corner_px, side_px[:, None]], -1).isfinite().all(-1)
    if not usable.all():
        person = int((~usable).nonzero()[0])
        raise ValueError(
            f"box {person} of {len(box_px)} is {box_px[person].tolist()} (centre x, centre y, width, height in "
            "pixels): a crop needs finite numbers and a width or height above 0"
        )
    crops = np.empty((len(box_px), SIDE, SIDE, 3), np.uint8)
    for crop, (left, top), side in zip(crops, corner_px.tolist(), side_px.tolist(), strict=True):
        picture_crop = np.array([[side / SIDE, 0.0, left], [0.0, side / SIDE, top]])
        crop[:] = cv2.warpAffine(rgb, picture_crop, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return crops
