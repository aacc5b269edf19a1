"""The tracker: everyone in a clip, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from vibe import records
from vibe.tracking import appearance, tiling
from vibe.tracking.active_track import (
    SLIDE,
    ActiveTrack,
    TrackerConfig,
    is_person,
    person_from,
    person_state,
    which_jumped,
)
from vibe.tracking.detector import BlazePoseDetector, Detections, Detector, iou
from vibe.tracking.frames import FrameLog
from vibe.tracking.masking import Canvas, paint_out, restore, share_shown
from vibe.tracking.matching import CONTEST, assign_readings, body_overlap, closer, lowest, pair_regions, sureness
from vibe.tracking.pose_model import BlazePose, Landmarks, PoseModel
from vibe.tracking.postprocess import finish_tracks, surest
from vibe.tracking.rows import Rows
from vibe.tracking.search import Search
from vibe.tracking.tracklets import SHORT, StoredTracklet, place_ahead, stretches_from, stretches_state

TILTED, TURNS = 0.7, (-0.8, -0.4, 0.4, 0.8)
"""Radians from upright from which somebody whose reading fades is read at further turns, and by how much."""
CLEAR, FADED = 0.4, 0.9
"""A reading fades if it is less sure than the first, and than the second times the one before."""
LIKELY = 1.1
"""Cost of `assign_readings` up to which a reading is somebody's who is lost or whose place is contested."""
SURE, SHOWN = 0.3, 0.4
"""How sure a contested reading must be, and which share of it must rest on what is not painted out."""


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
        self._pose = pose or BlazePose()
        self._config = config or TrackerConfig()
        self._search = Search(detector or BlazePoseDetector(), self._config.most_windows)
        self._pose_pool = ThreadPoolExecutor(self._config.threads, "vibe-pose")
        self._live: list[ActiveTrack] = []
        self.rows = rows or Rows()
        self._stretches: list[StoredTracklet] = []
        self._gone: list[StoredTracklet] = []
        self._log = FrameLog()
        self._canvas = Canvas()
        self.scenes = [0.0]
        self._last_number = 0

    def may_pass(self, index: int, time: float, rgb: UInt8[Array, "height width 3"]) -> bool:
        """Whether the next frame may be left out, as the one before was read and nobody moves far until the one after.

        Never where a scene begins, and never twice in a row.
        """
        step = self._log.step(index, time)
        if step is None or self._log.is_cut(index, time, rgb):
            return False
        return step < self._config.least_step or (step < self._config.slow_step and self._is_quiet(time, step))

    def begins_scene(self, index: int, time: float, rgb: UInt8[Array, "height width 3"]) -> bool:
        """Whether the next frame, which may not be left out, is the first after a cut."""
        return self._log.is_cut(index, time, rgb)

    def _is_quiet(self, time: float, step: float) -> bool:
        """Whether everybody was just seen, for a while already, apart from others and in slow motion."""
        now, live = self._log.count - 1, self._live
        if not live or self._gone or any(one.frames[-1] != now or self._is_young(one, time) for one in live):
            return False
        ahead = [one.ahead(time, self._config.steadiness) for one in live]
        return all(one.is_slow(step) for one in live) and not self._contested(time, ahead)

    def step(self, index: int, time: float, rgb: UInt8[Array, "height width 3"]) -> tuple[TrackedPerson, ...]:
        """People in a frame, the number `index` of its clip, later than those before; `time` is in seconds."""
        self._log.add(index, time)
        if self._log.is_cut(index, time, rgb):
            self._begin_scene(time)
        index = self._log.count - 1
        ahead = [person.ahead(time, self._config.steadiness) for person in self._live]
        contested = self._contested(time, ahead)
        for n, person in enumerate(self._live):
            person.contested = n in contested
        crowded = bool(contested or self._gone) or self._search.count < 2
        seen = self._search_all(time, rgb, crowded)
        self._read_free(index, time, rgb, ahead, contested)
        self._read_contested(index, time, rgb, ahead, contested)
        self._end_duplicates()
        budget = seen is None or self._config.most_windows is None
        searched = [each for each in (self._search_near(time, rgb) if budget else None, seen and seen.result()) if each]
        if searched:
            detections, parts = sum((each for each, _ in searched), []), np.concatenate([part for _, part in searched])
            found = tiling.merge_detections(detections, parts, rgb.shape[1], rgb.shape[0])
            self._start_new(index, time, rgb, found, crowded)
        self._live = [one for one in self._live if not self._is_ghost(one)]
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
        self._log.forget()
        del self.scenes[:-1]

    def finish(self, times: Float[Array, "frame"] | None = None) -> tuple[list[records.Track], list[str]]:
        """The finished tracks, in order of first appearance (larger people first), and what was dropped or repaired.

        `times` are those of all frames, in seconds, where some were left out.
        """
        while self._live:
            self._close(self._live[0])
        times, shown = self._log.times, self._log.shown(times)
        found = finish_tracks(self._stretches, self.rows, times, self._config.finish, self.scenes, shown)
        self.close()
        return found

    def close(self) -> None:
        """End the threads and let go of the rows."""
        self._pose_pool.shutdown()
        self._search.close()
        self.rows.close()

    def state(self) -> dict[str, Any]:
        """All that the next frames depend on beside the rows, as plain values and arrays."""
        return {
            "people": [person_state(person) for person in self._live],
            "stretches": stretches_state(self._stretches),
            "gone": stretches_state(self._gone),
            "frames": self._log.state(),
            "scenes": self.scenes,
            "search": self._search.state(),
            "last_number": self._last_number,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from the `state` of another tracker, whose rows are here already.

        Raises KeyError, TypeError or ValueError for what is no such state.
        """
        people = [person_from(one) for one in state["people"]]
        stretches, self._gone = (stretches_from(state[name]) for name in ("stretches", "gone"))
        self._log.restore(state["frames"])
        self.scenes = [float(each) for each in state["scenes"]]
        self._search.restore(state["search"])
        self._last_number = int(state["last_number"])
        self._live, self._stretches = people, stretches

    def _begin_scene(self, time: float) -> None:
        """End all tracks at a cut, and search for people as in the first frame."""
        while self._live:
            self._close(self._live[0])
        self.scenes.append(time)
        self._gone = []
        self._search.begin_scene()

    def _search_all(self, time: float, rgb: Array, crowded: bool) -> Future[tuple[list[Detections], Array]] | None:
        """Begin, if it is time, to search for new people, in the picture without those who were seen a frame ago.

        In a crowd somebody may be behind anybody, so that all are looked around; else one in turn.
        """
        config, first = self._config, self._search.count % max(len(self._live), 1)
        every = config.detect_every if self._live else config.detect_lost
        if len(self._live) >= (config.most_people or math.inf) or not self._search.due(time, every):
            return None
        around = self._live if crowded else self._live[first : first + 1]
        picture = self._without_people(rgb.copy(), self._log.count - 2)
        return self._search.start(time, picture, [one.regions[-1] for one in around])

    def _contested(self, time: float, ahead: list[Array]) -> set[int]:
        """Of the people tracked those whose body may cover another's, or that of somebody out of sight."""
        self._gone = [one for one in self._gone if time - one.last.times[-1] <= self._config.finish.most_gap]
        regions = ahead + [place_ahead(one.last, time) for one in self._gone]
        return {
            n for pair in combinations(range(len(regions)), 2) if body_overlap(*(regions[n] for n in pair)) > CONTEST
            for n in pair if n < len(ahead)
        }  # fmt: skip

    def _without_people(self, picture: Array, index: int) -> Array:
        """The picture, now without everybody who was clearly seen in a frame, where they were then."""
        for person in self._live:
            if person.frames[-1] == index and sureness(person.last) >= CLEAR:
                paint_out(picture, person.keypoints[-1], person.regions[-1])
        return picture

    def _read_free(self, index: int, time: float, rgb: Array, ahead: list[Array], contested: set[int]) -> None:
        """Read everybody whose place nobody contests."""
        free = [n for n in range(len(ahead)) if n not in contested]
        read = map if len(free) < 2 else self._pose_pool.map
        readings = read(lambda n: self._read_turned(rgb, self._live[n], self._pose(rgb, ahead[n])), free)
        for n, reading in zip(free, list(readings), strict=True):
            if is_person(reading, self._config):
                self._live[n].add(index, time, reading, appearance.clothing(rgb, reading.keypoints_px))

    def _read_contested(self, index: int, time: float, rgb: Array, ahead: list[Array], contested: set[int]) -> None:
        """Read the others from front to back, each in a picture without the others, and tell who is who.

        Those behind, lost ones too, are painted out where they are expected, those before where they are. But for new
        ones they keep the look that they had before: half of it may be of whoever stands before them.
        """
        readings: list[tuple[Landmarks, Array]] = []
        missed = {n for n in contested if self._live[n].frames[-1] < index - 1}
        left = sorted(contested, key=lambda n: (n in missed, -lowest(self._live[n].regions[-SLIDE:])))
        while left:
            n = left.pop(0)
            picture = self._canvas.copied(rgb)
            for m in left:
                paint_out(picture, self._live[m].keypoints_at(ahead[m]), ahead[m])
            restore(picture, rgb, self._live[n].keypoints[-1], ahead[n])
            for reading, _ in readings:
                paint_out(picture, reading.keypoints_px, reading.follow)
            young = self._is_young(self._live[n], time)
            for region in [ahead[n], *([] if young else closer(ahead[n]))]:
                reading = self._read_turned(picture, self._live[n], self._pose(picture, region))
                if self._is_shown(rgb, picture, reading, CLEAR if young else SURE) and not any(
                    self._same(reading.keypoints_px, other.keypoints_px) for other, _ in readings
                ):
                    look = appearance.clothing(rgb, reading.keypoints_px, picture)
                    readings.append((replace(reading, region=ahead[n]), look))
                    break
        for young in (False, True):
            people = [n for n in sorted(contested) if self._is_young(self._live[n], time) == young]
            seekers = [(ahead[n], self._live[n].look()) for n in people]
            found = assign_readings(seekers, readings, LIKELY, self._config.same_person)
            for which, n in found.items():
                person, (reading, look) = self._live[people[which]], readings[n]
                reading = replace(reading, region=ahead[people[which]])
                person.add(index, time, reading, look, None if young else person.looks[-1])
            readings = [each for n, each in enumerate(readings) if n not in found.values()]

    def _search_near(self, time: float, rgb: Array) -> tuple[list[Detections], Array] | None:
        """Look around lost people, in the picture without those who are seen; after a loss also for turned ones."""
        config = self._config
        lost = [one.ahead(time, config.steadiness) for one in self._live if one.times[-1] < time]
        wanted = lost + [place_ahead(one.last, time) for one in self._gone[-2:]]
        wait = config.detect_contested if lost and config.most_windows is None else config.detect_lost
        if not wanted or not self._search.near_due(time, wait):
            return None
        return self._search.near(
            time, self._without_people(self._canvas.copied(rgb), self._log.count - 1), wanted, lost
        )

    def _read_turned(self, rgb: Array, person: ActiveTrack, first: Landmarks) -> Landmarks:
        """The surest reading of somebody who turns over: as the region was, or turned further or less far."""
        region = first.region
        if abs(region[3]) < TILTED or sureness(first) >= min(CLEAR, FADED * sureness(person.last)):
            return first
        turned = [self._pose(rgb, region + np.array([0, 0, 0, turn])) for turn in TURNS]
        likely = [each for each in turned if is_person(each, self._config) and pair_regions([region], [each.follow])]
        return max([first, *likely], key=sureness)

    def _start_new(self, index: int, time: float, rgb: Array, found: Detections, crowded: bool) -> None:
        """Start tracks of detected people who are not tracked yet, and resume those of lost ones.

        In a crowd, a detection in the place of somebody tracked may be of whoever stands behind them.
        """
        config = self._config
        most = config.most_trials if self._search.count > 2 else len(found.score)
        here = [one for one in self._live if one.frames[-1] == index]
        points = [None] * len(found.box_px) if found.keypoints_px is None else found.keypoints_px
        starts = [self._pose.start(*each) for each in zip(found.box_px, points, strict=True)]
        known = {m for _, m in pair_regions([one.regions[-1] for one in here], starts)}
        tried = [n for n in range(len(starts)) if n not in known] + (sorted(known) if crowded else [])
        picture = self._without_people(self._canvas.copied(rgb), index) if tried else rgb
        for n in tried[:most]:
            if (landmarks := self._read_new(rgb, picture, starts[n], here)) is None:
                continue
            away = [one for one in self._live if one not in here]
            lost = [(one.ahead(time, config.steadiness), one.look()) for one in away]
            look = appearance.clothing(rgb, landmarks.keypoints_px, picture)
            missed = [away[m] for m in assign_readings(lost, [(landmarks, look)], LIKELY, config.same_person)]
            if not missed and len(self._live) >= (config.most_people or math.inf):
                continue
            if not missed:
                self._last_number += 1
                self._live.append(ActiveTrack(self._last_number, landmarks))
            person = missed[0] if missed else self._live[-1]
            person.add(index, time, landmarks, look)
            paint_out(picture, landmarks.keypoints_px, landmarks.follow)
            here.append(person)

    def _is_shown(self, rgb: Array, picture: Array, reading: Landmarks, least: float) -> bool:
        """Whether it is a person's, sure enough, and of what is not painted out in the picture."""
        sure = is_person(reading, self._config) and sureness(reading) >= least
        return sure and share_shown(picture, rgb, reading.keypoints_px) >= SHOWN

    def _read_new(self, rgb: Array, picture: Array, start: Array, here: list[ActiveTrack]) -> Landmarks | None:
        """The reading of somebody new in the place of a detection; while somebody is missed, after a closer look too.

        Near others it must be clear: if it is not, it is read again in its own place.
        """
        missed = len(here) < len(self._live) or self._gone
        for region in [start, *(closer(start) if missed else [])]:
            reading = self._pose(picture, region)
            near = any(body_overlap(reading.follow, one.regions[-1]) > CONTEST for one in here)
            if near and is_person(reading, self._config) and sureness(reading) < CLEAR:
                reading = self._pose(picture, reading.follow)
            least = self._config.finish.least_sure if abs(reading.follow[3]) > TILTED else CLEAR * near
            if self._is_shown(rgb, picture, reading, least) and not any(
                self._repeats(reading.keypoints_px, one.keypoints[-1]) for one in here
            ):
                return reading
        return None

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
            if self._is_young(young, young.times[-1]):
                if self._repeats(young.keypoints[-1], old.keypoints[-1]):
                    self._live.remove(young)
            elif self._same(one.keypoints[-1], other.keypoints[-1]):
                jumped = which_jumped(one, other)
                jumped.undo_jump(other if jumped is one else one)
                self._close(jumped)

    def _is_young(self, person: ActiveTrack, time: float) -> bool:
        """Whether a track is so new that it may be of nobody."""
        return time - person.since < self._config.young

    def _is_ghost(self, person: ActiveTrack) -> bool:
        """Whether a new track is so unsure that it would not be one in the end."""
        young = len(person.times) >= SHORT and self._is_young(person, person.times[-1])
        return young and surest(np.stack(person.keypoints)) < self._config.finish.least_sure

    def _close(self, person: ActiveTrack) -> None:
        """End the track of a lost person."""
        self._live.remove(person)
        if stretch := person.stretch(self.rows):
            self._stretches += person.pieces
            self._gone += [stretch] if stretch.count >= SHORT else []
