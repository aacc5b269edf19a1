"""The tracker: everyone in a clip, frame by frame."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray as Array

from vibe import records
from vibe.tracking import appearance, tiling
from vibe.tracking.active_track import SLIDE, ActiveTrack, person_from, person_state
from vibe.tracking.cuts import CutDetector
from vibe.tracking.detector import BlazePoseDetector, Detections, Detector, iou
from vibe.tracking.pose_model import BlazePose, Landmarks, PoseModel
from vibe.tracking.postprocess import PostprocessConfig, finish_tracks
from vibe.tracking.rows import Rows
from vibe.tracking.tracklets import StoredTracklet, stretches_from, stretches_state

APART = 0.2
"""Similarity of keypoints below which two people are surely apart."""


@dataclass(frozen=True)
class TrackerConfig:
    """How people are tracked; times in seconds."""

    detect_every: float = 0.2
    """Between two searches for new people."""
    detect_lost: float = 0.1
    """Between two searches around lost people, and between searches for new people while nobody is tracked."""
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
    most_people: int | None = None
    """People tracked at once, at most; None for everybody."""
    most_windows: int | None = None
    """Tiles searched in one frame, at most: the others are postponed to the next; None for all."""
    finish: PostprocessConfig = field(default_factory=PostprocessConfig)


@dataclass(frozen=True)
class TrackedPerson:
    """One person in one frame; numbers here are not yet those of the finished tracks."""

    number: int
    landmarks: Landmarks


class Tracker:
    """Tracks everyone in a clip: fed frame by frame, it stores a few numbers a person and frame, never a picture.

    What no later frame needs is moved to `rows`, of which the finished tracks are made.
    """

    def __init__(
        self,
        detector: Detector | None = None,
        pose: PoseModel | None = None,
        config: TrackerConfig | None = None,
        rows: Rows | None = None,
    ) -> None:
        self._detector = detector or BlazePoseDetector()
        self._pose = pose or BlazePose()
        self._config = config or TrackerConfig()
        self._pose_pool = ThreadPoolExecutor(self._config.threads, "vibe-pose")
        self._detector_pool = ThreadPoolExecutor(1, "vibe-detector")
        self._live: list[ActiveTrack] = []
        self.rows = rows or Rows()
        self._stretches: list[StoredTracklet] = []
        self._gone: list[StoredTracklet] = []
        self._times = array("d")
        self._cuts = CutDetector()
        self._scenes = [0.0]
        self._last_search = self._last_local_search = -np.inf
        self._postponed = np.zeros((0, 4), int)
        self._searches = 0
        self._count = 0
        self._last_number = 0

    def step(self, index: int, time: float, rgb: UInt8[Array, "height width 3"]) -> tuple[TrackedPerson, ...]:
        """People in the next frame; `index` counts from 0 without gaps, `time` is in seconds."""
        if index != self._count:
            raise ValueError(f"frame {index} came after {self._count} frames: feed every frame once, in order")
        self._count += 1
        self._times.append(time)
        if self._cuts.step(time, rgb):
            self._begin_scene(time)
        width, height = rgb.shape[1], rgb.shape[0]
        scheduled = self._scheduled_tiles(time, width, height)
        seen = self._detector_pool.submit(tiling.detect_in_tiles, self._detector, rgb, scheduled)
        regions = [self._ahead(person, time) for person in self._live]
        read = map if len(regions) < 2 else self._pose_pool.map
        for person, landmarks in zip(self._live, read(lambda region: self._pose(rgb, region), regions), strict=True):
            if self._is_person(landmarks):
                person.add(index, time, landmarks, appearance.clothing(rgb, landmarks.keypoints_px))
        self._end_duplicates()
        missed = self._tiles_around_lost(time, width, height, len(scheduled))
        found = seen.result() + self._detector_pool.submit(tiling.detect_in_tiles, self._detector, rgb, missed).result()
        if found:
            self._start_new(
                index, time, rgb, tiling.merge_detections(found, np.concatenate([scheduled, missed]), width, height)
            )
        for person in [one for one in self._live if time - one.times[-1] > self._config.patience]:
            self._close(person)
        for person in self._live:
            person.settle(self.rows)
        return tuple(TrackedPerson(one.number, one.last) for one in self._live if one.frames[-1] == index)

    def forget(self) -> None:
        """Drop all that no later frame needs: for endless tracking that never calls `finish`."""
        for person in self._live:
            person.forget()
        self._stretches = list(self._gone)
        if self.rows.count and not self._gone:
            self.rows.close()
            self.rows = Rows()
        del self._times[:-1], self._scenes[:-1]

    def finish(self) -> tuple[list[records.Track], list[str]]:
        """The finished tracks, in order of first appearance (larger people first), and what was dropped or repaired."""
        while self._live:
            self._close(self._live[0])
        found = finish_tracks(self._stretches, self.rows, np.array(self._times), self._config.finish, self._scenes)
        self.close()
        return found

    def close(self) -> None:
        """TrackletEnd the threads and let go of the rows."""
        self._pose_pool.shutdown()
        self._detector_pool.shutdown()
        self.rows.close()

    def state(self) -> dict[str, Any]:
        """All that the next frames depend on beside the rows, as plain values and arrays."""
        return {
            "people": [person_state(person) for person in self._live],
            "stretches": stretches_state(self._stretches),
            "times": np.array(self._times),
            "cuts": self._cuts.state(),
            "scenes": self._scenes,
            "last_search": self._last_search,
            "last_local_search": self._last_local_search,
            "postponed": self._postponed,
            "searches": self._searches,
            "last_number": self._last_number,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the `state` of another tracker, whose rows are here already.

        Raises KeyError, TypeError or ValueError for what is no such state.
        """
        people = [person_from(one) for one in state["people"]]
        stretches = stretches_from(state["stretches"])
        times = array("d", state["times"].astype(float).tobytes())
        self._cuts.restore(state["cuts"])
        self._scenes = [float(each) for each in state["scenes"]]
        self._last_search, self._last_local_search = float(state["last_search"]), float(state["last_local_search"])
        self._postponed, self._searches, self._last_number = (
            state["postponed"],
            int(state["searches"]),
            int(state["last_number"]),
        )
        self._live, self._stretches, self._times, self._count = people, stretches, times, len(times)
        self._gone = list(stretches)

    def _begin_scene(self, time: float) -> None:
        """TrackletEnd all tracks at a cut, and search for people as in the first frame."""
        while self._live:
            self._close(self._live[0])
        self._scenes.append(time)
        self._gone, self._postponed, self._searches = [], self._postponed[:0], 0
        self._last_search = self._last_local_search = -np.inf

    def _is_person(self, landmarks: Landmarks) -> bool:
        """Whether the keypoints are a person's, of about the expected size."""
        growth = landmarks.follow[2] / max(landmarks.region[2], 1e-6)
        sure = landmarks.keypoints_px[:, 2].mean() >= self._config.least_confidence
        return bool(landmarks.presence >= self._config.least_presence and sure and 0.4 < growth < 2.0)

    def _scheduled_tiles(self, time: float, width: int, height: int) -> Array:
        """The tiles to search in any case: those postponed, or the next of all in turn."""
        config = self._config
        parts, self._postponed = self._postponed, self._postponed[:0]
        room = len(self._live) < (config.most_people or math.inf)
        due = time - self._last_search >= (config.detect_every if self._live else config.detect_lost) - 1e-6
        if room and due and not len(parts):
            parts = tiling.scheduled_tiles(width, height, self._searches)
            self._searches += 1
            self._last_search = time
        return self._within_budget(parts, 0)

    def _tiles_around_lost(self, time: float, width: int, height: int, others: int) -> Array:
        """The tiles around lost people, in a frame in which `others` are searched as well."""
        config = self._config
        parts = np.zeros((0, 4), int)
        missed = [self._ahead(one, time) for one in self._live if one.times[-1] < time]
        self._gone = [one for one in self._gone if time - one.last.times[-1] <= config.finish.most_gap]
        missed += [one.last.region[-1] for one in self._gone]
        if missed and time - self._last_local_search >= config.detect_lost - 1e-6:
            parts = np.concatenate([tiling.tiles_around(region, width, height) for region in missed[-2:]])
            self._last_local_search = time
        return self._within_budget(parts, others)

    def _within_budget(self, parts: Array, others: int) -> Array:
        """As many tiles as the frame has room for beside `others`; the rest is postponed."""
        most = len(parts) if self._config.most_windows is None else self._config.most_windows - others
        self._postponed = np.concatenate([self._postponed, parts[most:]])
        return parts[:most]

    def _start_new(self, index: int, time: float, rgb: Array, found: Detections) -> None:
        """Start tracks of detected people who are not tracked yet, and resume those of lost ones."""
        most = self._config.most_trials if self._searches > 1 else len(found.score)
        here = [one for one in self._live if one.frames[-1] == index]
        for n in self._new_people(found, here)[:most]:
            landmarks = self._pose(rgb, self._pose.start(found.box_px[n], _row(found.keypoints_px, n)))
            if not self._is_person(landmarks) or any(
                self._repeats(landmarks.keypoints_px, one.keypoints[-1]) for one in here
            ):
                continue
            missed = [
                one for one in self._live if one not in here and self._same(landmarks.keypoints_px, one.keypoints[-1])
            ]
            if not missed and len(self._live) >= (self._config.most_people or math.inf):
                continue
            person = missed[0] if missed else self._start(landmarks)
            person.add(index, time, landmarks, appearance.clothing(rgb, landmarks.keypoints_px))
            here.append(person)

    def _start(self, first: Landmarks) -> ActiveTrack:
        """A new person."""
        self._last_number += 1
        self._live.append(ActiveTrack(self._last_number, first))
        return self._live[-1]

    def _new_people(self, found: Detections, here: list[ActiveTrack]) -> list[int]:
        """Indices of detections that are of no tracked person, best first."""
        starts = [self._pose.start(box, _row(found.keypoints_px, n)) for n, box in enumerate(found.box_px)]
        left = list(range(len(starts)))
        for one in here:
            region = one.regions[-1]
            apart = [np.linalg.norm(start[:2] - region[:2]) / region[2] for start in starts]
            growth = [abs(np.log(max(start[2], 1e-6) / region[2])) for start in starts]
            if near := [n for n in left if apart[n] < 0.15 and growth[n] < 0.5]:
                left.remove(min(near, key=lambda n: apart[n] + growth[n]))
        return left

    def _ahead(self, person: ActiveTrack, time: float) -> Array:
        """The predicted region of a person."""
        return person.ahead(time, self._config.steadiness)

    def _same(self, one: Array, other: Array) -> bool:
        """Whether two sets of keypoints are one person's."""
        return bool(appearance.similarity(one, other) > self._config.same_person)

    def _repeats(self, new: Array, known: Array) -> bool:
        """Whether new keypoints are a known person's: the same, or worse ones in the same place."""
        overlap = iou(appearance.box_px(new)[None], appearance.box_px(known)[None])[0, 0]
        worse = new[:, 2].mean() < self._config.shadow_confidence * known[:, 2].mean()
        return self._same(new, known) or bool(worse and overlap > self._config.shadow_overlap)

    def _end_duplicates(self) -> None:
        """Where two tracks are of one person, end the one that jumped there, from where it began to."""
        for one, other in combinations(list(self._live), 2):
            if one not in self._live or other not in self._live or one.frames[-1] != other.frames[-1]:
                continue
            young = max(one, other, key=lambda person: person.since)
            old = other if young is one else one
            if young.times[-1] - young.since < self._config.young:
                if self._repeats(young.keypoints[-1], old.keypoints[-1]):
                    self._live.remove(young)
            elif self._same(one.keypoints[-1], other.keypoints[-1]):
                jumped = max(one, other, key=ActiveTrack.surprise)
                self._undo_jump(jumped, other if jumped is one else one)
                self._close(jumped)

    def _undo_jump(self, jumped: ActiveTrack, stays: ActiveTrack) -> None:
        """Forget the last frames in which a track slid to another person's place."""
        met = dict(zip(stays.frames[-SLIDE:], stays.keypoints[-SLIDE:], strict=True))
        while jumped.frames and jumped.frames[-1] in met:
            if appearance.similarity(jumped.keypoints[-1], met[jumped.frames[-1]]) < APART:
                break
            jumped.drop_last()

    def _close(self, person: ActiveTrack) -> None:
        """TrackletEnd the track of a lost person."""
        self._live.remove(person)
        if stretch := person.stretch(self.rows):
            self._stretches.append(stretch)
            self._gone.append(stretch)


def _row(values: Array | None, n: int) -> Array | None:
    """One row, where there are any."""
    return None if values is None else values[n]
