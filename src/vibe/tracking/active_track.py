"""How people are followed, and a track that is: the latest frames in memory, those before them in the rows."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from vibe.tracking import appearance
from vibe.tracking.pose_model import Landmarks
from vibe.tracking.postprocess import PostprocessConfig
from vibe.tracking.rows import ROW, Rows, with_block
from vibe.tracking.tracklets import END, StoredTracklet, Tracklet, first_end, last_end, stretches_from, stretches_state

SLIDE = 30
"""Frames over which a track may have slid from one person to another."""
SPIN = 4.0
"""Radians a second from which a turn of the region is followed without delay."""
APART = 0.2
"""Similarity of keypoints below which two people are surely apart."""
UNLIKE = 0.1
"""Difference of what `ActiveTrack.strayed` gives for two tracks that tells who is who."""
SEEN, BENT, MOVED = 0.5, 0.01, 0.05
"""Confidence of keypoints that tell how somebody moves; how far, over the person's size, a path may part from the line
between two readings in the middle of them, and how far one may go in between, for a reading to be left out."""
LEAST = 256
"""Least number of frames that are moved to the rows."""
JUMP, CHANGE = 0.1, 0.37
"""Jump of the keypoints over the person's size, and difference of the clothes, from which a reading where others pass
may be of somebody else than the one before."""

COLUMNS = ("frames", "times", "keypoints", "regions", "looks", "landmarks", "seen", "crossing", "breaks")
"""Of each frame of a person in sight."""
NONE = np.zeros((33, 8), np.float32)
"""The landmarks of a pose model that has none."""


@dataclass(frozen=True)
class TrackerConfig:
    """How people are tracked; times in seconds."""

    detect_every: float = 0.2
    """Between two searches for new people."""
    detect_lost: float = 0.1
    """Between two searches around lost people, and between searches for new people while nobody is tracked."""
    detect_contested: float = 0.03
    """Between two searches around people who pass before one another, or were lost a moment ago."""
    patience: float = 0.2
    """How long the pose model alone goes on at the predicted place of a lost person."""
    steadiness: float = 0.05
    """Time constant of the region's side and turn: a region that shakes makes keypoints shake."""
    least_presence: float = 0.5
    least_confidence: float = 0.25
    """Mean over the keypoints of a person who is there."""
    most_trials: int = 2
    """Detections tried as new people in one search, after the first search."""
    same_person: float = 0.5
    """Similarity of keypoints above which two tracks are of one person."""
    shadow_overlap: float = 0.5
    """Overlap of two people's boxes above which the newer one may be a false detection of the other ..."""
    shadow_confidence: float = 0.75
    """... and is, if its confidence is below this share of the other's."""
    young: float = 0.5
    """How long a new track may still be dropped as a duplicate."""
    threads: int = 2
    """People whose keypoints are estimated at once."""
    least_step: float = 0.0
    """A frame that comes sooner after one that was read need not be: people are where the frames around it tell."""
    slow_step: float = 0.0
    """Likewise where everybody is well in sight and moves slowly."""
    most_people: int | None = None
    """People tracked at once, at most; None for everybody."""
    most_windows: int | None = None
    """Tiles searched in one frame, at most: the others are postponed to the next; None for all."""
    finish: PostprocessConfig = field(default_factory=PostprocessConfig)


SPARING = TrackerConfig(least_step=1 / 49, slow_step=0.035)
"""Leaves out every other frame of 50 a second and more, and of 30 where everybody moves slowly."""


