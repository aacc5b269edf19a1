"""Where the frames of people go that no later frame asks for: chunks in a cache, of which the last is in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy import ndarray as Array

from vibe.cache import StageCache
from vibe.tracking.tracklets import Block, Tracklet

ROW = np.dtype([("frame", "<i4"), ("time", "<f8"), ("keypoints_px", "<f4", (17, 3)), ("region", "<f4", 4),
                ("landmarks", "<f4", (33, 8))])  # fmt: skip
STAGE = "rows"
CHUNK = 1024
"""Rows of a chunk, 1.3 MB."""


class Rows:
    """Rows of people's frames, in the order in which they came."""

    def __init__(self, cache: StageCache | None = None) -> None:
        """Without a cache, chunks go to a temporary folder."""
        self._cache = cache or StageCache()
        self.count = 0
        self._last = np.zeros(0, ROW)
        self._open: tuple[int, Array] | None = None

    def append(self, rows: Array) -> Block:
        """Put rows behind the others; returns where they are. Raises OSError where a chunk can't be written."""
        block = self.count, len(rows)
        self.count += len(rows)
        self._last = np.concatenate([self._last, rows])
        while len(self._last) >= CHUNK:
            number, chunk = (self.count - len(self._last)) // CHUNK, self._last[:CHUNK]
            content = torch.from_numpy(np.frombuffer(chunk.tobytes(), np.uint8).copy())
            self._cache.put(STAGE, f"{number:06}", {"rows": content})
            self._last = self._last[CHUNK:]
        return block

    def state(self) -> dict[str, Any]:
        """What is known of the rows beside the chunks that are written."""
        return {"count": self.count, "last": np.frombuffer(self._last.tobytes(), np.uint8)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`, whose chunks are in the cache; raises KeyError, TypeError or ValueError if not."""
        self.count, self._last = int(state["count"]), np.frombuffer(state["last"].tobytes(), ROW)
        if self.count % CHUNK != len(self._last) or self.count < 0:
            raise ValueError(f"{self.count} rows end with {len(self._last)} outside of a chunk")
        for number in range(self.count // CHUNK):
            self._chunk(number)

    def piece(self, blocks: Sequence[Block]) -> Tracklet:
        """The rows of one person, without looks; raises ValueError if a chunk is not there as it was written."""
        rows = np.concatenate([np.zeros(0, ROW), *(self._chunk(chunk)[part] for chunk, part in _parts(blocks))])
        frames, times, keypoints_px, region, landmarks = (np.ascontiguousarray(rows[name]) for name in ROW.names or ())
        return Tracklet(frames.astype(np.int64), times, keypoints_px, region, landmarks=landmarks)

    def close(self) -> None:
        """Remove what is in a temporary folder."""
        self._cache.close()

    def _chunk(self, number: int) -> Array:
        """The rows of a chunk, of which one is in memory beside the last."""
        if number == self.count // CHUNK:
            return self._last
        if self._open is None or self._open[0] != number:
            found = self._cache.get(STAGE, f"{number:06}")
            content = found[0].get("rows") if found else None
            if content is None or content.numel() != CHUNK * ROW.itemsize:
                raise ValueError(f"chunk {number} of the rows is not there as it was written")
            self._open = number, np.frombuffer(content.numpy().tobytes(), ROW)
        return self._open[1]


def _parts(blocks: Sequence[Block]) -> Iterable[tuple[int, slice]]:
    """Blocks as rows of chunks."""
    for first, count in blocks:
        start = first
        while start < first + count:
            stop = min(first + count, (start // CHUNK + 1) * CHUNK)
            yield start // CHUNK, slice(start % CHUNK, start % CHUNK + stop - start)
            start = stop


def with_block(blocks: Sequence[Block], new: Block) -> tuple[Block, ...]:
    """The blocks and one more, joined to the last where it follows it."""
    if blocks and sum(blocks[-1]) == new[0]:
        return *blocks[:-1], (blocks[-1][0], blocks[-1][1] + new[1])
    return *blocks, new
