"""Hands in a picture: where the pose model's points tell that one is, and its 21 points.

Regions are those of `vibe.tracking.pose_model`, turned so that the forearm comes from below. The points are
MediaPipe's: wrist, then thumb, index, middle, ring and little finger, four points each from the palm outwards.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from vibe import assets
from vibe.skeletons import BLAZEPOSE
from vibe.tracking.pose_model import crop_person, screen_turn, to_picture
from vibe.tracking.tflite import Model

SIDE, RECROP_SIDE = 224, 256
"""Pixels of the models' square inputs."""
POINTS = 21
FIRST_LOOK = 5.4
"""Side of the square that is searched for a hand, in distances from the wrist to the palm's points."""
LEAST_PX = 48.0
"""Side of a hand's region under which the model is not asked: of smaller hands it finds few."""
PALM = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""The points whose box tells the region of the next look."""
NEXT_LOOK, UP = 2.0, 0.1
"""Side of that region over the box's, and by how much of its side it is moved away from the forearm."""
PRESENT = 0.5
"""Probability of a hand from which on it is followed."""
STRAYED = 0.4
"""By how many of its sides the region of the last look may lie off the palm that the pose model sees."""
VISIBLE = 0.3
"""Visibility of the wrist under which a hand is not looked for."""


@dataclass(frozen=True)
class HandLandmarks:
    """What the model says of one region."""

    points_px: Float[Array, "21 2"]
    """In pixels of the picture."""
    places: Float[Array, "21 3"]
    """Metres from about the middle finger's knuckle; x right, y down, z along the line of sight to the hand."""
    presence: float
    """Probability that a hand is in the region."""
    right: float
    """Probability that it is a right hand, as the person has it."""


class HandModel:
    """The models `vibe.assets.HAND_MODELS`; several threads may ask at once."""

    def __init__(self) -> None:
        recrop, landmark = (assets.find_model(name) for name in assets.HAND_MODELS)
        self._recrop = Model(recrop, ((1, 1, 1, 4),))
        self._model = Model(landmark, ((1, 3 * POINTS), (1, 1)))

    def look(
        self, rgb: UInt8[Array, "height width 3"], palm: Float[Array, "4"], last_px: Float[Array, "21 2"] | None
    ) -> HandLandmarks:
        """The hand in a `palm_region`; first where its points are expected after the last look, if there was one."""
        if last_px is not None:
            region = follow_region(last_px)
            if math.dist(region[:2], palm[:2]) < STRAYED * region[2]:
                seen = self._read(rgb, region)
                if seen.presence > PRESENT:
                    return seen
        found = self._read(rgb, self._recropped(rgb, palm))
        if found.presence <= PRESENT or last_px is not None:
            return found
        again = self._read(rgb, follow_region(found.points_px))
        return again if again.presence > 0.9 * found.presence else found

    def _recropped(self, rgb: UInt8[Array, "height width 3"], palm: Float[Array, "4"]) -> Float[Array, "4"]:
        """The square around the hand, in a square around all that may be one."""
        crop = crop_person(rgb, palm, (RECROP_SIDE, RECROP_SIDE))
        (seen,) = self._recrop.in_order(crop[None] * np.float32(1 / 255))
        centre, below = to_picture(seen.reshape(2, 2) / RECROP_SIDE, palm)
        return square_region(centre, below - centre, 2 * math.dist(centre, below))

    def _read(self, rgb: UInt8[Array, "height width 3"], region: Float[Array, "4"]) -> HandLandmarks:
        crop = crop_person(rgb, region, (SIDE, SIDE))
        points, presence, right, places = self._model.in_order(crop[None] * np.float32(1 / 255))
        places = places.reshape(POINTS, 3)
        places = np.concatenate([places[:, :2] @ screen_turn(region[3]).T, places[:, 2:]], 1)
        points_px = to_picture(points.reshape(POINTS, 3)[:, :2] / SIDE, region)
        return HandLandmarks(points_px, places, float(presence.item()), float(right.item()))


def palm_region(body: Float[Array, "33 8"], side: str, rgb: UInt8[Array, "height width 3"]) -> Float[Array, "4"] | None:
    """A square in which a hand of this body is, by its wrist, index and little finger.

    None of one that is too small, hidden, or outside the picture.
    """
    wrist, index, pinky = (body[BLAZEPOSE.index(f"{side}_{point}")] for point in ("wrist", "index", "pinky"))
    palm = (2 * index[:2] + pinky[:2]) / 3
    away = math.dist(wrist[:2], palm)
    if not 4 * away >= LEAST_PX or wrist[5] < VISIBLE or not (palm >= 0).all() or not (palm < rgb.shape[1::-1]).all():
        return None
    return square_region(palm, wrist[:2] - palm, FIRST_LOOK * away, 0.0)


def follow_region(points_px: Float[Array, "21 2"]) -> Float[Array, "4"]:
    """The region of the next look at a hand whose points these are, if it keeps still."""
    down = points_px[0] - (points_px[5] + 2 * points_px[9] + points_px[13]) / 4
    turned = screen_turn(math.atan2(-down[0], down[1]))
    box = points_px[list(PALM)] @ turned
    low, high = box.min(0), box.max(0)
    return square_region(turned @ ((low + high) / 2), down, NEXT_LOOK * float((high - low).max()))


def square_region(centre: Float[Array, "2"], down: Float[Array, "2"], side: float, up: float = UP) -> Float[Array, "4"]:
    """The region of a square that is turned so that the direction `down` is down, moved up by a share of its side."""
    down = down / max(math.hypot(*down), 1e-9)
    return np.array([*(centre - up * side * down), max(side, 1.0), math.atan2(-down[0], down[1])])