def is_person(landmarks: Landmarks, config: TrackerConfig) -> bool:
    """Whether the keypoints are a person's, of about the expected size."""
    growth = landmarks.follow[2] / max(landmarks.region[2], 1e-6)
    sure = landmarks.keypoints_px[:, 2].mean() >= config.least_confidence
    return bool(landmarks.presence >= config.least_presence and sure and 0.4 < growth < 2.0)


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
        """What the person is known by: of frames in which others pass that of before."""
        self.landmarks: list[Array] = []
        self.seen: list[Array] = []
        """Looks as they were in each frame."""
        self.crossing: list[bool] = []
        """Whether others passed there."""
        self.breaks: list[bool] = []
        """Whether somebody else may be seen from this frame on."""
        self.contested = False
        """Whether others pass now."""
        self.pieces: list[StoredTracklet] = []
        """The frames that have moved to the rows, parted at the breaks; the last one goes on."""

    def add(
        self,
        index: int,
        time: float,
        landmarks: Landmarks,
        look: Float[Array, "128"],
        known: Float[Array, "128"] | None = None,
    ) -> None:
        """One more frame, with the appearance of the clothes in it, and what they are known by if not by that."""
        self.since = min(self.since, time)
        self.frames.append(index)
        self.times.append(time)
        self.keypoints.append(landmarks.keypoints_px.astype(np.float32))
        self.regions.append(landmarks.follow.astype(np.float32))
        self.looks.append((look if known is None else known).astype(np.float16))
        self.landmarks.append(NONE if landmarks.whole is None else landmarks.whole)
        self.seen.append(look.astype(np.float16))
        self.crossing.append(self.contested)
        self.breaks.append(any(self.crossing[-2:]) and self._changed())
        self.last = landmarks

    def drop_last(self) -> None:
        """One frame less."""
        for name in COLUMNS:
            getattr(self, name).pop()

    def settled(self) -> int:
        """How many frames from the first one here no later frame can need, change or undo."""
        if len(self.times) <= SLIDE:
            return 0
        return bisect_left(self.times, self.times[-SLIDE - 1] - END)

    def settle(self, rows: Rows) -> None:
        """Move the frames that are settled to the rows, if they are enough."""
        count = self.settled()
        if count < LEAST:
            return
        start = max([0, *(n for n in range(count) if self.breaks[n])])
        begins = self.breaks[start] or not self.pieces
        if begins and self.times[count - 1] <= self.times[start] + END:
            count = start
        self._store(rows, count)
        self._forget(count)

    def forget(self) -> None:
        """Drop the frames that are settled, for endless tracking."""
        self._forget(self.settled())

    def stretch(self, rows: Rows) -> StoredTracklet | None:
        """The whole tracklet, now in the rows; None without a frame."""
        if not self.frames:
            return None
        count = len(self.frames)
        self._store(rows, count)
        blocks = tuple(block for piece in self.pieces for block in piece.blocks)
        return StoredTracklet(self.pieces[0].first, last_end(self._piece(0, count)), blocks, self.number)

    def ahead(self, time: float, steadiness: float) -> Float[Array, "4"]:
        """The next region: moved on at constant velocity; side and turn follow within `steadiness` s."""
        region = self.regions[-1].astype(float)
        if len(self.times) > 1:
            step = self.times[-1] - self.times[-2]
            region[:2] += (region[:2] - self.regions[-2][:2]) * min((time - self.times[-1]) / step, 3.0) * 0.7
            old = self.last.region
            part = math.exp(-step / steadiness)
            region[2] += (old[2] - region[2]) * part
            spin = math.remainder(region[3] - self.regions[-2][3], 2 * math.pi)
            if abs(spin) > SPIN * step:  # somebody turns over, whom a steady region would lose
                region[3] += spin * min((time - self.times[-1]) / step, 3.0) * 0.7
            else:
                region[3] += math.remainder(old[3] - region[3], 2 * math.pi) * part
        return region

    def keypoints_at(self, region: Float[Array, "4"]) -> Float[Array, "17 3"]:
        """The last keypoints, moved along with the region."""
        moved = region[:2] - self.regions[-1][:2]
        return self.keypoints[-1] + np.array([*moved, 0], np.float32)

    def surprise(self) -> float:
        """How far the last keypoints lie from where constant velocity puts them, over the person's size."""
        if len(self.times) < 3:
            return math.inf
        before, last, now = (keypoints[:, :2] for keypoints in self.keypoints[-3:])
        ratio = (self.times[-1] - self.times[-2]) / (self.times[-2] - self.times[-3])
        expected = last + (last - before) * min(ratio, 3.0)
        return float(np.linalg.norm(now - expected, axis=-1).mean() / appearance.size_px(self.keypoints[-2]))

    def is_slow(self, step: float) -> bool:
        """Whether all keypoints that are seen move so slowly that a frame, `step` seconds long, can be left out."""
        if len(self.times) < 3:
            return False
        (before, last, now), times = (each[..., :2] for each in self.keypoints[-3:]), self.times[-3:]
        old, new = (last - before) / (times[1] - times[0]), (now - last) / (times[2] - times[1])
        bent = (new - old) * (step**2 / (times[2] - times[0]))
        seen, size = self.keypoints[-1][:, 2] >= SEEN, appearance.size_px(self.keypoints[-1])
        return bool(
            (np.linalg.norm(bent[seen], axis=-1) < BENT * size).all()
            and (np.linalg.norm(step * new[seen], axis=-1) < MOVED * size).all()
        )

    def look(self) -> Float[Array, "128"]:
        """Mean appearance of the clothes in the half second that ended half a second before, always in memory."""
        kept = max(1, len(self.times) - SLIDE // 2)
        mean = (np.stack(self.looks[:kept][-SLIDE // 2 :]).astype(np.float32) ** 2).mean(0)
        return np.sqrt(mean / (mean.sum() / 2))

    def strayed(self) -> float:
        """How unlike the newest frame is to what was to be expected half a second before: by clothes, size, place."""
        kept = max(1, len(self.times) - SLIDE // 2)
        unlike = appearance.dissimilarity(self.look(), self.looks[-1].astype(np.float32))
        times, regions = np.array(self.times[:kept][-SLIDE:]), np.array(self.regions[:kept][-SLIDE:], float)
        step = times[-1] - times[0]
        velocity = (regions[-1, :2] - regions[0, :2]) / step if step > 0.1 else np.zeros(2)
        size, now = np.median(regions[:, 2]), self.regions[-1]
        away = np.linalg.norm(now[:2] - regions[-1, :2] - velocity * (self.times[-1] - times[-1])) / size
        return float(unlike + away + abs(np.log(now[2] / size)))

    def undo_jump(self, stays: ActiveTrack) -> None:
        """Forget the last frames in which this track slid to another person's place."""
        met = dict(zip(stays.frames[-SLIDE:], stays.keypoints[-SLIDE:], strict=True))
        while self.frames and self.frames[-1] in met:
            if appearance.similarity(self.keypoints[-1], met[self.frames[-1]]) < APART:
                break
            self.drop_last()

    def _changed(self) -> bool:
        """Whether the last reading lies or looks unlike the one before, which may have stood still or moved on."""
        if len(self.times) < 2:
            return False
        now, last = (keypoints[:, :2] for keypoints in self.keypoints[:-3:-1])
        expected, step = [last], self.times[-1] - self.times[-2]
        if len(self.times) > 2:
            ratio = min(step / (self.times[-2] - self.times[-3]), 3.0)
            expected.append(last + (last - self.keypoints[-3][:, :2]) * ratio)
        away = min(np.linalg.norm(now - points, axis=-1).mean() for points in expected)
        jumped = away > JUMP * appearance.size_px(self.keypoints[-2])
        unlike = appearance.dissimilarity(*(look.astype(np.float32) for look in self.seen[-2:]))
        return bool(jumped or unlike > CHANGE)

    def _store(self, rows: Rows, count: int) -> None:
        """Move the first frames to the rows: to the last piece up to the first break, then to new ones."""
        parts = [n for n in range(1, count) if self.breaks[n]]
        for start, stop in pairwise([0, *parts, count] if count else []):
            part, block = self._piece(start, stop), rows.append(self._rows(start, stop))
            if self.breaks[start] or not self.pieces:
                self.pieces.append(StoredTracklet(first_end(part), last_end(part), (block,), self.number))
            else:
                blocks = with_block(self.pieces[-1].blocks, block)
                self.pieces[-1] = replace(self.pieces[-1], last=last_end(part), blocks=blocks)

    def _piece(self, start: int, stop: int) -> Tracklet:
        """Some of the frames in memory."""
        columns = self.frames, self.times, self.keypoints, self.regions, self.seen
        return Tracklet(*(np.array(values[start:stop]) for values in columns))

    def _rows(self, start: int, stop: int) -> Array:
        """Some of the frames in memory as rows."""
        rows = np.empty(stop - start, ROW)
        columns = self.frames, self.times, self.keypoints, self.regions, self.landmarks
        for name, values in zip(ROW.names or (), columns, strict=True):
            rows[name] = values[start:stop]
        return rows

    def _forget(self, count: int) -> None:
        """Drop the first frames here."""
        for name in COLUMNS:
            del getattr(self, name)[:count]


def which_jumped(one: ActiveTrack, other: ActiveTrack) -> ActiveTrack:
    """Which of two tracks at one place is not this person's: by clothes, size and way, else by the last step."""
    first, second = one.strayed(), other.strayed()
    if abs(first - second) > UNLIKE:
        return one if first > second else other
    return max(one, other, key=ActiveTrack.surprise)


def person_state(person: ActiveTrack) -> dict[str, Any]:
    """A person in sight."""
    kept = {name: getattr(person, name) for name in ("number", "since")}
    kept |= {name: np.array(getattr(person, name)) for name in COLUMNS}
    return kept | {"last": dict(vars(person.last)), "pieces": stretches_state(person.pieces)}


def person_from(state: Mapping[str, Any]) -> ActiveTrack:
    """The person again; raises KeyError, TypeError or ValueError for what is none."""
    person = ActiveTrack(int(state["number"]), Landmarks(**state["last"]))
    person.since = float(state["since"])
    for name in COLUMNS:
        values = state[name]
        setattr(person, name, values.tolist() if values.ndim == 1 else list(values))
    person.pieces = stretches_from(state["pieces"])
    return person
