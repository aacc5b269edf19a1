"""What the figures are drawn on: an SVG, a pinhole that looks at a small world, and outlines of bodies."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.evaluate.open_benchmark_clips import looking

INK, FAINT, GROUND, BODY, EDGE = "#26282b", "#73787f", "#faf9f6", "#ccd6e2", "#7d8ea3"
X, Y, Z = "#c2362b", "#2a7f46", "#2b5fc0"
MARK = "#d9822b"
FINE = 4
"""Parts of a pixel in which outlines are traced."""


class Paper:
    """An SVG; points are (x, y) with y down."""

    def __init__(self, width: int, height: int, title: str):
        self.size = (width, height)
        tips = "".join(
            f'<marker id="{name}" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="6.5" markerHeight="6.5" '
            f'orient="auto-start-reverse"><path d="M0 0.8 L10 5 L0 9.2 z" fill="{colour}"/></marker>'
            for name, colour in (("ink", INK), ("faint", FAINT), ("x", X), ("y", Y), ("z", Z), ("mark", MARK))
        )
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" font-family="Helvetica, Arial, sans-serif" font-size="14">',
            f"<title>{html.escape(title)}</title><defs>{tips}</defs>",
            f'<rect width="{width}" height="{height}" rx="6" fill="{GROUND}"/>',
        ]

    def line(self, *points: Sequence[float], colour: str = INK, width: float = 1.5, tip: str = "", dash: str = ""):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        end = f' marker-end="url(#{tip})"' if tip else ""
        gaps = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
            f'stroke-linecap="round" stroke-linejoin="round"{gaps}{end}/>'
        )

    def area(
        self, points: Sequence[Sequence[float]], fill: str, edge: str = "none", width: float = 1.2, see: float = 1
    ):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polygon points="{path}" fill="{fill}" fill-opacity="{see}" stroke="{edge}" stroke-width="{width}" '
            'stroke-linejoin="round"/>'
        )

    def dot(self, point: Sequence[float], radius: float = 4, fill: str = INK):
        x, y = point
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}"/>')

    def text(
        self,
        point: Sequence[float],
        words: str,
        colour: str = INK,
        anchor: str = "start",
        size: int = 14,
        bold: bool = False,
    ):
        x, y = point
        heavy = ' font-weight="bold"' if bold else ""
        halo = f'stroke="{GROUND}" stroke-width="3.5" stroke-linejoin="round" paint-order="stroke"'
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-size="{size}"{heavy} {halo}>'
            f"{html.escape(words)}</text>"
        )

    def number(self, point: Sequence[float], words: str, fill: str):
        """A disc with a number in it."""
        self.dot(point, 10.5, GROUND)
        self.dot(point, 9.5, fill)
        x, y = point
        self.parts.append(
            f'<text x="{x:.1f}" y="{y + 4:.1f}" fill="white" text-anchor="middle" font-size="11" '
            f'font-weight="bold">{words}</text>'
        )

    def body(
        self, points: Float[ndarray, "vertex 2"], faces: Int[ndarray, "face 3"], fill: str = BODY, edge: str = EDGE
    ):
        """The outline of a surface."""
        for ring in outlines(points, faces):
            self.area(ring, fill, edge)

    def write(self, path: Path) -> None:
        path.write_text("\n".join([*self.parts, "</svg>"]) + "\n", encoding="utf-8")
        print(path.name)


def outlines(points: Float[ndarray, "vertex 2"], faces: Int[ndarray, "face 3"]) -> list[Float[ndarray, "corner 2"]]:
    """The rings around all that the faces cover."""
    low = points.min(0) - 4
    fine = np.round((points - low) * FINE).astype(np.int32)
    mask = np.zeros(fine.max(0)[::-1] + 4 * FINE, np.uint8)
    for face in fine[faces]:
        cv2.fillConvexPoly(mask, face, 255)
    rings, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return [cv2.approxPolyDP(ring, 1.2, True)[:, 0] / FINE + low for ring in rings if len(ring) > 40]


class Eye:
    """Looks at a world of y up, metres, and says where on the paper a point is."""

    def __init__(self, place: Sequence[float], at: Sequence[float], focal: float, middle: Sequence[float]):
        self.place, self.focal, self.middle = np.asarray(place, float), focal, np.asarray(middle, float)
        self.R_eye_world = looking(np.asarray(at, float) - self.place, 0.0)

    def see(self, points_world: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b 2"]:
        seen = (np.asarray(points_world, float) - self.place) @ self.R_eye_world.T
        return seen[..., :2] / seen[..., 2:] * self.focal + self.middle
