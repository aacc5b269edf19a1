"""The video that is measured: somebody who walks, made by the project, or the beginning of the user's own."""

from __future__ import annotations

from pathlib import Path

import cv2
from jaxtyping import UInt8
from numpy import ndarray

from vibe.parallel import one_thread
from vibe.records import Progress
from vibe.synthetic.clips import make_clip
from vibe.video.read import ahead, open_video
from vibe.video.write import VideoWriter

SECONDS = 6.0
"""Of the project's own video."""
MOST_SECONDS = 10.0
"""Of the user's."""
WIDTH, HEIGHT, FPS = 1080, 1920, 30.0
DRAWN, SMALLER = 30, 2
"""Frames that are drawn, to be played forth and back, and how much smaller: drawing is slow."""


def walker(path: Path, progress: Progress | None = None) -> None:
    """A video of one person, 1080x1920, 30 frames a second."""
    drawn = path.with_name(f"drawn-{path.name}")
    with one_thread():
        make_clip(drawn, DRAWN / FPS, FPS, WIDTH // SMALLER, HEIGHT // SMALLER)
    with open_video(drawn) as video:
        pictures = [frame.rgb for frame in ahead(video)]
    forth_and_back(path, pictures, round(SECONDS * FPS), FPS, (WIDTH, HEIGHT), progress)


def forth_and_back(
    path: Path, pictures: list[UInt8[ndarray, "height width 3"]], frames: int, fps: float, size: tuple[int, int],
    progress: Progress | None = None,
) -> None:  # fmt: skip
    """Write pictures, scaled to a size, forth and back so that nothing jumps, until there are so many frames."""
    order = [*range(len(pictures)), *range(len(pictures) - 2, 0, -1)]
    with VideoWriter(path, *size, fps) as writer:
        for frame in range(frames):
            writer.write(cv2.resize(pictures[order[frame % len(order)]], size), frame / fps)
            if progress:
                progress("video", frame + 1, frames)


def beginning(source: Path, path: Path, progress: Progress | None = None) -> None:
    """The first seconds of a user's video; raises as `open_video` does."""
    with open_video(source) as video, VideoWriter(path, video.width, video.height, video.fps) as writer:
        for frame in ahead(video):
            if frame.time > MOST_SECONDS:
                break
            writer.write(frame.rgb, frame.time)
            if progress:
                progress("video", frame.time, MOST_SECONDS)
