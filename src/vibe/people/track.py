"""Follow everyone through a clip, frame by frame."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from vibe import records
from vibe.people import evidence, search
from vibe.people.detect import Detections, Detector, PoseDetector, iou
from vibe.people.finish import Finish, finish
from vibe.people.landmarks import Landmarks, PoseLandmarks, PoseModel
from vibe.people.pieces import Piece

APART = 0.2
"""Similarity of keypoints below which two people are surely apart."""
SLIDE = 30
"""Frames over which a track may have slid from one person to another."""


@dataclass(frozen=True)
class Following:
    """How people are followed; times in seconds."""

    detect_every: float = 0.2
    """Between two looks for new people."""
    detect_lost: float = 0.1
    """Between two looks where somebody is missed, and between looks for new people while nobody is in sight."""
    patience: float = 0.2
    """How long a person out of sight is looked for where they should be, by the pose model alone."""
    steadiness: float = 0.05
    """How slowly the side and the turn of the region follow the person: a region that shakes makes keypoints shake."""
    least_presence: float = 0.5
    least_confidence: float = 0.25
    """Mean over the keypoints of a person who is there."""
    most_trials: int = 2
    """New people tried in one look, after the first look."""
    same_person: float = 0.5
    """Similarity of keypoints above which two tracks sit on one person."""
    shadow_overlap: float = 0.5
    """Overlap of two people's boxes above which the newer one may be a false reading of the other ..."""
    shadow_confidence: float = 0.75
    """... and is, if its confidence is below this share of the other's."""
    young: float = 0.5
    """How long somebody new is not trusted yet."""
    threads: int = 2
    """People who are read at once."""
    finish: Finish = field(default_factory=Finish)


@dataclass(frozen=True)
class Seen:
    """One person in one frame, as seen at the time; numbers here are not yet those of the finished tracks."""

    number: int
    landmarks: Landmarks


class _Live:
    """A person in sight: the last reading whole, the earlier ones as few numbers."""

    def __init__(self, number: int, first: Landmarks) -> None:
        self.number = number
        self.last = first
        self.frames: list[int] = []
        self.times: list[float] = []
        self.keypoints: list[Array] = []
        self.regions: list[Array] = []
        self.looks: list[Array] = []

    def add(self, index: int, time: float, landmarks: Landmarks, rgb: Array) -> None:
        """One more frame."""
        self.frames.append(index)
        self.times.append(time)
        self.keypoints.append(landmarks.keypoints_px.astype(np.float32))
        self.regions.append(landmarks.follow.astype(np.float32))
        self.looks.append(evidence.look(rgb, landmarks.keypoints_px).astype(np.float16))
        self.last = landmarks

    def drop_last(self) -> None:
        """One frame less."""
        for values in (self.frames, self.times, self.keypoints, self.regions, self.looks):
            values.pop()

    def ahead(self, time: float, steadiness: float) -> Float[Array, "4"]:
        """The region to look at next: moved on at constant velocity; side and turn follow within `steadiness` s."""
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
        return float(np.linalg.norm(now - expected, axis=-1).mean() / evidence.size_px(self.keypoints[-2]))

    def piece(self) -> Piece:
        """What was seen, as arrays."""
        rows = np.stack(self.keypoints), np.stack(self.regions), np.stack(self.looks)
        return Piece(np.array(self.frames), np.array(self.times), *rows)


