"""Follow everyone through a clip, frame by frame."""

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
from vibe.tracking.active_track import SLIDE, ActiveTrack
from vibe.tracking.detector import Detections, Detector, PoseDetector, iou
from vibe.tracking.pose_model import Landmarks, PoseLandmarks, PoseModel
from vibe.tracking.postprocess import PostprocessConfig, finish_tracks
from vibe.tracking.rows import Rows
from vibe.tracking.state import person_from, person_state, stretches_from, stretches_state
from vibe.tracking.tracklets import Stretch

APART = 0.2
"""Similarity of keypoints below which two people are surely apart."""


@dataclass(frozen=True)
class TrackerConfig:
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
    most_people: int | None = None
    """Who are followed at once, at most; None for everybody."""
    most_windows: int | None = None
    """Parts of a picture that are looked at in one frame, at most: the others wait for the next; None for all."""
    finish: PostprocessConfig = field(default_factory=PostprocessConfig)


@dataclass(frozen=True)
class Seen:
    """One person in one frame, as seen at the time; numbers here are not yet those of the finished tracks."""

    number: int
    landmarks: Landmarks


class Tracker:
    """Everyone in a clip: fed frame by frame, it keeps a few numbers a person and frame, never a picture.

    What no later frame needs is moved to `rows`, of which the finished tracks are made.
    """

    def __init__(
        self,
        detector: Detector | None = None,
        pose: PoseModel | None = None,
        following: TrackerConfig | None = None,
        rows: Rows | None = None,
    ) -> None:
        self._detector = detector or PoseDetector()
        self._pose = pose or PoseLandmarks()
        self._following = following or TrackerConfig()
        self._pool = ThreadPoolExecutor(self._following.threads, "reader")
        self._lookout = ThreadPoolExecutor(1, "lookout")
        self._live: list[ActiveTrack] = []
        self.rows = rows or Rows()
        self._stretches: list[Stretch] = []
        self._gone: list[Stretch] = []
        self._times = array("d")
        self._looked = self._looked_around = -np.inf
        self._waiting = np.zeros((0, 4), int)
        self._ticks = 0
        self._count = 0
        self._born = 0

    def step(self, index: int, time: float, rgb: UInt8[Array, "height width 3"]) -> tuple[Seen, ...]:
        """Take the next frame (`index` counts from 0 without gaps, `time` in seconds) and return who is in it."""
        if index != self._count:
            raise ValueError(f"frame {index} came after {self._count} frames: feed every frame once, in order")
        self._count += 1
        self._times.append(time)
        width, height = rgb.shape[1], rgb.shape[0]
        turn = self._turn(time, width, height)
        seen = self._lookout.submit(tiling.detect_in_tiles, self._detector, rgb, turn)
        regions = [self._ahead(person, time) for person in self._live]
        read = map if len(regions) < 2 else self._pool.map
        for person, landmarks in zip(self._live, read(lambda region: self._pose(rgb, region), regions), strict=True):
            if self._believable(landmarks):
                person.add(index, time, landmarks, appearance.clothing(rgb, landmarks.keypoints_px))
        self._part()
        missed = self._missed(time, width, height, len(turn))
        found = seen.result() + self._lookout.submit(tiling.detect_in_tiles, self._detector, rgb, missed).result()
        if found:
            self._search(
                index, time, rgb, tiling.merge_detections(found, np.concatenate([turn, missed]), width, height)
            )
        for person in [one for one in self._live if time - one.times[-1] > self._following.patience]:
            self._close(person)
        for person in self._live:
            person.settle(self.rows)
        return tuple(Seen(one.number, one.last) for one in self._live if one.frames[-1] == index)

    def forget(self) -> None:
        """Let go of all that no later frame needs: for who follows without an end and never calls `finish`."""
        for person in self._live:
            person.forget()
        self._stretches = list(self._gone)
        if self.rows.count and not self._gone:
            self.rows.close()
            self.rows = Rows()
        del self._times[:-1]

    def finish(self) -> tuple[list[records.Track], list[str]]:
        """The finished tracks, in order of first appearance (larger people first), and what was dropped or repaired."""
        while self._live:
            self._close(self._live[0])
        found = finish_tracks(self._stretches, self.rows, np.array(self._times), self._following.finish)
        self.close()
        return found

    def close(self) -> None:
        """End the threads and let go of the rows."""
        self._pool.shutdown()
        self._lookout.shutdown()
        self.rows.close()

    def state(self) -> dict[str, Any]:
        """All that the next frames depend on beside the rows, as plain values and arrays."""
        return {
            "people": [person_state(person) for person in self._live],
            "stretches": stretches_state(self._stretches),
            "times": np.array(self._times),
            "looked": self._looked,
            "looked_around": self._looked_around,
            "waiting": self._waiting,
            "ticks": self._ticks,
            "born": self._born,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where another follower was when it told its `state`; its rows are here already.

        Raises KeyError, TypeError or ValueError for what is no such state.
        """
        people = [person_from(one) for one in state["people"]]
        stretches = stretches_from(state["stretches"])
        times = array("d", state["times"].astype(float).tobytes())
        self._looked, self._looked_around = float(state["looked"]), float(state["looked_around"])
        self._waiting, self._ticks, self._born = state["waiting"], int(state["ticks"]), int(state["born"])
        self._live, self._stretches, self._times, self._count = people, stretches, times, len(times)
        self._gone = list(stretches)

    def _believable(self, landmarks: Landmarks) -> bool:
        """Whether a person is there, of about the size looked for."""
        growth = landmarks.follow[2] / max(landmarks.region[2], 1e-6)
        sure = landmarks.keypoints_px[:, 2].mean() >= self._following.least_confidence
        return bool(landmarks.presence >= self._following.least_presence and sure and 0.4 < growth < 2.0)

    def _turn(self, time: float, width: int, height: int) -> Array:
        """The windows to look at whatever the frame shows, while people are read: what waits, or all by turns."""
        how = self._following
        parts, self._waiting = self._waiting, self._waiting[:0]
        room = len(self._live) < (how.most_people or math.inf)
        due = time - self._looked >= (how.detect_every if self._live else how.detect_lost) - 1e-6
        if room and due and not len(parts):
            parts = tiling.by_turns(width, height, self._ticks)
            self._ticks += 1
            self._looked = time
        return self._affordable(parts, 0)

    def _missed(self, time: float, width: int, height: int, windows: int) -> Array:
        """The windows around those who are missed, in a frame in which `windows` others are looked at."""
        how = self._following
        parts = np.zeros((0, 4), int)
        missed = [self._ahead(one, time) for one in self._live if one.times[-1] < time]
        self._gone = [one for one in self._gone if time - one.last.times[-1] <= how.finish.most_gap]
        missed += [one.last.region[-1] for one in self._gone]
        if missed and time - self._looked_around >= how.detect_lost - 1e-6:
            parts = np.concatenate([tiling.tiles_around(region, width, height) for region in missed[-2:]])
            self._looked_around = time
        return self._affordable(parts, windows)

    def _affordable(self, parts: Array, windows: int) -> Array:
        """As many windows as the frame has room for beside `windows` others; those left over wait."""
        most = len(parts) if self._following.most_windows is None else self._following.most_windows - windows
        self._waiting = np.concatenate([self._waiting, parts[most:]])
        return parts[:most]

    def _search(self, index: int, time: float, rgb: Array, found: Detections) -> None:
        """Start following those who were detected and are not followed yet."""
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
            if not missed and len(self._live) >= (self._following.most_people or math.inf):
                continue
            person = missed[0] if missed else self._start(landmarks)
            person.add(index, time, landmarks, appearance.clothing(rgb, landmarks.keypoints_px))
            here.append(person)

    def _start(self, first: Landmarks) -> ActiveTrack:
        """A new person."""
        self._born += 1
        self._live.append(ActiveTrack(self._born, first))
        return self._live[-1]

    def _strangers(self, found: Detections, here: list[ActiveTrack]) -> list[int]:
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

    def _ahead(self, person: ActiveTrack, time: float) -> Array:
        """Where to look for a person now."""
        return person.ahead(time, self._following.steadiness)

    def _same(self, one: Array, other: Array) -> bool:
        """Whether two readings are of one person."""
        return bool(appearance.similarity(one, other) > self._following.same_person)

    def _repeats(self, new: Array, known: Array) -> bool:
        """Whether a new reading is of a known person: the same keypoints, or worse ones in the same place."""
        overlap = iou(appearance.box_px(new)[None], appearance.box_px(known)[None])[0, 0]
        worse = new[:, 2].mean() < self._following.shadow_confidence * known[:, 2].mean()
        return self._same(new, known) or bool(worse and overlap > self._following.shadow_overlap)

    def _part(self) -> None:
        """Where two tracks sit on one person, end the one that jumped there, from where it began to."""
        for one, other in combinations(list(self._live), 2):
            if one not in self._live or other not in self._live or one.frames[-1] != other.frames[-1]:
                continue
            young = max(one, other, key=lambda person: person.since)
            old = other if young is one else one
            if young.times[-1] - young.since < self._following.young:
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
        """Stop following a person who is lost."""
        self._live.remove(person)
        if stretch := person.stretch(self.rows):
            self._stretches.append(stretch)
            self._gone.append(stretch)


def _row(values: Array | None, n: int) -> Array | None:
    """One row, where there are any."""
    return None if values is None else values[n]
