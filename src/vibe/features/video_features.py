"""Features of everybody's crops, in pieces on a shelf: the second pass over a video, which goes on where it stopped."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vibe.cache import StageCache, fits
from vibe.features.extractor import FeatureReader, Reader
from vibe.features.resnet import FEATURES
from vibe.records import Clip, Progress, Track
from vibe.video import Mark, ahead, open_video

PIECE = 512
"""Rows of a piece, 4 MB; whole batches of crops, so that a pass that goes on reads them in the same company."""
STAGE = "evidence"
LAYOUT = {"features": (FEATURES,)}
EVERY, MARKS = 128, 8
"""Frames between two places from which the pass may go on, and how many of them are remembered."""


class VideoFeatures:
    """The features of all tracks of a video, of which a few pieces at a time are in memory.

    Pieces hold them in the order of the frames, everybody's of one after the other. Nothing is read from the video
    until the first are asked for, and then only what is not on the shelf.
    """

    def __init__(
        self, shelf: StageCache, clip: Clip, tracks: Sequence[Track], extractor: Reader, progress: Progress | None
    ) -> None:
        self._shelf, self._clip, self._tracks = shelf, clip, tracks
        self._extractor, self._progress = extractor, progress
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
        frames, order = torch.cat([track.frames for track in self._tracks]).sort(stable=True)
        places = torch.empty_like(order)
        places[order] = torch.arange(len(order))
        rows = len(frames)
        done = next((first for first in range(0, rows, PIECE) if self._kept(first // PIECE) is None), rows)
        if done < rows:
            self._read(frames, done)
        return places

    def _read(self, frames: Int[Tensor, "row"], done: int) -> None:
        """The features of the rows after those that are there; `frames` are those of all rows in order."""
        marks: deque[Mark] = deque(maxlen=MARKS)
        waiting: list[Tensor] = []

        def keep(found: Tensor, last: bool = False) -> None:
            nonlocal waiting, done
            waiting.append(found)
            while (count := sum(map(len, waiting))) >= PIECE or (last and count):
                whole, end = torch.cat(waiting), done + min(count, PIECE)
                ready = [mark for mark in marks if int(torch.searchsorted(frames, len(mark.times))) <= end]
                self._shelf.save(STAGE, _name(done), {"features": whole[:PIECE]}, _told(ready[-1:]))
                waiting, done = [whole[PIECE:]], end

        reader = FeatureReader(self._tracks, self._extractor, keep=keep, done=done)
        with open_video(self._clip.path, after=self._mark(done)) as video:
            for frame in ahead(video):
                reader.step(frame.index, frame.rgb)
                if self._shelf.keeps and (frame.index + 1) % EVERY == 0:
                    marks.append(video.mark())
                if self._progress:
                    self._progress("features", frame.index + 1, len(self._clip.timestamps))
        reader.finish()
        keep(torch.empty(0, FEATURES), last=True)

    def _mark(self, done: int) -> Mark | None:
        """Where to go on in the video after so many rows; None for its first frame."""
        kept = self._shelf.load(STAGE, _name(done - PIECE)) if done else None
        if kept is None or not kept[1]:
            return None
        told = kept[1]
        return Mark(
            times=array("d", self._clip.timestamps[: told["frames"]].tolist()),
            stamps=tuple(told["stamps"]),
            checks=tuple(told["checks"]),
            packet=told["packet"],
            start=told["start"],
            damaged=told["damaged"],
            notes=tuple((note, count) for note, count in told["notes"]),
        )

    def _kept(self, number: int) -> Float[Tensor, "row 2048"] | None:
        """A piece, if it is on the shelf and has as many rows as it should."""
        found = self._shelf.load(STAGE, _name(number * PIECE))
        right = found is not None and fits(found[0], LAYOUT, min(PIECE, sum(self._sizes) - number * PIECE))
        return found[0]["features"] if found and right else None

    def _loaded(self, number: int) -> Float[Tensor, "row 2048"]:
        """A piece; raises OSError if it was taken away meanwhile."""
        found = self._kept(number)
        if found is None:
            raise OSError(f"a piece of the features of {self._clip.path} went while it was needed: run it again")
        return found


def _name(first: int) -> str:
    """Of the piece that begins with this row."""
    return f"{first // PIECE:06}"


def _told(marks: Sequence[Mark]) -> dict[str, Any]:
    """The place in the video from which to go on after a piece, as plain values; its times are known."""
    return {**vars(marks[0]), "times": None, "frames": len(marks[0].times)} if marks else {}
