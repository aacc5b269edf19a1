"""Flat drawings over a picture: skeletons, 2D keypoints, discs with people's numbers, and the ground with shadows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.body.mesh import jit
from vibe.motion.platforms import Platform
from vibe.render.rasterizer import NEAR, Canvas, Faces, Intrinsics, Vertices, depth_image
from vibe.render.viewpoints import Place, Viewpoint
from vibe.skeletons import COCO, SMPL, SMPL_PARENTS

Colour = Float[ndarray, "3"]
Shadow = tuple[Float[ndarray, "row column"], Float[ndarray, "3"]]
"""How dark the ground is, and where this picture begins along the ground and its step, metres."""
JOINT_RADIUS, BONE_RADIUS = 0.030, 0.017
"""Metres."""
LEAST_PX = 2.0
"""Radius of a joint that is far away; its bones shrink no further than in proportion."""
RIGHT_SHADE = 0.55
"""Brightness of the right side of the body, the left being 1: shows which way somebody is turned."""
LIMBS = [
    *(("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("nose", "left_eye"), ("nose", "right_eye")),
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in zip(
        ("eye", "shoulder", "elbow", "shoulder", "hip", "knee"), ("ear", "elbow", "wrist", "hip", "knee", "ankle")
    )),
]  # fmt: skip
"""Between which of COCO's keypoints a line is drawn."""
SURE, UNSURE = 0.3, 0.05
"""Confidence from which on a keypoint is drawn in full, and faintly."""
FAINT = 0.3
OUTLINE = np.array([0.08, 0.08, 0.10])
SHIFT = 4
"""Bits behind the point in the coordinates that OpenCV draws at."""
SPREAD = 0.5
"""Pixels by which OpenCV's soft edges lie outside of a shape."""
FARTHEST_PX = 1e5
"""Coordinates beyond are moved there, so that they fit OpenCV's integers."""
DISC_PLACES = [
    (0, 0),
    *((side * away, -up) for away in (0, 1, 2) for up in (0, 1, 2) for side in (1, -1) if away or up),
]
"""Where a disc goes whose place is taken, in its widths: up, then aside."""


def draw_skeletons(
    picture: Canvas, people: Sequence[tuple[Float[ndarray, "24 3"], Colour, float]], K_px: Float[ndarray, "3 3"]
) -> None:
    """SMPL's joints and the bones between them, left light and right dark, in place.

    Each person has joints in the frame of the camera `K_px`, metres, a colour and an opacity; far ones are drawn first.
    """
    for joints, colour, opacity in sorted(people, key=lambda person: -float(person[0][:, 2].mean())):
        with _layer(picture, opacity) as layer:
            _skeleton(layer, joints, colour, K_px)


def _skeleton(picture: Canvas, joints: Float[ndarray, "24 3"], colour: Colour, K_px: Float[ndarray, "3 3"]) -> None:
    depth = joints[:, 2].clip(NEAR)
    pixels = (joints @ K_px.T)[:, :2] / depth[:, None]
    radius = np.maximum(JOINT_RADIUS * K_px[1, 1] / depth, LEAST_PX)
    thin = BONE_RADIUS / JOINT_RADIUS * radius
    shapes: list[tuple[float, Callable[[], None]]] = []
    for joint, (name, parent) in enumerate(zip(SMPL, SMPL_PARENTS, strict=True)):
        if joints[joint, 2] <= NEAR:
            continue
        tint = colour * (RIGHT_SHADE if name.startswith("right") else 1.0)
        centre, size = pixels[joint], float(radius[joint])
        shapes.append(
            (depth[joint] - JOINT_RADIUS, lambda c=centre, s=size, t=tint: _dot(picture, c, s, 1 - 0.45 * (1 - t)))
        )
        if joint and joints[parent, 2] > NEAR:
            ends = pixels[parent], pixels[joint], float(thin[parent]), float(thin[joint])
            shapes.append((max(depth[parent], depth[joint]), lambda e=ends, t=tint: _limb(picture, *e, t)))
    for _, draw in sorted(shapes, key=lambda shape: -shape[0]):
        draw()


def draw_keypoints(picture: Canvas, people: Sequence[tuple[Float[ndarray, "17 3"], Colour]], width_px: float) -> None:
    """COCO's keypoints (x, y in pixels, confidence) and the limbs between them, `width_px` wide, in place.

    What is unsure is faint and lies behind the rest; what was not detected is left out.
    """
    for low, high, opacity in ((UNSURE, SURE, FAINT), (SURE, np.inf, 1.0)):
        drawn = [(points, colour) for points, colour in people if ((points[:, 2] >= low) & (points[:, 2] < high)).any()]
        if not drawn:
            continue
        with _layer(picture, opacity) as layer:
            for points, colour in drawn:
                for one, two in LIMBS:
                    a, b = points[COCO.index(one)], points[COCO.index(two)]
                    if low <= min(a[2], b[2]) < high:
                        shade = RIGHT_SHADE if "right" in one and "right" in two else 1.0
                        _limb(layer, a[:2], b[:2], width_px / 2, width_px / 2, colour * shade)
                for name, (x, y, confidence) in zip(COCO, points, strict=True):
                    if low <= confidence < high:
                        shade = RIGHT_SHADE if name.startswith("right") else 1.0
                        _dot(layer, np.array([x, y]), 0.85 * width_px, 1 - 0.35 * (1 - colour * shade))


