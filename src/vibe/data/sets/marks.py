"""Keypoints as 2D sets mark them, in our order, and the box around them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from vibe import skeletons
from vibe.cameras import BOX_MARGIN
from vibe.data.recording import Recording
from vibe.data.sets.boxes import boxes_around

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

    `points_px` are x, y and confidence of the joints of that set (`vibe.skeletons.convert`). Raises ValueError if no
    frame shows enough.
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
    keypoints_px = skeletons.convert(seen, joints, "spin49").numpy()[rows]
    images = tuple(recording.images[row] for row in rows) if recording.images else ()
    return replace(
        recording, frames=recording.frames[rows], images=images,
        keypoints_px={"spin49": keypoints_px}, box_px=boxes[rows],
    )  # fmt: skip
