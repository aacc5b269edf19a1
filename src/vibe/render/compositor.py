"""One picture of people from one viewpoint: posed bodies, background, ground, skeletons, 2D keypoints, numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from vibe.body.outfit import colour, dressed, vertex_colours
from vibe.body.record import Body
from vibe.motion import Motion
from vibe.render import rasterizer
from vibe.render.drawing import (
    Canvas,
    draw_ground,
    draw_keypoints,
    draw_numbers,
    draw_skeletons,
    ground_plane,
    ground_shadow,
)
from vibe.render.viewpoints import Place, Viewpoint

CHUNK = 16
"""Frames whose vertices are held at a time."""


@dataclass(frozen=True)
class PosedFrames:
    """One person in one frame, in the world or, where none is known, the camera's frame; metres."""

    number: int
    """1, 2, ...: tells the colour and stands beside the person."""
    vertices: Float[ndarray, "vertex 3"]
    faces: Int[ndarray, "face 3"]
    colours: Float[ndarray, "vertex 3"]
    """sRGB in [0, 1]."""
    joints: Float[ndarray, "24 3"]
    keypoints_px: Float[ndarray, "17 3"]
    """The 2D evidence: COCO-17 x, y, confidence."""
    seen: bool = True
    """False where the keypoints were not found and the motion is filled in."""

    @property
    def points(self) -> Float[ndarray, "point 3"]:
        """What shows how far the person reaches."""
        return self.vertices if len(self.vertices) else self.joints


