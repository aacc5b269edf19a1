"""The video as a page carries it: as it is where browsers play it, else encoded anew."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vibe.records import Clip, Progress
from vibe.results.footage import footage, open_footage
from vibe.video import Video, VideoWriter
from vibe.video.playable import browser_kind
from vibe.video.sound import has_sound

LIMIT_MB = 100.0
"""Millions of bytes of video that a page may carry; they take a third more as text."""
LONGEST_PX = 1280
"""Longer side of a video that is encoded anew."""


@dataclass(frozen=True)
class Film:
    """A video that browsers play, whose first picture is shown at 0 seconds."""

    content: bytes
    kind: str
    """Its MIME type."""
    sound: bool


class TooLarge(ValueError):
    """A video that takes more than a page may carry, encoded anew or not."""


def read_film(path: Path | str, clip: Clip, limit_mb: float = LIMIT_MB, progress: Progress | None = None) -> Film:
    """The video that a motion was made from, for a page.

    It is taken as it is if it is an H.264, VP9 or AV1 file in mp4 or webm that keeps its times and is not larger than
    `limit_mb`; else it is encoded anew in H.264, with its sound, at most 1280 pixels a side. Raises FileNotFoundError
    or ValueError if it can't be read, is another video than the motion's or is larger than the limit in any case.
    """
    path = Path(path)
    with open_footage(path, clip) as video:
        small = path.stat().st_size <= limit_mb * 1e6
        kind = browser_kind(path, clip.timestamps.numpy()) if small else None
        film = Film(path.read_bytes(), kind, has_sound(path)) if kind else _encoded(video, clip, progress)
    if len(film.content) > limit_mb * 1e6:
        raise TooLarge(
            f"{path} would take {len(film.content) / 1e6:.1f} MB of the page, more than the limit of {limit_mb:g} MB: "
            "give a higher --limit, or --no-video"
        )
    return film


def _encoded(video: Video, clip: Clip, progress: Progress | None) -> Film:
    """The video in H.264, with even sides."""
    scale = min(1.0, LONGEST_PX / max(video.width, video.height))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in (video.width, video.height))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with VideoWriter(path, width, height, video.fps, video) as writer:
            for frame in footage(video, clip):
                same = frame.rgb.shape[:2] == (height, width)
                rgb = frame.rgb if same else cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA)
                writer.write(np.asarray(rgb, np.uint8), frame.time)
                if progress:
                    progress("video", frame.index + 1, len(clip.timestamps))
        return Film(path.read_bytes(), "video/mp4", has_sound(path))
