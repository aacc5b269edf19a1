"""The pictures that a recording's rows are of: frames of a video, or files in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from vibe.video.read import open_video

JPEG, SCAN, END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
"""How a JPEG file begins, and the marks before its last scan and behind it."""
PNG = b"\x89PNG\r\n\x1a\n"
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Marks of a JPEG file behind which the picture's size stands."""
LONE = {0x00, 0x01, 0xFF, *range(0xD0, 0xD9)}
"""Marks that nothing belongs to."""
LARGEST = 1 << 26
"""Pixels of a picture that is read: eight times those of a 4K video."""


def read_pictures(
    source: Path, frames: Sequence[int], images: Sequence[str]
) -> Iterator[tuple[int, UInt8[ndarray, "height width 3"]]]:
    """Each wanted picture with its place among those asked for; those that are damaged or missing are left out.

    `images` are files below `source`; without any, `source` is a video, and `frames`, which increase, are read from
    it. Raises FileNotFoundError or ValueError if it can't be read at all.
    """
    if not images:
        places = {frame: place for place, frame in enumerate(frames)}
        with open_video(source) as video:
            for frame in video:
                if frame.index in places:
                    yield places[frame.index], frame.rgb
                if frame.index == frames[-1]:
                    break
        return
    if not source.is_dir():
        raise FileNotFoundError(f"{source} is not there: it should be the folder of {images[0]}")
    for place, name in enumerate(images):
        with suppress(OSError):
            rgb = decode_picture((source / name).read_bytes())
            if rgb is not None:
                yield place, rgb


def decode_picture(content: bytes) -> UInt8[ndarray, "height width 3"] | None:
    """The upright picture of a JPEG or PNG file's content, or None if it is none, too large or not whole."""
    if not 0 < _pixels(content) <= LARGEST or (content[:2] == JPEG and content.rfind(END) < content.rfind(SCAN)):
        return None
    try:
        bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if bgr is None else cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)


def _pixels(content: bytes) -> int:
    """How many pixels a JPEG or PNG file announces: what decoding it takes memory for; 0 for other files."""
    if content[:8] == PNG:
        return int.from_bytes(content[16:20], "big") * int.from_bytes(content[20:24], "big")
    largest, at = 0, 2 if content[:2] == JPEG else len(content)
    while 0 <= (at := content.find(b"\xff", at)) < len(content) - 9 and (mark := content[at + 1]) != SCAN[1]:
        if mark in FRAMES:
            height, width = content[at + 5 : at + 7], content[at + 7 : at + 9]
            largest = max(largest, int.from_bytes(height, "big") * int.from_bytes(width, "big"))
        at += 1 if mark in LONE else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return largest