class Follower:
    """Everyone in a clip: fed frame by frame, it keeps a few numbers a person and frame, never a picture."""

    def __init__(
        self, detector: Detector | None = None, pose: PoseModel | None = None, following: Following | None = None
    ) -> None:
        self._detector = detector or PoseDetector()
        self._pose = pose or PoseLandmarks()
        self._following = following or Following()
        self._pool = ThreadPoolExecutor(self._following.threads)
        self._live: list[_Live] = []
        self._pieces: list[Piece] = []
        self._times: list[float] = []
        self._looked = self._looked_around = -np.inf
        self._ticks = 0
        self._born = 0

    def step(self, index: int, time: float, rgb: UInt8[Array, "height width 3"]) -> tuple[Seen, ...]:
        """Take the next frame (`index` counts from 0 without gaps, `time` in seconds) and return who is in it."""
        if index != len(self._times):
            raise ValueError(f"frame {index} came after {len(self._times)} frames: feed every frame once, in order")
        self._times.append(time)
        regions = [self._ahead(person, time) for person in self._live]
        read = map if len(regions) < 2 else self._pool.map
        for person, landmarks in zip(self._live, read(lambda region: self._pose(rgb, region), regions), strict=True):
            if self._believable(landmarks):
                person.add(index, time, landmarks, rgb)
        self._part()
        if len(parts := self._due(time, rgb.shape[1], rgb.shape[0])):
            self._search(index, time, rgb, parts)
        for person in [one for one in self._live if time - one.times[-1] > self._following.patience]:
            self._close(person)
        return tuple(Seen(one.number, one.last) for one in self._live if one.frames[-1] == index)

    def finish(self) -> tuple[list[records.Track], list[str]]:
        """The finished tracks, in order of first appearance (larger people first), and what was dropped or repaired."""
        while self._live:
            self._close(self._live[0])
        self._pool.shutdown()
        return finish(self._pieces, np.array(self._times), self._following.finish)

    def _believable(self, landmarks: Landmarks) -> bool:
        """Whether a person is there, of about the size looked for."""
        growth = landmarks.follow[2] / max(landmarks.region[2], 1e-6)
        sure = landmarks.keypoints_px[:, 2].mean() >= self._following.least_confidence
        return bool(landmarks.presence >= self._following.least_presence and sure and 0.4 < growth < 2.0)

    def _due(self, time: float, width: int, height: int) -> Array:
        """The windows to look at now: everywhere by turns, and around those who are missed."""
        how = self._following
        parts = np.zeros((0, 4), int)
        if time - self._looked >= (how.detect_every if self._live else how.detect_lost) - 1e-6:
            parts = search.by_turns(width, height, self._ticks)
            self._ticks += 1
            self._looked = time
        missed = [self._ahead(one, time) for one in self._live if one.times[-1] < time]
        missed += [piece.region[-1] for piece in self._pieces if 0 <= time - piece.times[-1] <= how.finish.most_gap]
        if missed and time - self._looked_around >= how.detect_lost - 1e-6:
            parts = np.concatenate([parts, *(search.around(region, width, height) for region in missed[-2:])])
            self._looked_around = time
        return parts

    def _search(self, index: int, time: float, rgb: Array, parts: Array) -> None:
        """Detect, and start following those who are not followed yet."""
        found = search.look(self._detector, rgb, parts)
        most = self._following.most_trials if self._ticks > 1 else len(found.score)
        here = [one for one in self._live if one.frames[-1] == index]
        for n in self._strangers(found, here)[:most]:
            landmarks = self._pose(rgb, self._pose.start(found.box_px[n], _row(found.keypoints_px, n)))
            if not self._believable(landmarks) or any(
                self._repeats(landmarks.keypoints_px, one.keypoints[-1]) for one in here
            ):
                continue
            missed = [
                one for one in self._live if one not in here and self._same(landmarks.keypoints_px, one.keypoints[-1])
            ]
            person = missed[0] if missed else self._start(landmarks)
            person.add(index, time, landmarks, rgb)
            here.append(person)

    def _start(self, first: Landmarks) -> _Live:
        """A new person."""
        self._born += 1
        self._live.append(_Live(self._born, first))
        return self._live[-1]

    def _strangers(self, found: Detections, here: list[_Live]) -> list[int]:
        """Detections of nobody in sight, best first."""
        starts = [self._pose.start(box, _row(found.keypoints_px, n)) for n, box in enumerate(found.box_px)]
        left = list(range(len(starts)))
        for one in here:
            region = one.regions[-1]
            apart = [np.linalg.norm(start[:2] - region[:2]) / region[2] for start in starts]
            growth = [abs(np.log(max(start[2], 1e-6) / region[2])) for start in starts]
            if near := [n for n in left if apart[n] < 0.15 and growth[n] < 0.5]:
                left.remove(min(near, key=lambda n: apart[n] + growth[n]))
        return left

    def _ahead(self, person: _Live, time: float) -> Array:
        """Where to look for a person now."""
        return person.ahead(time, self._following.steadiness)

    def _same(self, one: Array, other: Array) -> bool:
        """Whether two readings are of one person."""
        return bool(evidence.similarity(one, other) > self._following.same_person)

    def _repeats(self, new: Array, known: Array) -> bool:
        """Whether a new reading is of a known person: the same keypoints, or worse ones in the same place."""
        overlap = iou(evidence.box_px(new)[None], evidence.box_px(known)[None])[0, 0]
        worse = new[:, 2].mean() < self._following.shadow_confidence * known[:, 2].mean()
        return self._same(new, known) or bool(worse and overlap > self._following.shadow_overlap)

    def _part(self) -> None:
        """Where two tracks sit on one person, end the one that jumped there, from where it began to."""
        for one, other in combinations(list(self._live), 2):
            if one not in self._live or other not in self._live or one.frames[-1] != other.frames[-1]:
                continue
            young = max(one, other, key=lambda person: person.times[0])
            old = other if young is one else one
            if young.times[-1] - young.times[0] < self._following.young:
                if self._repeats(young.keypoints[-1], old.keypoints[-1]):
                    self._live.remove(young)
            elif self._same(one.keypoints[-1], other.keypoints[-1]):
                jumped = max(one, other, key=_Live.surprise)
                self._undo_jump(jumped, other if jumped is one else one)
                self._close(jumped)

    def _undo_jump(self, jumped: _Live, stays: _Live) -> None:
        """Forget the last frames in which a track slid to another person's place."""
        met = dict(zip(stays.frames[-SLIDE:], stays.keypoints[-SLIDE:], strict=True))
        while jumped.frames and jumped.frames[-1] in met:
            if evidence.similarity(jumped.keypoints[-1], met[jumped.frames[-1]]) < APART:
                break
            jumped.drop_last()

    def _close(self, person: _Live) -> None:
        """Stop following a person who is lost."""
        self._live.remove(person)
        if person.frames:
            self._pieces.append(person.piece())


def _row(values: Array | None, n: int) -> Array | None:
    """One row, where there are any."""
    return None if values is None else values[n]
