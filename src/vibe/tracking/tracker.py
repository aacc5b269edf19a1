"""The tracker: everyone in a clip, frame by frame."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray as Array

from vibe import records
from vibe.tracking import appearance, tiling
from vibe.tracking.active_track import ActiveTrack, person_from, person_state, which_jumped
from vibe.tracking.cuts import CutDetector
from vibe.tracking.detector import BlazePoseDetector, Detections, Detector, iou
from vibe.tracking.matching import assign_readings, body_overlap, pair_regions, sureness
from vibe.tracking.pose_model import BlazePose, Landmarks, PoseModel
from vibe.tracking.postprocess import PostprocessConfig, finish_tracks
from vibe.tracking.rows import Rows
from vibe.tracking.tracklets import SHORT, StoredTracklet, place_ahead, stretches_from, stretches_state

TILTED, TURNS = 0.7, (-0.8, -0.4, 0.4, 0.8)
"""Radians from upright from which somebody whose reading fades is read at further turns, and by how much."""
CLEAR, FADED = 0.4, 0.9
"""A reading fades if it is less sure than the first, and than the second times the one before."""
CONTEST = 0.05
"""Overlap of two people's bodies over the smaller one from which a place is contested."""
FAMILIAR, LIKELY = 0.7, 1.1
"""Cost of `assign_readings` up to which a contested reading is somebody's at once, and after a closer look."""
CLOSER, SHIFTS = 0.8, (0.0, -0.12, 0.12)
"""Side of the region of a closer look, which shows less of whoever stands beside, and where it is, over the side."""
Seeker = tuple[ActiveTrack | None, Array, Array]
"""Whose reading is to be found (None: a track that has ended), the region where they should be, and their look."""


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
    most_people: int | None = None
    """People tracked at once, at most; None for everybody."""
    most_windows: int | None = None
    """Tiles searched in one frame, at most: the others are postponed to the next; None for all."""
    finish: PostprocessConfig = field(default_factory=PostprocessConfig)


