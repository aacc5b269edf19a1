"""The ground under people: a grid that fades into the distance, and soft shadows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from vibe.body.mesh import jit
from vibe.render import rasterizer
from vibe.render.viewpoints import Place, Viewpoint

SPACING, FINE = 1.0, 4
"""Metres between the lines, and parts between two of them."""
LINE, FINE_LINE = 0.016, 0.008
"""Width of a line, metres."""
LINE_OPACITY, FINE_OPACITY = 0.75, 0.45
LEAST_PX = 1.1
"""Lines don't get narrower than that."""
REACH = 3.2
"""Metres from the middle of people at which the grid has faded away; more for people who are far apart."""
TEXEL, MOST_TEXELS = 0.02, 448
"""Metres, and how many along a side, of the shadow's picture."""
SHADOWS = ((0.06, 0.025, 0.42), (0.35, 0.10, 0.30), (4.0, 0.28, 0.30))
"""Layers of the shadow: of what is less than so high (metres), blurred by so much (metres), so dark."""


@dataclass(frozen=True)
class GroundPlane:
    """A plane as a camera sees it."""

    level: Float[ndarray, "3 3"]
    """From homogeneous pixels to homogeneous metres along the ground; the third is negative where ground is seen."""
    middle: Float[ndarray, "2"]
    """Metres along the ground, around which the grid is drawn."""
    reach: float


def ground_plane(place: Place, view: Viewpoint, frame: int) -> GroundPlane | None:
    """The ground of a place in a frame; None if the camera is below it."""
    axes = np.stack([*place.across, place.up])
    beyond = view.R_view_cam.T @ view.t_view_cam
    height = place.floor + beyond @ place.up
    if height >= -1e-3:
        return None
    seen = axes @ view.R_view_cam.T
    level = np.stack([height * seen[0] - (axes[0] @ beyond) * seen[2], height * seen[1] - (axes[1] @ beyond) * seen[2]])
    level = np.concatenate([level, seen[2:]]) @ np.linalg.inv(view.K_px)
    centre = place.centres[frame]
    apart = np.linalg.norm((place.joints[:, 0] - place.centres[place.frames]) @ axes[:2].T, axis=1).max()
    return GroundPlane(level, axes[:2] @ centre, REACH + 1.2 * float(apart))


def draw_ground(
    picture: UInt8[ndarray, "height width channel"],
    ground: GroundPlane,
    line: Float[ndarray, "3"],
    shadow: tuple[Float[ndarray, "row column"], Float[ndarray, "3"]] | None,
) -> None:
    """Draw the grid in a colour (sRGB, 0 to 1), with the shadow on it, over a picture, in place."""
    darkness, corner = shadow if shadow is not None else (np.zeros((2, 2), np.float32), np.array([0.0, 0.0, 1.0]))
    _draw_ground(picture, ground.level, ground.middle, ground.reach, 255.0 * line.astype(np.float64), darkness, corner)


def ground_shadow(
    surfaces: Sequence[tuple[Float[ndarray, "vertex 3"], Int[ndarray, "face 3"]]], place: Place
) -> tuple[Float[ndarray, "row column"], Float[ndarray, "3"]] | None:
    """How dark the ground is under surfaces of the video's camera: opacity, and where its picture begins and its step.

    As under an even sky: sharp and dark where something touches the ground, faint and wide below what is high up.
    """
    axes = np.stack([*place.across, place.up]).astype(np.float32)
    standing = [
        (points @ axes.T - np.array([0, 0, place.floor], np.float32), faces) for points, faces in surfaces if len(faces)
    ]
    if not standing:
        return None
    low = np.min([points[:, :2].min(0) for points, _ in standing], 0) - 0.8
    high = np.max([points[:, :2].max(0) for points, _ in standing], 0) + 0.8
    step = max(TEXEL, float((high - low).max()) / MOST_TEXELS)
    columns, rows = np.ceil((high - low) / step).astype(int) + 1
    height = np.full((rows, columns), np.inf, np.float32)
    for points, faces in standing:
        height = np.minimum(height, _lowest(points, faces, low, step, rows, columns))
    dark = np.zeros((rows, columns), np.float32)
    for below, soft, strength in SHADOWS:
        layer = cv2.GaussianBlur((height < below).astype(np.float32), (0, 0), soft / step)
        dark = 1 - (1 - dark) * (1 - strength * layer)
    return dark, np.array([low[0], low[1], step])


