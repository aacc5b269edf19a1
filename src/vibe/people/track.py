"""Follow everyone through a clip, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from vibe import records
from vibe.people import evidence, search
from vibe.people.detect import Detections, Detector, PoseDetector
from vibe.people.finish import Finish, finish
from vibe.people.landmarks import Landmarks, PoseLandmarks, PoseModel
from vibe.people.pieces import Piece


@dataclass(frozen=True)
class Following:
    """How people are followed; times in seconds."""

    detect_every: float = 0.2
    """Between two looks for new people."""
    detect_lost: float = 0.1
    """Between two looks where somebody is missed, and between looks for new people while nobody is in sight."""
    patience: float = 0.2
    """How long a person out of sight is looked for where they should be, by the pose model alone."""
    least_presence: float = 0.5
    least_confidence: float = 0.25
    """Mean over the keypoints of a person who is there."""
    most_trials: int = 2
    """New people tried in one look, after the first look."""
    same_person: float = 0.5
    """Similarity of keypoints above which two tracks sit on one person."""
    finish: Finish = field(default_factory=Finish)


@dataclass(frozen=True)
class Seen:
    """One person in one frame, as seen at the time; numbers here are not yet those of the finished tracks."""

    number: int
    landmarks: Landmarks


class _Live:
    """A person in sight."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.frames: list[int] = []
        self.times: list[float] = []
        self.seen: list[Landmarks] = []
        self.looks: list[Array] = []

    def add(self, index: int, time: float, landmarks: Landmarks, look: Array) -> None:
        """One more frame."""
        for values, value in zip(self._all(), (index, time, landmarks, look), strict=True):
            values.append(value)

    def drop_last(self) -> None:
        """One frame less."""
        for values in self._all():
            values.pop()

    def _all(self) -> tuple[list, list, list, list]:
        return self.frames, self.times, self.seen, self.looks

    def ahead(self, time: float) -> Float[Array, "4"]:
        """The region to look at next: the last one moved on at constant velocity."""
        region = self.seen[-1].follow.copy()
        if len(self.times) > 1 and (span := self.times[-1] - self.times[-2]) > 0:
            step = region[:2] - self.seen[-2].follow[:2]
            region[:2] += step * min((time - self.times[-1]) / span, 3.0) * 0.7
        return region

    def surprise(self) -> float:
        """How far the last keypoints lie from where constant velocity puts them, over the person's size."""
        if len(self.seen) < 3:
            return np.inf
        before, last, now = (seen.keypoints_px[:, :2] for seen in self.seen[-3:])
        ratio = (self.times[-1] - self.times[-2]) / max(self.times[-2] - self.times[-3], 1e-3)
        expected = last + (last - before) * min(ratio, 3.0)
        return float(np.linalg.norm(now - expected, axis=-1).mean() / evidence.size_px(self.seen[-2].keypoints_px))

    def piece(self) -> Piece:
        """What was seen, as arrays."""
        keypoints = np.stack([seen.keypoints_px for seen in self.seen]).astype(np.float32)
        regions = np.stack([seen.follow for seen in self.seen]).astype(np.float32)
        return Piece(np.array(self.frames), np.array(self.times), keypoints, regions, np.stack(self.looks))


