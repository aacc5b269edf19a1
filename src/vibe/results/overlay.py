"""The bodies drawn over the video they were found in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import roma
import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from vibe import body as bodies
from vibe.body import Body
from vibe.records import Motion, Result
from vibe.results import raster
from vibe.threads import one_thread
from vibe.video import VideoWriter, open_video

Progress = Callable[[str, float, float | None], None]
COLOURS = (
    (0.38, 0.65, 0.93), (0.96, 0.63, 0.24), (0.24, 0.70, 0.54), (0.86, 0.53, 0.74), (0.95, 0.86, 0.42),
    (0.88, 0.43, 0.29), (0.30, 0.48, 0.80), (0.72, 0.72, 0.74),
)  # fmt: skip
"""One for each person in turn, sRGB; told apart also by colour-blind eyes."""
OPACITY, OPACITY_UNSEEN = 0.93, 0.55
"""Of people whose keypoints were found in the frame, and of those filled in between such frames."""
CHUNK = 16
"""Frames whose vertices are held at a time."""
TALL_PX = 400.0
"""People who come nearer than a height of this many pixels are drawn with all polygons."""
STATURE = 1.7
"""Metres, for that purpose."""


@dataclass(frozen=True)
class Drawn:
    """One person in one frame."""

    number: int
    """1, 2, ...: tells the colour and stands beside the person."""
    vertices_cam: Float[ndarray, "vertex 3"]
    """Metres."""
    faces: Int[ndarray, "face 3"]
    seen: bool = True
    """False draws the person fainter."""


def write_overlay(
    video: Path | str,
    result: Result,
    path: Path | str,
    body: Body | None = None,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Writes the video with everybody drawn over it, at its size, times and with its sound; returns notes.

    `body` is the surface to draw; by default the open body, with fewer polygons for those who look small. Raises
    FileNotFoundError or ValueError if the video cannot be read, OSError if the file cannot be written; then nothing
    of it is left.
    """
    K_px = result.camera.K_px.numpy().astype(np.float64)
    full, low = (bodies.load_body(), bodies.load_body(detail="low")) if body is None else (body, body)
    people = _People([(motion, full if _nearest(motion, K_px) > TALL_PX else low) for motion in result.people])
    with (
        one_thread(),  # the decoder and the encoder keep the other cores busy, and threads that wait steal time
        open_video(video) as source,
        VideoWriter(path, source.width, source.height, source.fps, source) as writer,
    ):
        for frame in source:
            writer.write(draw_people(frame.rgb, people.at(frame.index), K_px), frame.time)
            if progress:
                progress("overlay", frame.index + 1, len(result.clip.timestamps))
    return writer.notes


def draw_people(
    rgb: UInt8[ndarray, "height width 3"],
    people: Sequence[Drawn],
    K_px: Float[ndarray, "3 3"],
) -> UInt8[ndarray, "height width 3"]:
    """The frame with the people over it, nearer ones in front, each with its number above the head."""
    meshes = [
        raster.Mesh(
            person.vertices_cam,
            person.faces,
            np.broadcast_to(_colour(person), person.vertices_cam.shape),
            opacity=OPACITY if person.seen else OPACITY_UNSEEN,
        )
        for person in people
    ]
    picture = raster.draw(rgb, meshes, K_px)
    for person in sorted(people, key=lambda person: -float(person.vertices_cam[:, 2].mean())):
        _label(picture, person, K_px)
    return picture


def _colour(person: Drawn) -> Float[ndarray, "3"]:
    return np.array(COLOURS[(person.number - 1) % len(COLOURS)], np.float32)


def _label(picture: UInt8[ndarray, "height width 3"], person: Drawn, K_px: Float[ndarray, "3 3"]) -> None:
    """A disc with the person's number above the highest point, kept within the picture; none if nobody shows."""
    height, width = picture.shape[:2]
    points = person.vertices_cam[person.vertices_cam[:, 2] > raster.NEAR] @ K_px.T
    points = points[:, :2] / points[:, 2:]
    radius = max(6, round(0.011 * max(height, width)))
    within = ((points >= 0) & (points < (width, height))).all(1)
    if not within.any() or min(height, width) < 4 * radius:
        return
    top = points[within][points[within, 1].argmin()]
    x, y = np.clip((top[0], top[1] - 1.6 * radius), radius + 1, (width - radius - 2, height - radius - 2)).astype(int)
    colour = 255 * _colour(person)
    disc, ring, digits = _badge(str(person.number), radius)
    patch = picture[y - radius : y + radius + 1, x - radius : x + radius + 1]
    for mask, paint in ((ring, 255.0), (disc, colour), (digits, 25.0)):
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


def _nearest(motion: Motion, K_px: Float[ndarray, "3 3"]) -> float:
    """The height in pixels of somebody of mean stature where the person comes closest."""
    return STATURE * float(K_px[1, 1]) / max(raster.NEAR, float(motion.trans[:, 2].min()))


class _People:
    """Everybody's vertices, frame by frame, a few frames at a time."""

    def __init__(self, people: Sequence[tuple[Motion, Body]]):
        self._people = people
        self._faces = [body.faces.numpy().astype(np.int32) for _, body in people]
        self._chunk = -1
        self._held: dict[int, list[Drawn]] = {}

    def at(self, index: int) -> list[Drawn]:
        """Those who are in this frame."""
        if index // CHUNK != self._chunk:
            self._chunk = index // CHUNK
            self._held = {}
            for number, (motion, body) in enumerate(self._people, start=1):
                for frame, drawn in self._posed(number, motion, body):
                    self._held.setdefault(frame, []).append(drawn)
        return self._held.get(index, [])

    def _posed(self, number: int, motion: Motion, body: Body) -> Iterator[tuple[int, Drawn]]:
        """One person in the frames of the chunk."""
        rows = (motion.frames // CHUNK == self._chunk).nonzero()[:, 0]
        if len(rows) == 0:
            return
        rotvec = torch.cat([motion.global_orient[rows], motion.body_pose[rows]], 1).unflatten(1, (24, 3))
        with torch.inference_mode():
            betas = (motion.betas if motion.betas.ndim == 1 else motion.betas[rows]).float()
            surface = bodies.vertices(body, roma.rotvec_to_rotmat(rotvec.float()), betas)
            pelvis = bodies.rest_joints(body, betas)[..., :1, :]
            surface = (surface - pelvis + motion.trans[rows, None].float()).numpy()
        for row, vertices in zip(rows.tolist(), surface, strict=True):
            yield (
                int(motion.frames[row]),
                Drawn(number, vertices, self._faces[number - 1], bool(motion.confidence[row] > 0)),
            )
