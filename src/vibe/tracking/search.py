"""When and where in a frame people are searched for: the detector on tiles of the picture, in a thread of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from vibe.tracking import tiling
from vibe.tracking.detector import Detections, Detector


class Search:
    """Searches of the whole clip; times in seconds.

    Every so often for whoever is new, in tiles of the whole picture, in turn, and around people; more often around
    those who were lost. With a budget of tiles a frame, the others wait for the next.
    """

    def __init__(self, detector: Detector, most_windows: int | None) -> None:
        self._detector, self._most = detector, most_windows
        self._pool = ThreadPoolExecutor(1, "vibe-detector")
        self._last, self._last_near = -math.inf, -math.inf
        self._postponed = np.zeros((0, 4), int)
        self.count = self._near_count = 0
        """Searches for new people in this scene, and those around people who were lost."""

    def begin_scene(self) -> None:
        """Search as in the first frame."""
        self._last = self._last_near = -math.inf
        self._postponed, self.count = self._postponed[:0], 0

    def due(self, time: float, every: float) -> bool:
        """Whether tiles wait, or new people are to be searched for, twice in the beginning."""
        return bool(len(self._postponed)) or time - self._last >= every - 1e-6 or self.count == 1

    def start(
        self, time: float, rgb: UInt8[Array, "height width 3"], around: Sequence[Float[Array, "4"]]
    ) -> Future[tuple[list[Detections], Array]]:
        """Begin to search the tiles that waited, or the next of the picture and those around some regions.

        Gives what is found in each tile, and the tiles: left, top, width and height.
        """
        height, width = rgb.shape[:2]
        parts = self._postponed
        if not len(parts):
            each = [tiling.tiles_around(region, width, height) for region in around]
            parts = tiling.distinct(np.concatenate([tiling.scheduled_tiles(width, height, self.count), *each]))
            self.count += 1
            self._last = time
        self._postponed = parts[self._most or len(parts) :]
        return self._pool.submit(self._detect, rgb, parts[: self._most])

    def near(
        self,
        time: float,
        rgb: UInt8[Array, "height width 3"],
        wanted: Sequence[Float[Array, "4"]],
        turned: Sequence[Float[Array, "4"]],
    ) -> tuple[list[Detections], Array]:
        """Search, likewise, around people, some of them turned; with a budget around one, in turn."""
        height, width = rgb.shape[:2]
        self._last_near = time
        self._near_count += 1
        if self._most is not None:
            wanted, turned = [wanted[self._near_count % len(wanted)]], []
        parts, sideways = (
            tiling.distinct(
                np.concatenate([np.zeros((0, 4), int), *(tiling.tiles_around(each, width, height) for each in regions)])
            )
            for regions in (wanted, turned)
        )
        upright = self._pool.submit(self._detect, rgb, parts).result()
        if not len(sideways):
            return upright
        found, tiles = self._pool.submit(tiling.detect_turned, self._detector, rgb, sideways).result()
        return upright[0] + found, np.concatenate([upright[1], tiles])

    def near_due(self, time: float, every: float) -> bool:
        """Whether it is time to look around people again."""
        return time - self._last_near >= every - 1e-6

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()

    def state(self) -> dict[str, Any]:
        """All that the next searches depend on."""
        counts = {"count": self.count, "near_count": self._near_count}
        return {"last": self._last, "last_near": self._last_near, "postponed": self._postponed, **counts}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another one was; raises KeyError, TypeError or ValueError for what is no state."""
        self._last, self._last_near = float(state["last"]), float(state["last_near"])
        self._postponed = state["postponed"]
        self.count, self._near_count = int(state["count"]), int(state["near_count"])

    def _detect(self, rgb: Array, parts: Array) -> tuple[list[Detections], Array]:
        return tiling.detect_in_tiles(self._detector, rgb, parts), parts
