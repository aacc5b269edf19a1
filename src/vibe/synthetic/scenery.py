"""Rendered places in three dimensions, for cameras that turn and travel: a floor, walls or houses, and the sky.

A place is made of upright and level pictures of known size. Each comes into the camera's picture by a homography, so
that a turn of the camera is exact, and floor and walls shift against each other when it travels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from vibe.records import Camera
from vibe.synthetic.background import fractal, paving

TEXELS = 80
"""A metre of floor or of a wall, in pixels of its texture."""
COARSE = 5
"""Far floor is read from a texture so many times coarser ..."""
FINE_UNTIL = (4.0, 9.0)
"""... which takes over between these distances, metres."""
SHARPER = 2
"""Places are drawn so many times larger than the picture, and then averaged."""
HALF = 16.0
"""Metres from the middle of the floor to the end of its texture."""
FAR = 60.0
"""Metres to the trees and hills behind everything outdoors."""
Picture = UInt8[ndarray, "height width 3"]


@dataclass(frozen=True)
class Backdrop:
    """A flat picture in the world."""

    corner: Float[ndarray, "3"]
    """Of its top left texel, metres."""
    right: Float[ndarray, "3"]
    """To the next texel."""
    down: Float[ndarray, "3"]
    rgba: UInt8[ndarray, "row column 4"]
    """sRGB times opacity, and opacity."""


@dataclass(frozen=True)
class Scenery:
    """An empty place; the world is right-handed, z up, with the floor at 0."""

    fine: Backdrop
    coarse: Backdrop
    """The floor, twice; beyond its end it goes on in one colour."""
    panels: tuple[Backdrop, ...]
    """Everything upright."""
    colours: Float[ndarray, "3 3"]
    """Of the far floor, the horizon and overhead; sRGB in [0, 1]."""

    def picture(self, camera: Camera, R_world_cam: Float[ndarray, "3 3"], t_world_cam: Float[ndarray, "3"]) -> Picture:
        """What a camera at `t_world_cam`, metres above the floor, takes of the place."""
        larger = np.diag([SHARPER, SHARPER, 1.0]) @ np.asarray(camera.K_px, np.float64)
        rays = _rays(camera, R_world_cam)
        size_px = SHARPER * camera.width, SHARPER * camera.height
        canvas = cv2.resize(_far(self.colours, rays), size_px, interpolation=cv2.INTER_LINEAR)
        to_px = larger @ R_world_cam.T
        _draw(canvas, self.coarse, to_px, t_world_cam)
        low, high = FINE_UNTIL
        reach = t_world_cam[2] / np.maximum(-rays[..., 2], 1e-3)
        near = (255 * ((high - reach) / (high - low)).clip(0, 1)).astype(np.uint8)
        _draw(canvas, self.fine, to_px, t_world_cam, cv2.resize(near, size_px))

        def distance(panel: Backdrop) -> float:
            return float(np.linalg.norm(panel.corner + panel.right * panel.rgba.shape[1] / 2 - t_world_cam))

        for panel in sorted(self.panels, key=distance, reverse=True):
            _draw(canvas, panel, to_px, t_world_cam)
        return cv2.resize(canvas, (camera.width, camera.height), interpolation=cv2.INTER_AREA)


def _rays(camera, R_world_cam):
    """Unit directions in the world through every eighth pixel."""
    grid = np.stack(np.meshgrid(np.arange(4, camera.width + 4, 8), np.arange(4, camera.height + 4, 8)), -1)
    K_px = np.asarray(camera.K_px, np.float64)
    rays = np.pad(grid, ((0, 0), (0, 0), (0, 1)), constant_values=1) @ (R_world_cam @ np.linalg.inv(K_px)).T
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def _far(colours, rays):
    """The floor far away below the horizon, and the sky or the ceiling above it."""
    rise = rays[..., 2:]
    sky = colours[1] + (colours[2] - colours[1]) * (rise / 0.6).clip(0, 1) ** 0.6
    return (255 * np.where(rise > 0, sky, colours[0])).astype(np.uint8)


def _draw(canvas, panel, to_px, t_world_cam, share=None):
    """The panel over the canvas, in place; where it lies behind the camera it is not seen."""
    rows, columns = panel.rgba.shape[:2]
    to_canvas = to_px @ np.stack([panel.right, panel.down, panel.corner - t_world_cam], 1)
    corners = np.array([[0, 0, 1], [columns, 0, 1], [columns, rows, 1], [0, rows, 1]]) @ to_canvas.T
    left, top, right, bottom = 0, 0, canvas.shape[1], canvas.shape[0]
    if (corners[:, 2] > 0.05).all():
        seen = corners[:, :2] / corners[:, 2:]
        left, top = np.floor(seen.min(0)).clip(0, (right, bottom)).astype(int).tolist()
        right, bottom = np.ceil(seen.max(0)).clip(0, (right, bottom)).astype(int).tolist()
    if (corners[:, 2] <= 0.05).all() or left >= right or top >= bottom:
        return
    # pixels and texels count from the middle of the first one in OpenCV, from its corner here
    from_px = np.linalg.inv(to_canvas) @ np.array([[1, 0, left + 0.5], [0, 1, top + 0.5], [0, 0, 1]])
    from_px[:2] -= 0.5 * from_px[2]
    part, size = canvas[top:bottom, left:right], (right - left, bottom - top)
    seen = cv2.warpPerspective(panel.rgba, from_px, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    if not (corners[:, 2] > 0.05).all():
        x, y = (np.arange(side, dtype=np.float32) * slope for side, slope in zip(size, from_px[2, :2], strict=True))
        seen = cv2.bitwise_and(seen, seen, mask=(x > -from_px[2, 2] - y[:, None]).view(np.uint8))
    if share is not None:
        seen = cv2.multiply(seen, cv2.merge([share[top:bottom, left:right]] * 4), scale=1 / 255)
    shown = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(seen, 3)), cv2.COLOR_GRAY2RGB)
    part[:] = cv2.add(cv2.multiply(part, shown, scale=1 / 255), cv2.cvtColor(seen, cv2.COLOR_RGBA2RGB))


def make_scenery(seed: int, reach: float) -> Scenery:
    """A room or a street by chance, free of things within `reach` metres of the world's origin."""
    rng = np.random.default_rng(seed)
    side = round(2 * HALF * TEXELS)
    across = (np.arange(side, dtype=np.float32) + 0.5) / TEXELS - HALF
    floor = paving(np.stack(np.meshgrid(across, across), -1), np.ones((1, 1), np.float32), rng)
    floor = _spotted((255 * floor.clip(0, 1)).astype(np.uint8), rng, 900)
    far = floor.mean((0, 1)) / 255
    coarse = cv2.resize(floor, (side // COARSE, side // COARSE), interpolation=cv2.INTER_AREA)
    outdoors = rng.random() < 0.5
    panels = _street(rng, reach) if outdoors else _room(rng, reach)
    sky = [[0.80, 0.86, 0.92], [0.36, 0.55, 0.82]] if outdoors else [[0.82, 0.81, 0.79], [0.90, 0.89, 0.87]]
    return Scenery(_level(floor), _level(coarse), tuple(panels), np.array([far, *sky]))


def _level(rgb):
    """The picture on the floor, about the origin."""
    texel = 2 * HALF / len(rgb)
    right, down = np.array([texel, 0.0, 0.0]), np.array([0.0, -texel, 0.0])
    return Backdrop(np.array([-HALF, HALF, 0.0]), right, down, _opaque(rgb))


def _opaque(rgb):
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


def _upright(rgba, middle, facing, texels):
    """A picture that stands on the floor at `middle` [2] and is looked at from where `facing` [2] points."""
    across = np.array([-facing[1], facing[0], 0.0]) / texels
    corner = np.array([*middle, len(rgba) / texels]) - across * rgba.shape[1] / 2
    return Backdrop(corner, across, np.array([0.0, 0.0, -1 / texels]), rgba)


def _spotted(rgb, rng, count):
    """Stains, leaves and scratches on a picture, in place."""
    height, width = rgb.shape[:2]
    for _ in range(count):
        spot = int(rng.integers(width)), int(rng.integers(height))
        axes = tuple(int(axis) for axis in rng.integers(1, 9, 2))
        colour = tuple(float(part) for part in rgb[spot[1], spot[0]] * rng.uniform(0.5, 1.4) + rng.normal(0, 8, 3))
        cv2.ellipse(rgb, spot, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    return rgb


def _room(rng, reach):
    """Four walls with doors, pictures and shelves."""
    height = rng.uniform(2.8, 4.5)
    depth, width = reach + rng.uniform(0.5, 4.0, 2)
    turn, tint = rng.uniform(0, 2 * math.pi), rng.uniform(0.5, 0.85) * (1 + rng.uniform(-0.08, 0.08, 3))
    walls = []
    for quarter, (away, long) in enumerate(((depth, width), (width, depth)) * 2):
        angle = turn + quarter * math.pi / 2
        outward = np.array([math.cos(angle), math.sin(angle)])
        wall = _wall(rng, round(2 * long * TEXELS), round(height * TEXELS), tint * rng.uniform(0.85, 1.05))
        walls.append(_upright(_opaque(wall), away * outward, -outward, TEXELS))
    return walls


def _wall(rng, width, height, tint):
    """Plaster with a skirting board, and things on it."""
    spot = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1) / TEXELS
    rgb = tint * (1 + 0.04 * fractal(spot * 3.0, int(rng.integers(1 << 30)))[..., None])
    rgb = _spotted((255 * rgb.clip(0, 1)).astype(np.uint8), rng, width // 12)
    rgb[-round(0.12 * TEXELS) :] = (rgb[-round(0.12 * TEXELS) :] * 0.6).astype(np.uint8)
    x = rng.uniform(0.2, 1.5)
    while (left := round(x * TEXELS)) < width:
        kind = rng.random()
        wide = rng.uniform(0.8, 1.1) if kind < 0.25 else rng.uniform(0.4, 1.8)
        low = 0.0 if kind < 0.5 else rng.uniform(0.7, 1.5)
        tall = 2.1 if kind < 0.25 else rng.uniform(0.4, 1.2)
        _thing(rgb, left, round(height - (low + tall) * TEXELS), round(wide * TEXELS), round(tall * TEXELS), rng)
        x += wide + rng.uniform(0.3, 2.0)
    return rgb


def _thing(rgb, left, top, wide, tall, rng):
    """A door, picture or shelf: a frame and fields of other colours, in place."""
    top, right, bottom = max(top, 0), min(left + wide, rgb.shape[1]), min(top + tall, rgb.shape[0])
    tint = 255 * (rng.uniform(0.2, 0.9) * (1 + rng.normal(0, 0.15, 3))).clip(0.05, 0.95)
    cv2.rectangle(rgb, (left, top), (right, bottom), tuple(0.55 * tint), -1)
    rows, columns = rng.integers(1, 5, 2)
    for row in range(rows):
        for column in range(columns):
            x, y = left + column * wide // columns + 4, top + row * tall // rows + 4
            field = tuple(float(part) for part in tint * rng.uniform(0.7, 1.25))
            cv2.rectangle(rgb, (x, y), (x + wide // columns - 8, y + tall // rows - 8), field, -1)


def _street(rng, reach):
    """Houses, fences and hedges around, and trees on the horizon."""
    panels, angle = [], rng.uniform(0, 2 * math.pi)
    for number in range(8):
        outward = np.array([math.cos(number * math.pi / 4), math.sin(number * math.pi / 4)])
        trees = _hedge(rng, 1000, 220, 0.10, (0.42, 0.55, 0.45))
        panels.append(_upright(trees, FAR * outward, -outward, 20))
    end = angle + 2 * math.pi
    while angle < end - 0.3:
        away, wide = reach + rng.uniform(0.5, 9.0), rng.uniform(3.0, 9.0)
        half = math.atan2(wide / 2, away)
        outward = np.array([math.cos(angle + half), math.sin(angle + half)])
        texels = TEXELS if away < 9 else TEXELS // 2
        size = round(wide * texels), round(rng.uniform(0.8, 1.8) * texels)
        if rng.random() < 0.5:
            rgba = _hedge(rng, *size, 0.25, (0.35, 0.52, 0.28))
        else:
            size = size[0], size[1] if rng.random() < 0.4 else round(rng.uniform(3.0, 6.5) * texels)
            rgba = _opaque(_wall(rng, *size, rng.uniform(0.4, 0.85) * (1 + rng.uniform(-0.12, 0.12, 3))))
        panels.append(_upright(rgba, away * outward, -outward, texels))
        angle += 2 * half + rng.uniform(0.0, 0.35)
    return panels


def _hedge(rng, width, height, ragged, tint):
    """Leaves with an uneven upper edge."""
    leaves = np.ones((height, width), np.float32)
    for size, depth in ((1.2, 0.35), (6.0, 1.0), (25.0, 2.5)):
        leaves += depth * cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), size)
    rgb = (255 * (np.array(tint) * rng.uniform(0.6, 1.0) * leaves[..., None]).clip(0, 1)).astype(np.uint8)
    edge = ragged * height * (1 + fractal(np.arange(width)[:, None] / 40, int(rng.integers(1 << 30)))).clip(0, 2)
    alpha = (255 * (np.arange(height)[:, None] - edge).clip(0, 1)).astype(np.uint8)
    return np.dstack([cv2.multiply(rgb, cv2.merge([alpha] * 3), scale=1 / 255), alpha])
