"""What a data set has to say about itself so that `vibe prepare` can read its original downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from vibe.data.recording import Recording

Pictures = Callable[[Path, Sequence[int], Sequence[str]], Iterator[tuple[int, UInt8[ndarray, "height width 3"]]]]
"""The wanted pictures of one source, in order, each with its place among those asked for: the source's path, indices of
frames (increasing), their images (empty for a video). Pictures that can't be read are left out; raises ValueError or
OSError if none can."""


@dataclass(frozen=True)
class Job:
    """One piece of a raw set that becomes recordings, of one person or several."""

    name: str
    """Unique in its set, and the same in every run."""
    read: Callable[[], Iterable[Recording]]
    """Does the work; raises ValueError or OSError with the file, what was seen and what to do."""


@dataclass(frozen=True)
class RawSet:
    """A data set as its owner offers it."""

    title: str
    licence: str
    """One sentence: whose it is and what it allows."""
    layout: str
    """What the raw folder has to look like, for people to read."""
    jobs: Callable[[Path], Iterator[Job]]
    """Finds the pieces, in the same order every time; raises FileNotFoundError with the missing file or folder and the
    layout. Workers call it anew, so it is a function of a module."""
    sources: Callable[[Path], Iterable[Path]]
    """The files of annotations, whose SHA-256 are noted; no videos and no images."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Plain values that decide the result: conventions, crop scale, frame rate."""
    pictures: Pictures | None = None
    """Reads pictures where a recording's source is neither a video nor a folder of images."""
