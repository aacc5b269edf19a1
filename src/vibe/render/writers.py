"""Where drawn pictures go: a film, a folder of numbered pictures, or one picture of several moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from vibe.assets import write_whole
from vibe.assets.paths import whole_folder
from vibe.render.compositor import straight
from vibe.video.read import Video
from vibe.video.write import GifWriter, VideoWriter

Picture = UInt8[ndarray, "_ _ _"]
"""Height, width, channels; they differ from one to the next."""
Colour = tuple[float, float, float] | None
GAP = 0.012
"""Between the pictures of a strip, in shorter sides of a panel."""


class FrameWriter(Protocol):
    """Takes the panels of one frame after the other."""

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing that could not be kept."""
        ...

    def write(self, row: Sequence[Picture], time: float) -> None:
        """Add a frame at this time, seconds from the first."""
        ...


@contextmanager
def open_writer(
    path: Path,
    sizes: Sequence[tuple[int, int]],
    fps: float,
    frames: int,
    sound: Video | None,
    start: float,
    colour: Colour,
) -> Iterator[FrameWriter]:
    """What writes a file or folder of this name, which is there whole afterwards, or not at all after an exception.

    `sizes` are those of the panels, `fps` the nominal rate, `frames` how many there will be, `sound` the video whose
    sound is kept from `start` seconds on, `colour` the background, None for a transparent one. Raises ValueError for an
    ending that is not known or has no transparency, OSError if the file can't be written.
    """
    width, height, ending = sum(width for width, _ in sizes), max(height for _, height in sizes), path.suffix.lower()
    if path.is_dir() and ending:
        raise IsADirectoryError(f"{path} is a folder: choose another name")
    if not ending:
        # numbered pictures of an earlier, longer film would stay behind and look like the end of this one
        if path.is_dir() and any(path.iterdir()):
            raise ValueError(f"{path} is not empty: give a new folder, so that the pictures of two films don't mix")
        with whole_folder(path) as partial:
            yield _Folder(partial)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if ending == ".png":
        strip = _Strip(colour)
        yield strip
        write_whole(path, strip.content())
    elif ending == ".gif":
        with GifWriter(path, width, height, fps, frames, colour is None) as gif:
            yield _Film(gif)
    else:
        sound = None if ending == ".webm" else sound
        with VideoWriter(path, width, height, fps, sound, sound_start=start, opacity=colour is None) as film:
            yield _Film(film)


class _Film:
    """Panels side by side in every frame of a film."""

    def __init__(self, writer: VideoWriter | GifWriter):
        self._writer = writer

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be kept of the sound."""
        return self._writer.notes

    def write(self, row: Sequence[Picture], time: float) -> None:
        self._writer.write(np.concatenate([straight(picture) for picture in row], 1), time)


class _Folder:
    """Panels side by side in numbered pictures."""

    notes: tuple[str, ...] = ()

    def __init__(self, folder: Path):
        self._folder, self._count = folder, 0

    def write(self, row: Sequence[Picture], time: float) -> None:
        beside = np.concatenate([straight(picture) for picture in row], 1)
        (self._folder / f"{self._count:06d}.png").write_bytes(_png(beside))
        self._count += 1


class _Strip:
    """A column for each moment with the panels below each other; of one moment, a row."""

    notes: tuple[str, ...] = ()

    def __init__(self, colour: Colour):
        self._columns: list[list[Picture]] = []
        self._colour = (0, 0, 0, 0) if colour is None else tuple(np.round(255 * np.array(colour)).tolist())

    def write(self, row: Sequence[Picture], time: float) -> None:
        self._columns.append([straight(picture) for picture in row])

    def content(self) -> bytes:
        """The picture as a PNG file."""
        grid = self._columns if len(self._columns) > 1 else [[panel] for panel in self._columns[0]]
        gap = max(2, round(GAP * min(grid[0][0].shape[:2])))
        columns = []
        for column in grid:
            broadest = max(panel.shape[1] for panel in column)
            spaced = [self._framed(panel, gap * (k > 0), 0, broadest) for k, panel in enumerate(column)]
            columns.append(self._framed(np.concatenate(spaced, 0), 0, gap * (len(columns) > 0), broadest))
        return _png(np.concatenate(columns, 1))

    def _framed(self, picture: Picture, above: int, before: int, width: int) -> Picture:
        """A picture in the middle of a width, with the background around it, above it and before it."""
        left = (width - picture.shape[1]) // 2
        right = width - picture.shape[1] - left
        return cv2.copyMakeBorder(picture, above, 0, before + left, right, cv2.BORDER_CONSTANT, value=self._colour)


def _png(picture: Picture) -> bytes:
    order = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    return cv2.imencode(".png", cv2.cvtColor(picture, order))[1].tobytes()
