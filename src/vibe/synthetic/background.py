"""Picture-like places for rendered people: a ground in perspective, walls or sky, things out of focus, shadows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from vibe.render import rasterizer


def fractal(points: Float[ndarray, "*b n"], seed: int) -> Float[ndarray, "*b"]:
    """Smooth noise of unit variance or so, waves in random directions; the longest are a few units long."""
    rng = np.random.default_rng(seed)
    points = points.astype(np.float32)
    total = np.zeros(points.shape[:-1], np.float32)
    for octave in range(11):
        direction = (rng.normal(size=points.shape[-1]) * 1.4**octave).astype(np.float32)
        total += np.sin(points @ direction + np.float32(rng.uniform(0, 2 * np.pi))) * np.float32(0.83**octave)
    return total / np.float32(1.25)


@dataclass(frozen=True)
class BackgroundGround:
    """The floor in the camera's frame."""

    up: Float[ndarray, "3"]
    """Unit normal."""
    height: float
    """Of the camera above it, metres."""

    def world_axes(self) -> Float[ndarray, "3 3"]:
        """R_cam_world of a world of y up whose z axis points towards the camera along the floor."""
        right = np.cross((0.0, 0.0, 1.0), self.up)
        right /= np.linalg.norm(right)
        return np.stack([right, self.up, np.cross(right, self.up)], 1)

    def dropped(self, points_cam: Float[ndarray, "*b 3"], along: Float[ndarray, "3"]) -> Float[ndarray, "*b 3"]:
        """The points moved along a direction onto the floor."""
        above = points_cam @ self.up + self.height
        return points_cam - above[..., None] * along / (along @ self.up)


def ground_below(height: float, pitch: float) -> BackgroundGround:
    """The floor under a camera `height` metres up that looks down by `pitch` radians."""
    return BackgroundGround(np.array([0.0, -np.cos(pitch), -np.sin(pitch)]), height)


def background(
    width: int, height: int, K_px: Float[ndarray, "3 3"], ground: BackgroundGround, seed: int
) -> UInt8[ndarray, "height width 3"]:
    """The picture that this camera takes of an empty place above this ground."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), -1).astype(np.float32)
    rays = np.pad(grid, ((0, 0), (0, 0), (0, 1)), constant_values=1.0) @ np.linalg.inv(K_px).T.astype(np.float32)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    rise = rays @ ground.up.astype(np.float32)
    outdoors = rng.random() < 0.5
    picture = _sky(rays, rise, rng) if outdoors else _wall(rays, rise, rng)
    picture = cv2.GaussianBlur(_things(picture, rng, outdoors), (0, 0), max(1.0, height * rng.uniform(0.002, 0.008)))
    edge = -rng.uniform(0.05, 0.16)
    floor = _floor(rays, rise, ground, rng)
    share = np.clip((edge - rise) / 0.006, 0.0, 1.0)[..., None]
    picture = picture * (1 - share) + floor * share
    picture *= 1 - 0.22 * np.exp(-np.abs(rise - edge) / 0.03)[..., None]
    centre = np.linalg.norm(grid / (width, height) - 0.5, axis=-1)
    return (255 * (picture * (1.03 - 0.35 * centre**2)[..., None]).clip(0, 1)).astype(np.uint8)


def cast_shadow(
    rgb: UInt8[ndarray, "height width 3"], vertices_cam: Float[ndarray, "vertex 3"], faces: Int[ndarray, "face 3"],
    K_px: Float[ndarray, "3 3"], ground: BackgroundGround, towards_light: Float[ndarray, "3"],
) -> UInt8[ndarray, "height width 3"]:  # fmt: skip
    """The picture with a person's shadow on the floor: one away from the light, and a dark one where the feet stand."""
    height, width = rgb.shape[:2]
    near = K_px[0, 0] / max(1.0, float(vertices_cam[:, 2].mean()))
    tall = ground.dropped(vertices_cam, towards_light)
    low = vertices_cam @ ground.up + ground.height < 0.14
    contact = ground.dropped(vertices_cam, ground.up)
    shadow = np.ones((height, width), np.float32)
    for points, kept, blur, depth in ((tall, faces, 0.035, 0.38), (contact, faces[low[faces].all(1)], 0.025, 0.5)):
        if len(kept):
            both_sides = np.concatenate([kept, kept[:, ::-1]])
            mask = rasterizer.pixel_coverage(points, both_sides, K_px, height, width, samples=1)
            shadow *= 1 - depth * _softened(mask, max(0.6, blur * near))
    return (rgb * shadow[..., None]).astype(np.uint8)


