"""Boxes of people whose joints are marked."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from vibe.cameras import BOX_MARGIN, box_from_keypoints


def boxes_around(keypoints_px: Float[ndarray, "time joint 3"], least: float = 0.3) -> Float[ndarray, "time 4"]:
    """Centre x, centre y, width, height around the joints of confidence `least` or more; NaN with fewer than two.

    Wider and higher than those by `vibe.cameras.BOX_MARGIN`.
    """
    return box_from_keypoints(torch.from_numpy(keypoints_px), least).numpy()


def square_boxes(box_px: Float[ndarray, "time 4"], times: float) -> Float[ndarray, "time 4"]:
    """Squares of so many times the longer side of what the boxes of `boxes_around` are around."""
    side = box_px[:, 2:].max(1, keepdims=True) * times / BOX_MARGIN
    return np.concatenate([box_px[:, :2], side, side], 1)


def filled(values: Float[ndarray, "time number"], known: Bool[ndarray, "time"]) -> Float[ndarray, "time number"]:
    """The rows that are not known as straight lines between those that are, and as the nearest beyond the ends."""
    rows, given = np.arange(len(values)), np.flatnonzero(known)
    return np.stack([np.interp(rows, given, column[given]) for column in values.T], 1)