class Poser:
    """Poses people by frames of the clip, which are best asked for in order."""

    def __init__(self, people: Sequence[tuple[int, Motion, Body]], surface: bool = True):
        """People by number, each with the body to be drawn; without `surface` they have no vertices."""
        self._people = [(number, motion, dressed(body) if surface else None) for number, motion, body in people]
        self._chunk = -1
        self._held: dict[int, list[PosedFrames]] = {}

    def at(self, index: int) -> list[PosedFrames]:
        """Those who are in this frame."""
        if index // CHUNK != self._chunk:
            self._chunk, self._held = index // CHUNK, {}
            for number, motion, body in self._people:
                part = motion.at(motion.frames // CHUNK == self._chunk)
                surface, faces, colours = np.zeros((len(part), 0, 3), np.float32), NO_FACES, NO_COLOURS
                if body is not None and len(part):
                    surface, faces = part.vertices(body, part.space), body.faces.astype(np.int32)
                    colours = vertex_colours(body, number)
                joints = part.joints(space=part.space).values
                rows = zip(part.frames.tolist(), surface, joints, part.keypoints_px, part.confidence > 0)
                for frame, points, joints, keypoints_px, seen in rows:
                    posed = PosedFrames(number, points, faces, colours, joints, keypoints_px, bool(seen))
                    self._held.setdefault(frame, []).append(posed)
        return self._held.get(index, [])


NO_FACES, NO_COLOURS = np.zeros((0, 3), np.int32), np.zeros((0, 3), np.float32)
UNSEEN = 0.6
"""Share of the opacity that people keep who are filled in between frames in which their keypoints were found."""
LINE_PX, LIMB_PX = 1 / 900, 1 / 200
"""Width of a wireframe's lines and of the limbs of the evidence, in longer sides of the picture."""


@dataclass(frozen=True)
class Panel:
    """A picture and what is drawn in it."""

    width: int
    height: int
    show: tuple[str, ...]
    """Of mesh, wireframe, skeleton and keypoints."""
    views: Sequence[Viewpoint]
    """One for each frame that is drawn."""
    window: tuple[int, int, int, int] | None = None
    """Left, top, width and height of the part of the video's picture that is shown; None from beside people."""
    filmed: bool = False
    """Whether the video lies behind; else the background is plain."""
    place: Place | None = None
    """Where the ground is; None draws none."""
    background: tuple[float, float, float] | None = (1.0, 1.0, 1.0)
    """sRGB; None is transparent and gives pictures of four channels."""
    opacity: float = 1.0
    numbers: bool = False
    samples: int = 4


def paint(
    panel: Panel, turn: int, frame: int, rgb: UInt8[ndarray, "rows columns 3"] | None, people: Sequence[PosedFrames]
) -> Canvas:
    """The panel's picture number `turn`, of this frame of the clip; opacity, if there is such, multiplied in."""
    view = panel.views[turn]
    picture = _background(panel, rgb)
    if panel.place is not None:
        picture = picture.copy()
        _draw_grounds(picture, panel, panel.place, view, frame, people)
    longer = max(panel.width, panel.height)
    solid = []
    for person in people if {"mesh", "wireframe"} & {*panel.show} else ():
        line_px = 0.0 if "mesh" in panel.show else max(1.0, LINE_PX * longer)
        opacity = panel.opacity * (1.0 if person.seen else UNSEEN)
        vertices = view.seen(person.vertices)
        solid.append(rasterizer.Mesh(vertices, person.faces, person.colours, opacity=opacity, line_px=line_px))
    picture = rasterizer.rasterize(picture, solid, view.K_px, samples=panel.samples)
    if "skeleton" in panel.show:
        skeletons = [
            (view.seen(person.joints), colour(person.number), 1.0 if person.seen else UNSEEN) for person in people
        ]
        draw_skeletons(picture, skeletons, view.K_px)
    if "keypoints" in panel.show and panel.window is not None:  # where the panel shows what the video's camera sees
        _, pixels = placed_panels(panel.window, panel.width, panel.height)
        drawn = []
        for person in people:
            keypoints = person.keypoints_px.astype(np.float64)
            keypoints[:, :2] = keypoints[:, :2] * pixels[[0, 1], [0, 1]] + pixels[:2, 2]
            drawn.append((keypoints, colour(person.number)))
        draw_keypoints(picture, drawn, max(1.5, LIMB_PX * longer))
    if panel.numbers:
        numbered = [(person.number, colour(person.number), view.seen(person.points)) for person in people]
        draw_numbers(picture, numbered, view.K_px)
    return picture


def _draw_grounds(
    picture: Canvas, panel: Panel, place: Place, view: Viewpoint, frame: int, people: Sequence[PosedFrames]
) -> None:
    """The floor, then what is higher, each with the shadow of those who stand on it, in place."""
    dark = panel.background is not None and np.mean(panel.background) < 0.4
    line = np.full(3, 0.92 if panel.filmed else 0.42 if dark else 0.55)
    raised = [each for each in place.platforms if each.first <= frame <= each.last]
    above = {number for platform in raised for number in platform.people}
    for platform in (None, *raised):
        numbers = platform.people if platform else {each.number for each in people} - above
        standing = [each for each in people if each.number in numbers]
        if (ground := ground_plane(place, view, frame, platform)) is not None:
            shadow = ground_shadow([(person.vertices, person.faces) for person in standing], place, platform)
            draw_ground(picture, ground, line, shadow)


def placed_panels(
    window: tuple[int, int, int, int], width: int, height: int
) -> tuple[tuple[int, int, int, int], Float[ndarray, "3 3"]]:
    """Where a part of the video lies in a panel, as large as fits (left, top, width, height), and the map of pixels."""
    left, top, wide, high = window
    scale = min(width / wide, height / high)
    w, h = max(1, round(wide * scale)), max(1, round(high * scale))
    x, y = (width - w) // 2, (height - h) // 2
    a, b = w / wide, h / high
    return (x, y, w, h), np.array([[a, 0, x - a * left], [0, b, y - b * top], [0, 0, 1]])


def _background(panel: Panel, rgb: UInt8[ndarray, "rows columns 3"] | None) -> Canvas:
    """The video's frame, or its part, in the panel; the rest plain; the frame itself where it fills the panel."""
    plain = np.zeros(4) if panel.background is None else np.round(255 * np.array(panel.background))
    if panel.filmed and rgb is not None and panel.window == (0, 0, panel.width, panel.height) and len(plain) == 3:
        return rgb
    picture = np.empty((panel.height, panel.width, len(plain)), np.uint8)
    picture[:] = plain.astype(np.uint8)
    if panel.window is None or not panel.filmed or rgb is None:
        return picture
    left, top, wide, high = panel.window
    (x, y, w, h), _ = placed_panels(panel.window, panel.width, panel.height)
    part = rgb[top : top + high, left : left + wide]
    if (w, h) != (wide, high):
        part = cv2.resize(part, (w, h), interpolation=cv2.INTER_AREA if w < wide else cv2.INTER_CUBIC)
    picture[y : y + h, x : x + w, :3] = part
    picture[y : y + h, x : x + w, 3:] = 255
    return picture