def sensor(rgb: UInt8[ndarray, "height width 3"], strength: float, seed: int) -> UInt8[ndarray, "height width 3"]:
    """The picture with a camera's noise, of this standard deviation in grey levels."""
    rng = np.random.default_rng(seed)
    tile = rng.normal(0, strength, (256, 256, 3)).astype(np.float32)
    height, width = rgb.shape[:2]
    noise = np.tile(tile, (height // 256 + 1, width // 256 + 1, 1))[:height, :width]
    return (rgb + noise).clip(0, 255).astype(np.uint8)


def _softened(mask, sigma):
    """Gaussian blur of the part of the mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return mask
    margin = int(3 * sigma) + 1
    part = np.s_[max(0, rows[0] - margin) : rows[-1] + margin, max(0, columns[0] - margin) : columns[-1] + margin]
    mask[part] = cv2.GaussianBlur(mask[part], (0, 0), sigma)
    return mask


def _sky(rays, rise, rng):
    high, low = np.array([0.36, 0.55, 0.82]), np.array([0.80, 0.86, 0.92])
    share = np.clip(rise / 0.6, 0, 1)[..., None] ** 0.6
    clouds = np.clip(fractal(rays[..., :2] * 5.0, int(rng.integers(1 << 30))), 0, 1)[..., None] * 0.5
    return (low * (1 - share) + high * share) * (1 - clouds) + 0.95 * clouds


def _wall(rays, rise, rng):
    tint = rng.uniform(0.5, 0.85) * (1 + rng.uniform(-0.08, 0.08, 3))
    side = 1 + rng.uniform(-0.3, 0.3) * rays[..., 0] + 0.15 * rise
    return tint * (side + 0.03 * fractal(rays[..., :2] * 9.0, int(rng.integers(1 << 30))))[..., None]


def _things(picture, rng, outdoors):
    """Bushes and houses outdoors, pictures, doors and furniture indoors; drawn sharp, to be blurred afterwards."""
    height, width = picture.shape[:2]
    canvas = np.ascontiguousarray(picture, np.float32)
    for _ in range(rng.integers(6, 16)):
        x, y = rng.uniform(0, width), rng.normal(0.47, 0.05) * height if outdoors else rng.normal(0.36, 0.14) * height
        wide, tall = rng.uniform(0.03, 0.16) * width, rng.uniform(0.03, 0.22) * height
        bush = outdoors and rng.random() < 0.7
        tint = rng.uniform(0.2, 0.9) * (np.array([0.45, 0.65, 0.35]) if bush else 1 + rng.normal(0, 0.07, 3))
        tint = tuple(float(part) for part in tint.clip(0.05, 0.95))
        if bush:
            for _ in range(12):
                spot = (int(x + rng.normal(0, wide)), int(y + abs(rng.normal(0, tall))))
                leaf = tuple(part * rng.uniform(0.7, 1.2) for part in tint)
                cv2.ellipse(canvas, spot, (int(wide / 2) + 1, int(tall / 3) + 1), 0, 0, 360, leaf, -1, cv2.LINE_AA)
        else:
            corner, other = (int(x - wide), int(y - tall)), (int(x + wide), int(y + tall))
            cv2.rectangle(canvas, corner, other, tuple(0.6 * part for part in tint), -1)
            inset = max(2, int(0.006 * height))
            inner = (corner[0] + inset, corner[1] + inset), (other[0] - inset, other[1] - inset)
            if inner[0][0] < inner[1][0] and inner[0][1] < inner[1][1]:
                cv2.rectangle(canvas, *inner, tint, -1)
    return canvas


def _floor(rays, rise, ground, rng):
    """Boards, tiles or bare ground, in perspective, hazy far away."""
    reach = np.minimum(ground.height / np.maximum(-rise, 1e-3), 60.0)
    across = np.cross(ground.up, (0.0, 0.0, 1.0))
    across /= np.linalg.norm(across)
    spot = np.stack([rays @ across, rays @ np.cross(across, ground.up)], -1) * reach[..., None]
    turn = rng.uniform(0, np.pi)
    spot = spot @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return paving(spot, np.exp(-reach / 9.0), rng)


def paving(
    spot: Float[ndarray, "*b 2"], sharp: Float[ndarray, "*#b"], rng: np.random.Generator
) -> Float[ndarray, "*b 3"]:
    """Colour, in [0, 1], of boards, tiles or bare ground at places in metres; `sharp` is 1 near and 0 far away."""
    tint = rng.uniform(0.3, 0.6) * np.array([[1.15, 1.0, 0.85], [1.0, 1.0, 1.0], [0.95, 1.05, 0.85]][rng.integers(3)])
    size = np.array([[0.14, 1.8], [0.5, 0.5], [1.2, 1.2]][rng.integers(3)])
    cell = np.floor(spot / size + (0, 0.37) * np.floor(spot[..., :1] / size[0]))
    tone = np.sin(cell @ (12.9898, 78.233)) * 43758.5453
    inside = np.abs(spot / size + (0, 0.37) * np.floor(spot[..., :1] / size[0]) - cell - 0.5)
    joint = ((inside > 0.5 - 0.006 / size) * 1.0).max(-1)
    level = 1 + sharp * (
        0.14 * (tone - np.floor(tone) - 0.5) - 0.25 * joint + 0.06 * fractal(spot * 4.0, int(rng.integers(1 << 30)))
    )
    return tint * (level + 0.04 * fractal(spot * 0.6, int(rng.integers(1 << 30))))[..., None]