def draw_numbers(
    picture: Canvas, people: Sequence[tuple[int, Colour, Float[ndarray, "point 3"]]], K_px: Intrinsics
) -> None:
    """Each person's number on a disc in their colour above the highest of their visible points, in place.

    Discs stay within the picture and beside each other; nearer people have the first choice.
    """
    height, width = picture.shape[:2]
    radius = max(6, round(0.011 * max(height, width)))
    if min(height, width) < 4 * radius:
        return
    step = 2 * radius + 2
    taken: list[tuple[int, int]] = []
    for number, colour, points in sorted(people, key=lambda person: float(person[2][:, 2].mean())):
        pixels = points[points[:, 2] > NEAR] @ K_px.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        within = pixels[((pixels >= 0) & (pixels < (width, height))).all(1)]
        if not len(within):
            continue
        top = within[within[:, 1].argmin()]
        x = int(np.clip(top[0], radius + 1, width - radius - 2))
        y = int(np.clip(top[1] - 1.6 * radius, radius + 1, height - radius - 2))
        for right, down in DISC_PLACES:  # where all are taken it stays where it is wanted
            a, b = x + right * step, y + down * step
            inside = radius < a < width - radius - 1 and radius < b < height - radius - 1
            if inside and all((a - c) ** 2 + (b - d) ** 2 >= step**2 - 2 * step for c, d in taken):
                x, y = a, b
                break
        taken.append((x, y))
        patch = picture[y - radius : y + radius + 1, x - radius : x + radius + 1]
        disc = _number_disc(str(number), radius, tuple(colour.tolist()))
        patch[:] = patch * (1 - disc[..., 3:]) + 255 * disc[..., : picture.shape[2]] + 0.5


