"""Where drawn pictures go: a film, a folder of numbered pictures, or one picture of several moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from vibe.assets import write_whole
from vibe.assets.paths import whole_folder
from vibe.video.read import Video
from vibe.video.write import GifWriter, VideoWriter

Picture = UInt8[ndarray, "_ _ _"]
"""Height, width, channels; they differ from one to the next."""
Colour = tuple[float, float, float] | None
WriteFrame = Callable[[Sequence[Picture], float], object]
"""Takes the panels of one frame after the other, each with its time in seconds from the first."""
GAP = 0.012
"""Between the pictures of a strip, in shorter sides of a panel."""


@contextmanager
def open_writer(
    path: Path,
    sizes: Sequence[tuple[int, int]],
    fps: float,
    frames: int,
    sound: Video | None,
    start: float,
    colour: Colour,
    notes: list[str],
) -> Iterator[WriteFrame]:
    """What writes a file or folder of this name, which is there whole afterwards, or not at all after an exception.

    `sizes` are those of the panels, `fps` the nominal rate, `frames` how many there will be, `sound` the video whose
    sound is kept from `start` seconds on, `colour` the background, None for a transparent one; `notes` gets a sentence
    for each thing that could not be kept. Raises ValueError for an ending that is not known or has no transparency,
    OSError if the file can't be written.
    """
    width, height, ending = sum(width for width, _ in sizes), max(height for _, height in sizes), path.suffix.lower()
    if path.is_dir() and ending:
        raise IsADirectoryError(f"{path} is a folder: choose another name")
    if not ending:
        # numbered pictures of an earlier, longer film would stay behind and look like the end of this one
        if path.is_dir() and any(path.iterdir()):
            raise ValueError(f"{path} is not empty: give a new folder, so that the pictures of two films don't mix")
        with whole_folder(path) as folder:
            numbers = count()
            yield lambda row, _: (folder / f"{next(numbers):06d}.png").write_bytes(_png(_beside(row)))
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if ending == ".png":
        columns: list[list[Picture]] = []
        yield lambda row, _: columns.append([straight(picture) for picture in row])
        write_whole(path, _png(_strip(columns, colour)))
        return
    if ending == ".gif":
        film = GifWriter(path, width, height, fps, frames, colour is None)
    else:
        sound = None if ending == ".webm" else sound
        film = VideoWriter(path, width, height, fps, sound, sound_start=start, opacity=colour is None)
    with film:
        yield lambda row, time: film.write(_beside(row), time)
    notes += film.notes


def straight(picture: Picture) -> Picture:
    """The same with the colours not multiplied by the opacity, if there is such, as picture files have them."""
    if picture.shape[2] == 3:
        return picture
    opacity = picture[..., 3:].astype(np.float32)
    colours = np.minimum(255.0, picture[..., :3] * (255.0 / np.maximum(opacity, 1.0)) + 0.5)
    return np.concatenate([colours.astype(np.uint8), picture[..., 3:]], -1)


def _beside(row: Sequence[Picture]) -> Picture:
    pictures = [straight(picture) for picture in row]
    return pictures[0] if len(pictures) == 1 else np.concatenate(pictures, 1)


def _strip(columns: list[list[Picture]], colour: Colour) -> Picture:
    """A column for each moment with the panels below each other; of one moment, a row."""
    grid = columns if len(columns) > 1 else [[panel] for panel in columns[0]]
    gap = max(2, round(GAP * min(grid[0][0].shape[:2])))
    background = (0, 0, 0, 0) if colour is None else tuple(np.round(255 * np.array(colour)).tolist())

    def framed(panel: Picture, above: int, before: int, width: int) -> Picture:
        left = (width - panel.shape[1]) // 2
        right = width - panel.shape[1] - left
        return cv2.copyMakeBorder(panel, above, 0, before + left, right, cv2.BORDER_CONSTANT, value=background)

    whole = []
    for column in grid:
        broadest = max(panel.shape[1] for panel in column)
        spaced = [framed(panel, gap * (k > 0), 0, broadest) for k, panel in enumerate(column)]
        whole.append(framed(np.concatenate(spaced, 0), 0, gap * (len(whole) > 0), broadest))
    return np.concatenate(whole, 1)


def _png(picture: Picture) -> bytes:
    order = cv2.COLOR_RGB2BGR if picture.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
    return cv2.imencode(".png", cv2.cvtColor(picture, order))[1].tobytes()
