"""What reading any raw set needs: numbers as they should be, pictures that are there, pieces that fail alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from vibe.assets import pickles
from vibe.data.recording import RawJob, Recording

IMAGES = (".jpg", ".jpeg", ".png")
TOLD = 8
"""Of the failures of one file's pieces, in its message."""


def checked(values: Any, shape: tuple[int | None, ...], what: str) -> ndarray:
    """Numbers as float64; raises ValueError, which begins with `what`, for another shape (None: any) or for NaN."""
    array = np.asarray(values)
    fits = array.ndim == len(shape) and all(size in (None, its) for size, its in zip(shape, array.shape))
    if not fits or array.dtype.kind not in "biuf":
        wanted = " by ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{what} is {array.dtype} of the shape {array.shape}, expected numbers {wanted}: copy it again"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        row = int((~np.isfinite(array)).reshape(len(array), -1).any(1).argmax())
        raise ValueError(f"{what} holds NaN or infinity, first in row {row}: the annotation is damaged, copy it again")
    return array


def read_pickle(path: Path, keys: Sequence[str], set_name: str, largest: int) -> dict[Any, Any]:
    """The dict that a pickle holds, through the reader that runs nothing.

    Raises OSError, or ValueError with the file for one of more than `largest` bytes or without those keys.
    """
    if path.stat().st_size > largest:
        raise ValueError(f"{path} has more than {largest >> 20} MB: no file of {set_name} has")
    try:
        content, _ = pickles.read_pickle(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if not isinstance(content, dict) or not set(keys) <= set(content):
        raise ValueError(f"{path} does not hold {', '.join(keys)}: it is no file of {set_name}, copy it again")
    return content


def each(readers: Iterable[Callable[[], Recording]]) -> Iterator[Recording]:
    """One recording after the other; what fails costs no other, and is told at the end in one ValueError."""
    failed: list[str] = []
    for read in readers:
        try:
            recording = read()
        except (ValueError, OSError) as error:
            failed.append(str(error))
            continue
        yield recording
    if failed:
        more = [f"and {len(failed) - TOLD} more"] if len(failed) > TOLD else []
        raise ValueError("; ".join([*failed[:TOLD], *more]))


def absent(name: str, path: Path) -> RawJob:
    """A job for a piece that is not there, so that the report names it."""

    def read() -> Iterable[Recording]:
        raise FileNotFoundError(
            f"there is no {path}: add it, or give it back its name (`vibe prepare list` tells them)"
        )

    return RawJob(name, read)


def image_names(folder: Path) -> list[str]:
    """The images in a folder by name; raises FileNotFoundError without the folder, ValueError if it has none."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder of images {folder}: extract the set's images there")
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in IMAGES)
    if not names:
        raise ValueError(f"{folder} holds no image: extract the set's images there")
    return names


def wanted_images(folder: Path, names: list[str]) -> tuple[str, ...]:
    """The same names; raises ValueError or FileNotFoundError if one of them is not in the folder."""
    missing = sorted(set(names) - set(image_names(folder)))
    if missing:
        raise ValueError(
            f"{folder} lacks {len(missing)} of {len(names)} images that are annotated, such as {missing[0]}: "
            "extract the set's images again"
        )
    return tuple(names)


def shared_frames(annotated: int, seen: int, spare: int, where: Path) -> int:
    """How many frames both annotations and pictures have.

    Sets do annotate a few frames after the pictures' end. Raises ValueError where more than `spare` pictures lack.
    """
    if annotated - seen > spare:
        raise ValueError(
            f"{where} ends after {seen} pictures, {annotated} are annotated: it is cut off or too short, copy it again"
        )
    return min(annotated, seen)