@lru_cache(maxsize=64)
def _number_disc(text: str, radius: int, colour: tuple[float, float, float]) -> Float[ndarray, "side side 4"]:
    """A disc with a white ring and dark digits, colours multiplied by the opacity, all in [0, 1]."""
    side, fine = 2 * radius + 1, 4  # drawn so much larger: OpenCV places text at whole pixels only
    disc = np.zeros((side * fine, side * fine, 4), np.uint8)
    middle = side * fine // 2
    cv2.circle(disc, (middle, middle), radius * fine, (255, 255, 255, 255), -1)
    cv2.circle(disc, (middle, middle), round(0.86 * radius * fine), _paint(np.array(colour)), -1)
    # as large as fit, without a margin: where they lie differs between versions of OpenCV
    canvas = np.zeros((300, 200 * len(text)), np.uint8)
    cv2.putText(canvas, text, (50, 200), cv2.FONT_HERSHEY_SIMPLEX, 4.0, 255, 14, cv2.LINE_AA)
    glyphs = canvas[np.ix_(canvas.any(1), canvas.any(0))]
    scale = min(1.05 * radius * fine / glyphs.shape[0], 1.3 * radius * fine / glyphs.shape[1])
    digits = cv2.resize(glyphs, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    high, wide = digits.shape
    part = disc[middle - high // 2 :, middle - wide // 2 :][:high, :wide, :3]
    part[:] = part * (1 - digits[..., None]) + 25 * digits[..., None]
    return cv2.resize(disc, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


@contextmanager
def _layer(picture: Canvas, opacity: float) -> Iterator[Canvas]:
    """What is drawn on it has one opacity for all of it, so that parts which overlap are no denser."""
    layer = picture if opacity >= 1 else picture.copy()
    yield layer
    if layer is not picture:
        cv2.addWeighted(layer, opacity, picture, 1 - opacity, 0, dst=picture)


def _limb(picture: Canvas, a: ndarray, b: ndarray, radius_a: float, radius_b: float, colour: Colour) -> None:
    """A bar from a to b, in pixels, with a dark outline."""
    along = b - a
    across = np.array([-along[1], along[0]]) / max(1e-6, float(np.hypot(*along)))
    edge = _outline(max(radius_a, radius_b))
    for more, tint in ((edge / 2 - SPREAD, OUTLINE), (-edge / 2 - SPREAD, colour)):
        one, two = (radius_a + more) * across, (radius_b + more) * across
        corners = _fixed(np.stack([a - one, b - two, b + two, a + one]))
        cv2.fillConvexPoly(picture, corners, _paint(tint), cv2.LINE_AA, SHIFT)


def _dot(picture: Canvas, centre: ndarray, radius: float, colour: Colour) -> None:
    """A disc with a dark ring, in pixels."""
    x, y = _fixed(centre).tolist()
    edge = _outline(radius)
    for more, tint in ((edge / 2 - SPREAD, OUTLINE), (-edge / 2 - SPREAD, colour)):
        cv2.circle(picture, (x, y), round((radius + more) * 2**SHIFT), _paint(tint), -1, cv2.LINE_AA, SHIFT)


def _outline(radius: float) -> float:
    return max(0.75, 0.25 * radius)


def _fixed(pixels: Float[ndarray, "*b 2"]) -> ndarray:
    """Pixels as OpenCV takes them: its pixels' centres are at whole numbers, ours at halves."""
    return np.round((pixels.clip(-FARTHEST_PX, FARTHEST_PX) - 0.5) * 2**SHIFT).astype(np.int32)


def _paint(colour: Colour) -> tuple[float, float, float, float]:
    """The colour from 0 to 255, opaque; the last number is for pictures of four channels."""
    red, green, blue = (255.0 * colour).tolist()
    return red, green, blue, 255.0


SPACING, FINE = 1.0, 4
"""Metres between the lines, and parts between two of them."""
LINE, FINE_LINE = 0.016, 0.008
"""Width of a line, metres."""
LINE_OPACITY, FINE_OPACITY = 0.75, 0.45
THINNEST_PX = 1.1
"""Lines don't get narrower than that."""
REACH = 3.2
"""Metres from the middle of people at which the grid has faded away; more for people who are far apart."""
TEXEL, MOST_TEXELS = 0.02, 448
"""Metres, and how many along a side, of the shadow's picture."""
PATCH = 1.6
"""How far the grid on a platform reaches until it has faded, in the platform's radii."""
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


def ground_plane(place: Place, view: Viewpoint, frame: int, platform: Platform | None = None) -> GroundPlane | None:
    """The ground of a place in a frame, or the top of a platform on it; None if the camera is below it."""
    axes = np.stack([*place.across, place.up])
    beyond = view.R_view_space.T @ view.t_view_space
    height = place.floor + (platform.height if platform else 0.0) + beyond @ place.up
    if height >= -1e-3:
        return None
    seen = axes @ view.R_view_space.T
    level = np.stack([height * seen[0] - (axes[0] @ beyond) * seen[2], height * seen[1] - (axes[1] @ beyond) * seen[2]])
    level = np.concatenate([level, seen[2:]]) @ np.linalg.inv(view.K_px)
    if platform:
        return GroundPlane(level, axes[:2] @ np.append(platform.centre, platform.height), PATCH * platform.radius)
    centre = place.centres[frame]
    apart = np.linalg.norm((place.joints[:, 0] - place.centres[place.frames]) @ axes[:2].T, axis=1).max()
    return GroundPlane(level, axes[:2] @ centre, REACH + 1.2 * float(apart))


def draw_ground(picture: Canvas, ground: GroundPlane, line: Float[ndarray, "3"], shadow: Shadow | None) -> None:
    """Draw the grid in a colour (sRGB, 0 to 1), with the shadow on it, over a picture, in place."""
    darkness, corner = shadow if shadow is not None else (np.zeros((2, 2), np.float32), np.array([0.0, 0.0, 1.0]))
    _draw_ground(picture, ground.level, ground.middle, ground.reach, 255.0 * line.astype(np.float64), darkness, corner)


def ground_shadow(
    surfaces: Sequence[tuple[Vertices, Faces]], place: Place, platform: Platform | None = None
) -> Shadow | None:
    """How dark the ground, or a platform on it, is under surfaces in the space of the place.

    As under an even sky: sharp and dark where something touches the ground, faint and wide below what is high up.
    """
    axes = np.stack([*place.across, place.up]).astype(np.float32)
    floor = np.array([0, 0, place.floor + (platform.height if platform else 0)], np.float32)
    standing = [(points @ axes.T - floor, faces) for points, faces in surfaces if len(faces)]
    if not standing:
        return None
    low = np.min([points[:, :2].min(0) for points, _ in standing], 0) - 0.8
    high = np.max([points[:, :2].max(0) for points, _ in standing], 0) + 0.8
    step = max(TEXEL, float((high - low).max()) / MOST_TEXELS)
    columns, rows = np.ceil((high - low) / step).astype(int) + 1
    height = np.full((rows, columns), np.inf, np.float32)
    for points, faces in standing:
        # the lowest surface above each spot is the nearest one that somebody below it would see
        depth = np.maximum(points[:, 2:], 0) + 1
        seen = np.concatenate([(points[:, :2] - low) / step * depth, depth], 1).astype(np.float32)
        height = np.minimum(height, depth_image(seen, faces, np.eye(3), rows, columns) - 1)
    dark = np.zeros((rows, columns), np.float32)
    for below, soft, strength in SHADOWS:
        layer = cv2.GaussianBlur((height < below).astype(np.float32), (0, 0), soft / step)
        dark = 1 - (1 - dark) * (1 - strength * layer)
    return dark, np.array([low[0], low[1], step])


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
    line = max(line, THINNEST_PX * width)
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