class Follower:
    """Everyone in a clip: fed frame by frame, it keeps a few numbers a person and frame, never a picture."""

    def __init__(
        self, detector: Detector | None = None, pose: PoseModel | None = None, following: Following | None = None
    ) -> None:
        self._detector = detector or PoseDetector()
        self._pose = pose or PoseLandmarks()
        self._following = following or Following()
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
        for person in self._live:
            landmarks = self._pose(rgb, person.ahead(time))
            if self._believable(landmarks):
                person.add(index, time, landmarks, evidence.look(rgb, landmarks.keypoints_px))
        self._part()
        if len(parts := self._due(time, rgb.shape[1], rgb.shape[0])):
            self._search(index, time, rgb, parts)
        for person in [one for one in self._live if time - one.times[-1] > self._following.patience]:
            self._close(person)
        return tuple(Seen(one.number, one.seen[-1]) for one in self._live if one.frames[-1] == index)

    def finish(self) -> tuple[list[records.Track], list[str]]:
        """The finished tracks, in order of first appearance (larger people first), and what was dropped or repaired."""
        while self._live:
            self._close(self._live[0])
        return finish(self._pieces, np.array(self._times), self._following.finish)

    def _believable(self, landmarks: Landmarks) -> bool:
        """Whether a person is there, of about the size looked for."""
        growth = landmarks.follow[2] / max(landmarks.region[2], 1e-6)
        sure = landmarks.keypoints_px[:, 2].mean() >= self._following.least_confidence
        return landmarks.presence >= self._following.least_presence and bool(sure) and 0.4 < growth < 2.0

    def _due(self, time: float, width: int, height: int) -> Array:
        """The windows to look at now: everywhere by turns, and around those who are missed."""
        how = self._following
        parts = np.zeros((0, 4), int)
        if time - self._looked >= (how.detect_every if self._live else how.detect_lost) - 1e-6:
            parts = search.by_turns(width, height, self._ticks)
            self._ticks += 1
            self._looked = time
        missed = [one.ahead(time) for one in self._live if one.times[-1] < time]
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
            if not self._believable(landmarks) or any(self._same(landmarks, one.seen[-1]) for one in here):
                continue
            missed = [one for one in self._live if one not in here and self._same(landmarks, one.seen[-1])]
            person = missed[0] if missed else self._start()
            person.add(index, time, landmarks, evidence.look(rgb, landmarks.keypoints_px))
            here.append(person)

    def _start(self) -> _Live:
        """A new person."""
        self._born += 1
        self._live.append(_Live(self._born))
        return self._live[-1]

    def _strangers(self, found: Detections, here: list[_Live]) -> list[int]:
        """Detections of nobody in sight, best first."""
        starts = [self._pose.start(box, _row(found.keypoints_px, n)) for n, box in enumerate(found.box_px)]
        left = list(range(len(starts)))
        for one in here:
            region = one.seen[-1].follow
            apart = [np.linalg.norm(start[:2] - region[:2]) / region[2] for start in starts]
            growth = [abs(np.log(max(start[2], 1e-6) / region[2])) for start in starts]
            if near := [n for n in left if apart[n] < 0.15 and growth[n] < 0.5]:
                left.remove(min(near, key=lambda n: apart[n] + growth[n]))
        return left

    def _same(self, one: Landmarks, other: Landmarks) -> bool:
        """Whether two readings are of one person."""
        return bool(evidence.similarity(one.keypoints_px, other.keypoints_px) > self._following.same_person)

    def _part(self) -> None:
        """Where two tracks sit on one person, end the one that jumped there, from where it began to."""
        for one, other in combinations(list(self._live), 2):
            if one not in self._live or other not in self._live or one.frames[-1] != other.frames[-1]:
                continue
            if not self._same(one.seen[-1], other.seen[-1]):
                continue
            young = [person for person in (one, other) if person.times[-1] - person.times[0] < 0.3]
            jumped = young[-1] if young else max(one, other, key=_Live.surprise)
            stays = other if jumped is one else one
            met = dict(zip(stays.frames[-30:], stays.seen[-30:], strict=True))
            while jumped.frames and (match := met.get(jumped.frames[-1])):
                if evidence.similarity(jumped.seen[-1].keypoints_px, match.keypoints_px) < 0.2:
                    break
                jumped.drop_last()
            self._close(jumped)

    def _close(self, person: _Live) -> None:
        """Stop following a person who is lost."""
        self._live.remove(person)
        if person.frames:
            self._pieces.append(person.piece())


def _row(values: Array | None, n: int) -> Array | None:
    """One row, where there are any."""
    return None if values is None else values[n]
