"""A film of coloured boards that walk about, and a detector and a pose model that see nothing else in a picture."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from vibe.people.detect import Detections
from vibe.people.landmarks import Landmarks

WIDTH, HEIGHT = 320, 180
COLOURS = ((210, 40, 40), (40, 60, 210), (40, 190, 60))
"""Red, blue and green."""
POSE = np.array(
    [(0, -27), (1, -28), (-1, -28), (3, -27), (-3, -27), (8, -20), (-8, -20), (10, -9), (-10, -9), (10, 0), (-10, 0)]
    + [(5, 0), (-5, 0), (5, 14), (-5, 14), (6, 28), (-6, 28)]
)


def paint(time: float) -> np.ndarray:
    """One walks to and fro, one crosses her way, one is hidden for a second out of four."""
    rgb = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    places = [(160 + 110 * np.sin(time), 92), (160 + 120 * np.cos(0.7 * time), 88), (50 + 9 * time % 200, 90)]
    for n, ((x, y), colour) in enumerate(zip(places, COLOURS, strict=True)):
        if n < 2 or time % 4 < 3:
            rgb[round(y) - 30 : round(y) + 30, max(round(x) - 12, 0) : round(x) + 12] = colour
    return rgb


def film(path: Path, frames: int, fps: int = 30) -> Path:
    """In H.264, with B frames and a key frame now and then."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "20", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = WIDTH, HEIGHT, "yuv420p", 50
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(paint(index / fps), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def shown(rgb: np.ndarray) -> np.ndarray:
    """Which pixels are of which board."""
    brightest = rgb.argmax(-1)
    coloured = np.ptp(rgb, axis=-1) > 90
    return np.stack([coloured & (brightest == channel) for channel in (0, 2, 1)])


def detect(rgb: np.ndarray) -> Detections:
    """Boards of which much shows."""
    boxes = []
    for board in shown(rgb):
        rows, columns = board.nonzero()
        if len(rows) > 400:
            boxes.append([columns.mean(), rows.mean(), 24, 60])
    return Detections(np.array(boxes, float).reshape(-1, 4), np.full(len(boxes), 0.9))


class Pose:
    """Reads the board that shows most in the middle of a region."""

    def start(self, box_px: np.ndarray, keypoints_px: np.ndarray | None) -> np.ndarray:
        return np.array([*box_px[:2], 75.0, 0.0])

    def __call__(self, rgb: np.ndarray, region: np.ndarray) -> Landmarks:
        x, y = (int(value) for value in region[:2])
        left, top = max(x - 20, 0), max(y - 35, 0)
        boards = shown(rgb[top : max(y + 35, 0), left : max(x + 20, 0)])
        counts = boards.sum((1, 2))
        best = int(counts.argmax())
        if counts[best] < 200:
            return Landmarks(np.zeros((17, 3)), 0.0, region, region)
        rows, columns = boards[best].nonzero()
        place = np.array([columns.mean() + left, rows.mean() + top])
        keypoints = np.concatenate([place + POSE, np.full((17, 1), 0.8)], 1)
        return Landmarks(keypoints, 0.99, region, np.array([*place, 75.0, 0.0]))