def _lowest(
    points: Float[ndarray, "vertex 3"],
    faces: Int[ndarray, "face 3"],
    low: ndarray,
    step: float,
    rows: int,
    columns: int,
) -> Float[ndarray, "row column"]:
    """Height of the lowest surface above each spot of the ground: what somebody below it would see."""
    depth = np.maximum(points[:, 2:], 0) + 1
    seen = np.concatenate([(points[:, :2] - low) / step * depth, depth], 1)
    return rasterizer.depth_image(seen.astype(np.float32), faces, np.eye(3), rows, columns) - 1


@jit
def _draw_ground(picture, level, middle, reach, line, darkness, corner):
    rows, columns, channels = picture.shape
    inverse_reach = 1.0 / (reach * reach)
    for row in range(rows):
        y = row + 0.5
        for column in range(columns):
            x = column + 0.5
            w = level[2, 0] * x + level[2, 1] * y + level[2, 2]
            if w >= -1e-6:
                continue
            near = 1.0 / w
            u = (level[0, 0] * x + level[0, 1] * y + level[0, 2]) * near
            v = (level[1, 0] * x + level[1, 1] * y + level[1, 2]) * near
            away = ((u - middle[0]) ** 2 + (v - middle[1]) ** 2) * inverse_reach
            if away >= 1.0:
                continue
            fade = (1.0 - away) * (1.0 - away)
            # widths of a pixel on the ground, by which lines are averaged: far away they would flicker otherwise
            width_u = (abs(level[0, 0] - u * level[2, 0]) + abs(level[0, 1] - u * level[2, 1])) * -near
            width_v = (abs(level[1, 0] - v * level[2, 0]) + abs(level[1, 1] - v * level[2, 1])) * -near
            major = _lines(u, v, width_u, width_v, 1.0 / SPACING, LINE) * LINE_OPACITY
            minor = _lines(u, v, width_u, width_v, FINE / SPACING, FINE_LINE) * FINE_OPACITY
            drawn = fade * max(major, minor)
            dark = _bilinear(darkness, (u - corner[0]) / corner[2], (v - corner[1]) / corner[2])
            if drawn + dark <= 0.002:
                continue
            pixel = picture[row, column]
            for channel in range(3):
                pixel[channel] = (1.0 - dark) * (pixel[channel] + drawn * (line[channel] - pixel[channel])) + 0.5
            if channels > 3:
                pixel[3] = 255.0 - (1.0 - dark) * (1.0 - drawn) * (255.0 - pixel[3]) + 0.5


@jit
def _lines(u, v, width_u, width_v, density, line):
    """Share of a pixel that is on lines of either direction, of which there are so many in a metre."""
    one = _line(u * density, width_u * density, line * density)
    two = _line(v * density, width_v * density, line * density)
    return one + two - one * two


@jit
def _line(place, width, line):
    """Share of a pixel that is on a line, lengths in spacings; less where lines come closer than pixels."""
    line = max(line, LEAST_PX * width)
    clear = 2.0 - 5.0 * width
    if clear <= 0.0:
        return 0.0
    low = place - 0.5 * width + 0.5 * line
    low -= np.floor(low)
    if low >= line and low + width <= 1.0:
        return 0.0
    return min(1.0, clear) * (_until(low + width, line) - _until(low, line)) / width


@jit
def _until(place, line):
    """How much of the way from 0 to here is on lines."""
    whole = np.floor(place)
    return whole * line + min(place - whole, line)


@jit
def _bilinear(values, x, y):
    """Of a table, 0 outside it."""
    left, top = int(np.floor(x)), int(np.floor(y))
    if left < 0 or top < 0 or left + 1 >= values.shape[1] or top + 1 >= values.shape[0]:
        return 0.0
    a, b = x - left, y - top
    upper = (1.0 - a) * values[top, left] + a * values[top, left + 1]
    return (1.0 - b) * upper + b * ((1.0 - a) * values[top + 1, left] + a * values[top + 1, left + 1])
