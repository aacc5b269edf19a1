"""A track that is being followed: the latest frames in memory, those before them in the rows."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from vibe.tracking import appearance
from vibe.tracking.pose_model import Landmarks
from vibe.tracking.rows import ROW, Rows, with_block
from vibe.tracking.tracklets import END, Block, StoredTracklet, Tracklet, TrackletEnd, first_end, last_end

SLIDE = 30
"""Frames over which a track may have slid from one person to another."""
LEAST = 256
"""Least number of frames that are moved to the rows."""


ARRAYS = ("keypoints", "regions", "looks", "landmarks")
"""Of each frame of a person in sight."""
NONE = np.zeros((33, 8), np.float32)
"""The landmarks of a pose model that has none."""


class ActiveTrack:
    """A person who is tracked: the last keypoints, and a few numbers of each frame that a later one may need."""

    def __init__(self, number: int, first: Landmarks) -> None:
        self.number = number
        self.last = first
        self.since = math.inf
        """Time of the first frame."""
        self.frames: list[int] = []
        self.times: list[float] = []
        self.keypoints: list[Array] = []
        self.regions: list[Array] = []
        self.looks: list[Array] = []
        self.landmarks: list[Array] = []
        self.first: TrackletEnd | None = None
        """The beginning, once its frames have moved to the rows."""
        self.blocks: tuple[Block, ...] = ()
        """Where those frames are."""

    def add(self, index: int, time: float, landmarks: Landmarks, look: Float[Array, "128"]) -> None:
        """One more frame, with the appearance of the clothes in it."""
        self.since = min(self.since, time)
        self.frames.append(index)
        self.times.append(time)
        self.keypoints.append(landmarks.keypoints_px.astype(np.float32))
        self.regions.append(landmarks.follow.astype(np.float32))
        self.looks.append(look.astype(np.float16))
        self.landmarks.append(NONE if landmarks.whole is None else landmarks.whole)
        self.last = landmarks

    def drop_last(self) -> None:
        """One frame less."""
        for values in (self.frames, self.times, *(getattr(self, name) for name in ARRAYS)):
            values.pop()

    def settled(self) -> int:
        """How many frames from the first one here no later frame can need, change or undo."""
        if len(self.times) <= SLIDE:
            return 0
        return bisect_left(self.times, self.times[-SLIDE - 1] - END)

    def settle(self, rows: Rows) -> None:
        """Move the frames that are settled to the rows, if they are enough."""
        count = self.settled()
        if count < LEAST or (self.first is None and self.times[count - 1] <= self.since + END):
            return
        self.first = self._first()
        self.blocks = with_block(self.blocks, rows.append(self._rows(count)))
        self._forget(count)

    def forget(self) -> None:
        """Drop the frames that are settled, for endless tracking."""
        self._forget(self.settled())

    def stretch(self, rows: Rows) -> StoredTracklet | None:
        """The whole tracklet, now in the rows; None without a frame."""
        if not self.frames:
            return None
        last = last_end(self._piece())
        blocks = with_block(self.blocks, rows.append(self._rows(len(self.frames))))
        return StoredTracklet(self._first(), last, blocks)

    def ahead(self, time: float, steadiness: float) -> Float[Array, "4"]:
        """The next region: moved on at constant velocity; side and turn follow within `steadiness` s."""
        region = self.regions[-1].astype(float)
        if len(self.times) > 1:
            step = self.times[-1] - self.times[-2]
            region[:2] += (region[:2] - self.regions[-2][:2]) * min((time - self.times[-1]) / step, 3.0) * 0.7
            old = self.last.region
            part = math.exp(-step / steadiness)
            region[2] += (old[2] - region[2]) * part
            region[3] += math.remainder(old[3] - region[3], 2 * math.pi) * part
        return region

    def surprise(self) -> float:
        """How far the last keypoints lie from where constant velocity puts them, over the person's size."""
        if len(self.times) < 3:
            return math.inf
        before, last, now = (keypoints[:, :2] for keypoints in self.keypoints[-3:])
        ratio = (self.times[-1] - self.times[-2]) / (self.times[-2] - self.times[-3])
        expected = last + (last - before) * min(ratio, 3.0)
        return float(np.linalg.norm(now - expected, axis=-1).mean() / appearance.size_px(self.keypoints[-2]))

    def _first(self) -> TrackletEnd:
        """The beginning; it is measured before any frame moves to the rows."""
        return self.first or first_end(self._piece())

    def _piece(self) -> Tracklet:
        """The frames in memory."""
        rows = np.stack(self.keypoints), np.stack(self.regions), np.stack(self.looks)
        return Tracklet(np.array(self.frames), np.array(self.times), *rows)

    def _rows(self, count: int) -> Array:
        """The first frames here as rows."""
        rows = np.empty(count, ROW)
        columns = self.frames, self.times, self.keypoints, self.regions, self.landmarks
        for name, values in zip(ROW.names or (), columns, strict=True):
            rows[name] = values[:count]
        return rows

    def _forget(self, count: int) -> None:
        """Drop the first frames here."""
        for values in (self.frames, self.times, *(getattr(self, name) for name in ARRAYS)):
            del values[:count]


def person_state(person: ActiveTrack) -> dict[str, Any]:
    """A person in sight."""
    kept = {name: getattr(person, name) for name in ("number", "since", "frames", "times", "blocks")}
    kept |= {name: np.array(getattr(person, name)) for name in ARRAYS}
    return kept | {"last": dict(vars(person.last)), "first": person.first and dict(vars(person.first))}


def person_from(state: Mapping[str, Any]) -> ActiveTrack:
    """The person again; raises KeyError, TypeError or ValueError for what is none."""
    person = ActiveTrack(int(state["number"]), Landmarks(**state["last"]))
    person.since = float(state["since"])
    person.frames, person.times = list(state["frames"]), list(state["times"])
    person.keypoints, person.regions, person.looks, person.landmarks = (list(state[name]) for name in ARRAYS)
    person.first = TrackletEnd(**state["first"]) if state["first"] else None
    person.blocks = tuple((first, count) for first, count in state["blocks"])
    return person
