"""Keypoints as 2D sets mark them, in our order, the box around them, and the camera that fits marked points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from vibe import skeletons
from vibe.cameras import BOX_MARGIN, box_from_keypoints
from vibe.data.recording import Recording


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


LEAST_MARKED = 6
"""Joints that must be marked for a box around them to be the person's."""
LEAST_SIDE_PX = 16.0
"""Longer side of a box that can show a person."""
RECIPE = {
    "box": f"around the marked joints, {BOX_MARGIN} times as large",
    "least_marked": LEAST_MARKED,
    "least_side_px": LEAST_SIDE_PX,
}
"""What of this decides a store's numbers."""


def mark(recording: Recording, points_px: Float[ndarray, "time joint 3"], joints: str | Sequence[str]) -> Recording:
    """The recording with keypoints and boxes; frames that show too little of the person are left out, as gaps.

    `points_px` are x, y and confidence of the joints of that set (`vibe.skeletons.convert_joints`). Raises
    ValueError if no frame shows enough.
    """
    seen = torch.from_numpy(np.where(points_px[..., 2:] > 0, points_px, 0)).float()
    boxes = boxes_around(points_px)
    shown = (seen[..., 2] > 0).sum(-1).numpy() >= LEAST_MARKED
    rows = np.flatnonzero(shown & (boxes[:, 2:].max(-1) >= LEAST_SIDE_PX))
    if len(rows) == 0:
        raise ValueError(
            f"{recording.name} has no frame in which {LEAST_MARKED} joints or more are marked on a person of "
            f"{LEAST_SIDE_PX:.0f} pixels: there is nobody to learn from"
        )
    keypoints_px = skeletons.convert_joints(seen, joints, "spin49").numpy()[rows]
    images = tuple(recording.images[row] for row in rows) if recording.images else ()
    return replace(
        recording, frames=recording.frames[rows], images=images,
        keypoints_px={"spin49": keypoints_px}, box_px=boxes[rows],
    )  # fmt: skip


WORST_PX = 10.0
"""Root mean square of what is left, above which the points and the pixels are not of one camera."""


def fit_intrinsics(points: Float[ndarray, "*b 3"], pixels: Float[ndarray, "*b 2"]) -> Float[ndarray, "3 3"] | None:
    """Focal lengths and principal point by least squares, pixels; None if no pinhole camera without skew fits.

    Points behind the camera, and what is NaN, are passed over. Where the lens distorts, this pinhole comes nearer to
    the pixels than the lens's own focal length does.
    """
    points, pixels = points.reshape(-1, 3), pixels.reshape(-1, 2)
    seen = np.isfinite(points).all(1) & np.isfinite(pixels).all(1) & (points[:, 2] > 0)
    if seen.sum() < 3:
        return None
    rays, pixels = points[seen, :2] / points[seen, 2:], pixels[seen]
    K_px, left = np.eye(3), 0.0
    for axis in (0, 1):
        system = np.stack([rays[:, axis], np.ones(len(rays))], 1)
        found = np.linalg.lstsq(system, pixels[:, axis], rcond=None)[0]
        left += float(((system @ found - pixels[:, axis]) ** 2).mean())
        K_px[axis, axis], K_px[axis, 2] = found
    return K_px if left**0.5 <= WORST_PX and K_px[0, 0] > 0 and K_px[1, 1] > 0 else None
