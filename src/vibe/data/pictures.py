"""The pictures that a recording's rows are of: frames of a video, or files in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from vibe.video import open_video

JPEG, SCAN, END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
"""How a JPEG file begins, and the marks before its last scan and behind it."""


def read_pictures(
    source: Path, frames: Sequence[int], images: Sequence[str]
) -> Iterator[tuple[int, UInt8[ndarray, "height width 3"]]]:
    """Each wanted picture with its place among those asked for; those that are damaged or missing are left out.

    `images` are files below `source`; without any, `source` is a video, and `frames`, which increase, are read from
    it. Raises FileNotFoundError or ValueError if it can't be read at all.
    """
    if not images:
        yield from _from_video(source, frames)
        return
    if not source.is_dir():
        raise FileNotFoundError(f"{source} is not there: it should be the folder of {images[0]}")
    for place, name in enumerate(images):
        rgb = _read_image(source / name)
        if rgb is not None:
            yield place, rgb


def _from_video(source: Path, frames: Sequence[int]) -> Iterator[tuple[int, UInt8[ndarray, "height width 3"]]]:
    place = 0
    with open_video(source) as video:
        for frame in video:
            if frame.index == frames[place]:
                yield place, frame.rgb
                place += 1
                if place == len(frames):
                    return


def decode_picture(content: bytes) -> UInt8[ndarray, "height width 3"] | None:
    """The upright picture of an image file's content, or None if it is no image or not whole."""
    if content[:2] == JPEG and content.rfind(END) < content.rfind(SCAN):
        return None
    try:
        bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # nothing in it, or more pixels than anybody needs
        return None
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _read_image(path: Path) -> UInt8[ndarray, "height width 3"] | None:
    """An upright picture, or None if it is missing or not whole."""
    try:
        return decode_picture(path.read_bytes())
    except OSError:
        return None
