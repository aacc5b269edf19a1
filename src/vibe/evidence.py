"""Features of everybody's crops, in pieces on a shelf: the second pass over a video, which goes on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vibe.observe.features import FeatureReader, Reader
from vibe.observe.resnet import FEATURES
from vibe.records import Progress, Track
from vibe.stages import Shelf, fits
from vibe.video import ahead, open_video

PIECE = 512
"""Rows of a piece, 4 MB; whole batches of crops, so that a pass that goes on reads them in the same company."""
STAGE = "evidence"
LAYOUT = {"features": (FEATURES,)}


class Evidence:
    """The features of all tracks of a video, of which a few pieces at a time are in memory.

    Pieces hold them in the order of the frames, everybody's of one after the other. Nothing is read from the video
    until the first are asked for, and then only what is not on the shelf.
    """

    def __init__(
        self, shelf: Shelf, path: Path, tracks: Sequence[Track], extractor: Reader, frames: int,
        progress: Progress | None,
    ) -> None:  # fmt: skip
        self._shelf, self._path, self._tracks, self._extractor = shelf, path, tracks, extractor
        self._frames, self._progress = frames, progress
        self._sizes = [len(track.frames) for track in tracks]
        self._piece = lru_cache(2)(self._loaded)

    def of(self, person: int, rows: slice) -> Float[Tensor, "time 2048"]:
        """Those of one track, by its number from 0, at some of its frames."""
        first = sum(self._sizes[:person])
        places = self._places[first : first + self._sizes[person]][rows]
        numbers = places // PIECE
        parts = [self._piece(number)[places[numbers == number] % PIECE] for number in numbers.unique().tolist()]
        return torch.cat(parts)

    @cached_property
    def _places(self) -> Int[Tensor, "row"]:
        """Where the features of each row of each track are, in the order of the pieces; they are there after this."""
        order = torch.cat([track.frames for track in self._tracks]).sort(stable=True).indices
        places = torch.empty_like(order)
        places[order] = torch.arange(len(order))
        self._complete(len(order))
        return places

    def _complete(self, rows: int) -> None:
        """Read what is not there."""
        done = next((first for first in range(0, rows, PIECE) if self._kept(first // PIECE, rows) is None), rows)
        if done == rows:
            return
        waiting: list[Tensor] = []
        number = done // PIECE

        def keep(found: Tensor, last: bool = False) -> None:
            nonlocal waiting, number
            waiting.append(found)
            while (count := sum(map(len, waiting))) >= PIECE or (last and count):
                whole = torch.cat(waiting)
                self._shelf.save(STAGE, f"{number:06}", {"features": whole[:PIECE]})
                waiting, number = [whole[PIECE:]], number + 1

        reader = FeatureReader(self._tracks, self._extractor, keep=keep, done=done)
        with open_video(self._path) as video:
            for frame in ahead(video):
                reader.step(frame.index, frame.rgb)
                if self._progress:
                    self._progress("features", frame.index + 1, self._frames)
        reader.finish()
        keep(torch.empty(0, FEATURES), last=True)

    def _kept(self, number: int, rows: int) -> Float[Tensor, "row 2048"] | None:
        """A piece, if it is on the shelf and has as many rows as it should."""
        found = self._shelf.load(STAGE, f"{number:06}")
        right = found is not None and fits(found[0], LAYOUT, min(PIECE, rows - number * PIECE))
        return found[0]["features"] if found and right else None

    def _loaded(self, number: int) -> Float[Tensor, "row 2048"]:
        """A piece; raises OSError if it was taken away meanwhile."""
        found = self._kept(number, sum(self._sizes))
        if found is None:
            raise OSError(f"a piece of the features of {self._path} was changed while it was needed: run it again")
        return found