def is_person(landmarks: Landmarks, config: TrackerConfig) -> bool:
    """Whether the keypoints are a person's, of about the expected size."""
    growth = landmarks.follow[2] / max(landmarks.region[2], 1e-6)
    sure = landmarks.keypoints_px[:, 2].mean() >= config.least_confidence
    return bool(landmarks.presence >= config.least_presence and sure and 0.4 < growth < 2.0)


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
        ahead = [person.ahead(time, self._config.steadiness) for person in self._live]
        near, parts, anchors, doubtful = self._search_near(time, rgb, ahead)
        scheduled = self._scheduled_tiles(time, width, height, len(parts))
        seen = self._detector_pool.submit(tiling.detect_in_tiles, self._detector, rgb, scheduled)
        read = map if len(ahead) < 2 else self._pose_pool.map
        readings = list(read(lambda each: self._read(rgb, *each), zip(self._live, ahead, anchors, strict=True)))
        self._add_readings(index, time, rgb, ahead, anchors, readings, doubtful)
        self._end_duplicates()
        if found := near + seen.result():
            parts = np.concatenate([parts, scheduled])
            self._start_new(index, time, rgb, tiling.merge_detections(found, parts, width, height))
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
        """End the threads and let go of the rows."""
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
        self._postponed = state["postponed"]
        self._searches, self._last_number = int(state["searches"]), int(state["last_number"])
        self._live, self._stretches, self._times, self._count = people, stretches, times, len(times)
        self._gone = list(stretches)

    def _begin_scene(self, time: float) -> None:
        """End all tracks at a cut, and search for people as in the first frame."""
        while self._live:
            self._close(self._live[0])
        self._scenes.append(time)
        self._gone, self._postponed, self._searches = [], self._postponed[:0], 0
        self._last_search = self._last_local_search = -np.inf

    def _scheduled_tiles(self, time: float, width: int, height: int, others: int) -> Array:
        """The tiles to search in any case, beside `others`: those postponed, or the next of all in turn."""
        config = self._config
        parts, self._postponed = self._postponed, self._postponed[:0]
        room = len(self._live) < (config.most_people or math.inf)
        due = time - self._last_search >= (config.detect_every if self._live else config.detect_lost) - 1e-6
        if room and due and not len(parts):
            parts = tiling.scheduled_tiles(width, height, self._searches)
            self._searches += 1
            self._last_search = time
        return self._within_budget(parts, others)

    def _search_near(
        self, time: float, rgb: Array, ahead: list[Array]
    ) -> tuple[list[Detections], Array, Sequence[Array | None], set[int]]:
        """Look around people whose place may be another's, and around lost ones, these turned upside down as well.

        Gives what was found, the tile of each, for each of these people the detector's region, and their numbers.
        """
        config, height, width = self._config, *rgb.shape[:2]
        self._gone = [one for one in self._gone if time - one.last.times[-1] <= config.finish.most_gap]
        regions = ahead + [place_ahead(one.last, time) for one in self._gone]
        missed = {n for n, one in enumerate(self._live) if one.times[-1] < self._times[-2]}
        doubtful = missed | {
            n for pair in combinations(range(len(regions)), 2) if body_overlap(*(regions[n] for n in pair)) > CONTEST
            for n in pair if n < len(ahead)
        }  # fmt: skip
        wanted, anchors = [regions[n] for n in sorted(doubtful)] + regions[len(ahead) :][-2:], [None] * len(ahead)
        wait = config.detect_contested if doubtful and config.most_windows is None else config.detect_lost
        if not wanted or time - self._last_local_search < wait - 1e-6:
            return [], self._postponed[:0], anchors, doubtful
        self._last_local_search = time
        turn = self._count % len(wanted)  # with a budget, everybody in turn, so that the search for new people goes on
        wanted = (wanted[turn:] + wanted[:turn])[: config.most_windows]
        parts = np.concatenate([tiling.tiles_around(each, width, height) for each in wanted])
        found = self._detector_pool.submit(tiling.detect_in_tiles, self._detector, rgb, parts).result()
        if missed and config.most_windows is None:
            lost = np.concatenate([tiling.tiles_around(ahead[n], width, height) for n in missed])
            turned = self._detector_pool.submit(tiling.detect_turned, self._detector, rgb, lost).result()
            found, parts = found + turned[0], np.concatenate([parts, turned[1]])
        starts = self._starts(tiling.merge_detections(found, parts, width, height))
        pairs = dict(pair_regions(ahead, starts))
        anchors = [starts[pairs[n]] if n in doubtful & pairs.keys() else None for n in range(len(ahead))]
        return found, parts, anchors, doubtful

    def _starts(self, found: Detections) -> list[Array]:
        """The first region of each detected person."""
        points = [None] * len(found.box_px) if found.keypoints_px is None else found.keypoints_px
        return [self._pose.start(*each) for each in zip(found.box_px, points, strict=True)]

    def _read(self, rgb: Array, person: ActiveTrack, region: Array, anchor: Array | None) -> Landmarks:
        """The keypoints in a region, or in the detector's if those are of another person than the detector's."""
        first = self._read_turned(rgb, person, self._pose(rgb, region))
        if anchor is None or (is_person(first, self._config) and pair_regions([anchor], [first.follow])):
            return first
        second = self._pose(rgb, anchor)
        return second if is_person(second, self._config) and pair_regions([anchor], [second.follow]) else first

    def _add_readings(
        self,
        index: int,
        time: float,
        rgb: Array,
        ahead: list[Array],
        anchors: Sequence[Array | None],
        readings: list[Landmarks],
        doubtful: set[int],
    ) -> None:
        """Add what was read to each track; if doubtful, to whom it is like, and to others what else is read near."""
        sure = [n for n, reading in enumerate(readings) if is_person(reading, self._config)]
        pairs = [pair for pair in combinations(sure, 2) if self._same(*(readings[n].keypoints_px for n in pair))]
        contested = doubtful.union(*pairs)
        for n in set(sure) - contested:
            self._live[n].add(index, time, readings[n], appearance.clothing(rgb, readings[n].keypoints_px))
        seekers: list[Seeker] = [(self._live[n], ahead[n], self._live[n].look()) for n in sorted(contested)]
        offers = [readings[n] for n in sure if n in contested]
        seen = [anchor for n in sorted(set().union(*pairs)) if (anchor := anchors[n]) is not None]
        offers += [reading for anchor in seen if is_person(reading := self._pose(rgb, anchor), self._config)]
        seekers = self._assign(index, time, rgb, seekers, offers, FAMILIAR)
        if self._config.most_windows is not None:
            return
        if index % 2:
            seekers += [(None, place_ahead(one.last, time), one.last.look) for one in self._gone[-2:]]
        seekers = [one for one in seekers if (one[1][:2] > 0).all() and (one[1][:2] < rgb.shape[1::-1]).all()]
        for person, region, _ in seekers:
            for shift in SHIFTS if person else (2 * SHIFTS[index // 2 % 3],):
                closer = self._pose(rgb, region * (1, 1, CLOSER, 1) + (shift * region[2], 0, 0, 0))
                offers += [closer] if is_person(closer, self._config) else []
        self._assign(index, time, rgb, seekers, offers, LIKELY)

    def _assign(
        self, index: int, time: float, rgb: Array, seekers: list[Seeker], offers: list[Landmarks], most_cost: float
    ) -> list[Seeker]:
        """Give readings to whom they are like, but for those of people who have theirs; returns who has none then.

        They keep the look that they had before: half of it may be of whoever stands before them.
        """
        taken = [one.keypoints[-1] for one in self._live if one.frames[-1:] == [index]]
        offers = [each for each in offers if not any(self._same(each.keypoints_px, other) for other in taken)]
        found = assign_readings(rgb, [seeker[1:] for seeker in seekers], offers, most_cost, self._config.same_person)
        for n, (reading, look) in found.items():
            person, region, _ = seekers[n]
            if person is None:
                self._last_number += 1
                person = ActiveTrack(self._last_number, reading)
                self._live.append(person)
            person.add(index, time, replace(reading, region=region), person.looks[-1] if person.looks else look)
        return [seeker for n, seeker in enumerate(seekers) if n not in found]

    def _read_turned(self, rgb: Array, person: ActiveTrack, first: Landmarks) -> Landmarks:
        """The surest reading of somebody who turns over: as the region was, or turned further or less far."""
        region = first.region
        if abs(region[3]) < TILTED or sureness(first) >= min(CLEAR, FADED * sureness(person.last)):
            return first
        turned = [self._pose(rgb, region + np.array([0, 0, 0, turn])) for turn in TURNS]
        likely = [each for each in turned if is_person(each, self._config) and pair_regions([region], [each.follow])]
        return max([first, *likely], key=sureness)

    def _within_budget(self, parts: Array, others: int) -> Array:
        """As many tiles as the frame has room for beside `others`; the rest is postponed."""
        most = len(parts) if self._config.most_windows is None else self._config.most_windows - others
        self._postponed = np.concatenate([self._postponed, parts[most:]])
        return parts[:most]

    def _start_new(self, index: int, time: float, rgb: Array, found: Detections) -> None:
        """Start tracks of detected people who are not tracked yet, and resume those of lost ones."""
        most = self._config.most_trials if self._searches > 1 else len(found.score)
        here = [one for one in self._live if one.frames[-1] == index]
        starts = self._starts(found)
        known = {m for _, m in pair_regions([one.regions[-1] for one in here], starts)}
        for n in [n for n in range(len(starts)) if n not in known][:most]:
            landmarks = self._pose(rgb, starts[n])
            if not is_person(landmarks, self._config) or any(
                self._repeats(landmarks.keypoints_px, one.keypoints[-1]) for one in here
            ):
                continue
            points, follow = landmarks.keypoints_px, landmarks.follow
            away = [one for one in self._live if one not in here]
            missed = [
                one
                for one in away
                if self._same(points, one.keypoints[-1]) or pair_regions([one.regions[-1]], [follow])
            ]
            if not missed and len(self._live) >= (self._config.most_people or math.inf):
                continue
            if not missed:
                self._last_number += 1
                self._live.append(ActiveTrack(self._last_number, landmarks))
            person = missed[0] if missed else self._live[-1]
            person.add(index, time, landmarks, appearance.clothing(rgb, landmarks.keypoints_px))
            here.append(person)

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
                jumped = which_jumped(one, other)
                jumped.undo_jump(other if jumped is one else one)
                self._close(jumped)

    def _close(self, person: ActiveTrack) -> None:
        """End the track of a lost person."""
        self._live.remove(person)
        if stretch := person.stretch(self.rows):
            self._stretches.append(stretch)
            self._gone += [stretch] if _is_known(person) else []


def _is_known(person: ActiveTrack) -> bool:
    """Whether somebody was seen often or clearly enough to be searched for."""
    return len(person.frames) >= SHORT or sureness(person.last) >= CLEAR
