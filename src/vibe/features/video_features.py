"""Features of everybody's crops, in chunks in the cache: the second pass over a video, which can be resumed."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.cache import Piece, StageCache, chunked
from vibe.features.extractor import FeatureReader
from vibe.features.resnet import FEATURES
from vibe.features.runtimes import ReadFeatures
from vibe.records import Clip, Progress, Track
from vibe.video.read import ahead, open_video
from vibe.video.stream import Mark

CHUNK = 512
"""Rows of a chunk, 4 MB; whole batches of crops, so that a pass that goes on reads them in the same company."""
STAGE = "evidence"
LAYOUT = {"features": (None, FEATURES)}
EVERY, MARKS = 128, 8
"""Frames between two places from which the pass may go on, and how many of them are remembered."""


class VideoFeatures:
    """The features of all tracks of a video, of which a chunk at a time is in memory.

    Chunks hold them in the order of the frames, everybody's of one after the other. Nothing is read from the video
    until the first are asked for, and then only what is not in the cache.
    """

    def __init__(
        self, cache: StageCache, clip: Clip, tracks: Sequence[Track], extractor: ReadFeatures, progress: Progress | None
    ) -> None:
        self._clip, self._tracks, self._keeps = clip, tracks, cache.keeps
        self._extractor, self._progress = extractor, progress
        self._sizes = [len(track.frames) for track in tracks]
        self._frames, order = torch.cat([track.frames for track in tracks]).sort(stable=True)
        self._places = torch.empty_like(order)
        self._places[order] = torch.arange(len(order))
        self._chunks = chunked(cache, STAGE, "features", len(order), CHUNK, LAYOUT, self._read)

    def of(self, person: int, rows: slice) -> Float[Tensor, "time 2048"]:
        """Those of one track, by its number from 0, at some of its frames."""
        first = sum(self._sizes[:person])
        places = self._places[first : first + self._sizes[person]][rows]
        numbers = places // CHUNK
        parts = [self._chunks[n]["features"][places[numbers == n] % CHUNK] for n in numbers.unique().tolist()]
        return torch.cat(parts)

    def _read(self, done: int) -> Iterator[Piece]:
        """The features of the rows from number `done` on, each batch with the place from which to go on after it."""
        marks: deque[Mark] = deque(maxlen=MARKS)
        waiting: list[Tensor] = []

        def pieces() -> Iterator[Piece]:
            nonlocal done
            for features in waiting:
                done += len(features)
                ready = [each for each in marks if int(torch.searchsorted(self._frames, len(each.times))) <= done]
                yield {"features": features}, _values(ready[-1:])
            waiting.clear()

        reader = FeatureReader(self._tracks, self._extractor, keep=waiting.append, done=done)
        with open_video(self._clip.path, after=self._mark(done), fps=self._clip.fps) as video:
            for frame in ahead(video):
                reader.step(frame.index, frame.rgb)
                if self._keeps and (frame.index + 1) % EVERY == 0:
                    marks.append(video.mark())
                if self._progress:
                    self._progress("features", frame.index + 1, len(self._clip.timestamps))
                yield from pieces()
        reader.finish()
        yield from pieces()

    def _mark(self, done: int) -> Mark | None:
        """Where to go on in the video after so many rows; None for its first frame."""
        about = self._chunks.about(done // CHUNK - 1) if done else {}
        if not about:
            return None
        return Mark(
            times=array("d", self._clip.timestamps[: about["frames"]].tolist()),
            stamps=tuple(about["stamps"]),
            checks=tuple(about["checks"]),
            packet=about["packet"],
            start=about["start"],
            damaged=about["damaged"],
            notes=tuple((note, count) for note, count in about["notes"]),
        )


def _values(marks: Sequence[Mark]) -> Mapping[str, Any]:
    """The place in the video from which to go on after a chunk, as plain values; its times are known."""
    return {**vars(marks[0]), "times": None, "frames": len(marks[0].times)} if marks else {}
