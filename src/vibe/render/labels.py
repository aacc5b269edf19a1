"""People's numbers in discs above their heads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from vibe.render import rasterizer

PLACES = [(0, 0), *((side * away, -up) for away in (0, 1, 2) for up in (0, 1, 2) for side in (1, -1) if away or up)]
"""Where a disc goes whose place is taken, in its widths: up, then aside."""


def badges(
    picture: UInt8[ndarray, "height width channel"],
    people: Sequence[tuple[int, Float[ndarray, "3"], Float[ndarray, "point 3"]]],
    K_px: Float[ndarray, "3 3"],
) -> None:
    """Put each person's number, in their colour, above the highest of their points that shows, in place.

    Discs stay within the picture and beside each other; who is nearer has the first choice.
    """
    height, width = picture.shape[:2]
    radius = max(6, round(0.011 * max(height, width)))
    if min(height, width) < 4 * radius:
        return
    taken: list[tuple[int, int]] = []
    for number, colour, points in sorted(people, key=lambda person: float(person[2][:, 2].mean())):
        top = _top(points, K_px, width, height)
        if top is None:
            continue
        x, y = (int(np.clip(at, radius + 1, side - radius - 2)) for at, side in zip(
            (top[0], top[1] - 1.6 * radius), (width, height), strict=True
        ))  # fmt: skip
        taken.append(_free(x, y, radius, taken, width, height))
        _put(picture, str(number), 255 * colour, radius, *taken[-1])


def _top(
    points: Float[ndarray, "point 3"], K_px: Float[ndarray, "3 3"], width: int, height: int
) -> Float[ndarray, "2"] | None:
    """The highest of the points within the picture, in pixels."""
    seen = points[points[:, 2] > rasterizer.NEAR] @ K_px.T
    seen = seen[:, :2] / seen[:, 2:]
    within = seen[((seen >= 0) & (seen < (width, height))).all(1)]
    return within[within[:, 1].argmin()] if len(within) else None


def _free(x: int, y: int, radius: int, taken: Sequence[tuple[int, int]], width: int, height: int) -> tuple[int, int]:
    """The first place within the picture that is not taken; where all are, the one asked for."""
    step = 2 * radius + 2
    for right, down in PLACES:
        a, b = x + right * step, y + down * step
        inside = radius < a < width - radius - 1 and radius < b < height - radius - 1
        if inside and all((a - c) ** 2 + (b - d) ** 2 >= step**2 - 2 * step for c, d in taken):
            return a, b
    return x, y


def _put(
    picture: UInt8[ndarray, "height width channel"], text: str, colour: Float[ndarray, "3"], radius: int, x: int, y: int
) -> None:
    disc, ring, digits = _badge(text, radius)
    patch = picture[y - radius : y + radius + 1, x - radius : x + radius + 1]
    for mask, paint in ((ring, np.full(3, 255.0)), (disc, colour), (digits, np.full(3, 25.0))):
        paint = np.append(paint, 255.0)[: picture.shape[2]]
        patch[:] = patch * (1 - mask[..., None]) + paint * mask[..., None] + 0.5


@lru_cache(maxsize=64)
def _badge(text: str, radius: int) -> tuple[ndarray, ndarray, ndarray]:
    """Coverage in [0, 1] of a disc, of the larger one behind it and of the text in its middle."""
    side, fine = 2 * radius + 1, 4
    ring, disc = np.zeros((2, side * fine, side * fine), np.uint8)
    centre = (side * fine // 2, side * fine // 2)
    cv2.circle(ring, centre, radius * fine, 255, -1)
    cv2.circle(disc, centre, round(radius * fine * 0.86), 255, -1)
    canvas = np.zeros((300, 200 * len(text)), np.uint8)
    cv2.putText(canvas, text, (50, 200), cv2.FONT_HERSHEY_SIMPLEX, 4.0, 255, 14, cv2.LINE_AA)
    rows, columns = np.flatnonzero(canvas.any(1)), np.flatnonzero(canvas.any(0))
    glyphs = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = min(1.05 * radius * fine / glyphs.shape[0], 1.3 * radius * fine / glyphs.shape[1])
    glyphs = cv2.resize(glyphs, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    digits = np.zeros_like(ring)
    y, x = (side * fine - glyphs.shape[0]) // 2, (side * fine - glyphs.shape[1]) // 2
    digits[y : y + glyphs.shape[0], x : x + glyphs.shape[1]] = glyphs
    disc, ring, digits = (
        cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        for mask in (disc, ring, digits)
    )
    return disc, ring, digits
