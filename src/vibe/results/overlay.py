"""The bodies drawn over the video they were found in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import roma
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray

from vibe import body as bodies
from vibe.body import Body
from vibe.records import Motion, Result
from vibe.results import raster
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


@dataclass(frozen=True)
class Drawn:
    """One person in one frame."""

    number: int
    """1, 2, ...: tells the colour and stands beside the person."""
    vertices_cam: Float[ndarray, "vertex 3"]
    """Metres."""
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

    `body` is the surface to draw; the open body's low-polygon one by default. Raises FileNotFoundError or ValueError
    if the video cannot be read, OSError if the file cannot be written; then nothing of it is left.
    """
    body = bodies.load_body(detail="low") if body is None else body
    people = _People(result.people, body)
    K_px = result.camera.K_px.numpy().astype(np.float64)
    with open_video(video) as source, VideoWriter(path, source.width, source.height, source.fps, source.path) as writer:
        for frame in source:
            writer.write(draw_people(frame.rgb, people.at(frame.index), people.faces, K_px), frame.time)
            if progress:
                progress("overlay", frame.index + 1, len(result.clip.timestamps))
    return writer.notes


def draw_people(
    rgb: UInt8[ndarray, "height width 3"],
    people: Sequence[Drawn],
    faces: ndarray,
    K_px: Float[ndarray, "3 3"],
) -> UInt8[ndarray, "height width 3"]:
    """The frame with the people over it, nearer ones in front, each with its number above the head."""
    meshes = [
        raster.Mesh(
            person.vertices_cam,
            faces,
            np.broadcast_to(np.float32(COLOURS[(person.number - 1) % len(COLOURS)]), person.vertices_cam.shape),
            opacity=OPACITY if person.seen else OPACITY_UNSEEN,
        )
        for person in people
    ]
    picture = raster.draw(rgb, meshes, K_px)
    for person in sorted(people, key=lambda person: -float(person.vertices_cam[:, 2].mean())):
        _label(picture, person, K_px)
    return picture


def _label(picture: UInt8[ndarray, "height width 3"], person: Drawn, K_px: Float[ndarray, "3 3"]) -> None:
    """A disc with the person's number above the highest point, kept within the picture; none if nobody shows."""
    height, width = picture.shape[:2]
    ahead = person.vertices_cam[person.vertices_cam[:, 2] > raster.NEAR]
    if not len(ahead):
        return
    points = ahead @ K_px.T
    points = points[:, :2] / points[:, 2:]
    if (points.max(0) < 0).any() or (points.min(0) > (width, height)).any():
        return
    radius = max(6.0, 0.011 * max(height, width))
    top = points[points[:, 1].argmin()]
    x, y = np.clip((top[0], top[1] - 1.6 * radius), radius + 1, (width - radius - 1, height - radius - 1))
    centre, text = (round(x * 16), round(y * 16)), str(person.number)
    colour = tuple(255 * part for part in COLOURS[(person.number - 1) % len(COLOURS)])
    cv2.circle(picture, centre, round(radius * 16), (255, 255, 255), -1, cv2.LINE_AA, 4)
    cv2.circle(picture, centre, round(radius * 0.86 * 16), colour, -1, cv2.LINE_AA, 4)
    scale, thick = radius / 17 / max(1.0, 0.75 * len(text)), max(1, round(radius / 9))
    (wide, tall), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    corner = (round(x - wide / 2), round(y + tall / 2))
    cv2.putText(picture, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 24), thick, cv2.LINE_AA)


class _People:
    """Everybody's vertices, frame by frame, a few frames at a time."""

    def __init__(self, people: Sequence[Motion], body: Body):
        self.faces = body.faces.numpy().astype(np.int32)
        self._people, self._body = people, body
        self._chunk = -1
        self._held: dict[int, list[Drawn]] = {}

    def at(self, index: int) -> list[Drawn]:
        """Those who are in this frame."""
        if index // CHUNK != self._chunk:
            self._chunk = index // CHUNK
            self._held = {}
            for number, motion in enumerate(self._people, start=1):
                for frame, drawn in self._posed(number, motion):
                    self._held.setdefault(frame, []).append(drawn)
        return self._held.get(index, [])

    def _posed(self, number: int, motion: Motion) -> Iterator[tuple[int, Drawn]]:
        """One person in the frames of the chunk."""
        rows = (motion.frames // CHUNK == self._chunk).nonzero()[:, 0]
        if len(rows) == 0:
            return
        rotvec = torch.cat([motion.global_orient[rows], motion.body_pose[rows]], 1).unflatten(1, (24, 3))
        with torch.inference_mode():
            surface = bodies.vertices(self._body, roma.rotvec_to_rotmat(rotvec.float()), motion.betas.float())
            pelvis = bodies.rest_joints(self._body, motion.betas.float())[0]
            surface = (surface - pelvis + motion.trans[rows, None].float()).numpy()
        for row, vertices in zip(rows.tolist(), surface, strict=True):
            yield int(motion.frames[row]), Drawn(number, vertices, bool(motion.confidence[row] > 0))
