"""The first pass over a video: everyone in it, tracked from the first frame to the last."""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import __version__, cache
from vibe.assets import find_model
from vibe.cache import Piece, StageCache
from vibe.inference.config import DETECTORS, POSE_MODELS
from vibe.records import Background, Clip, HandReadings, Progress, Track
from vibe.tracking.active_track import TrackerConfig
from vibe.tracking.detector import BlazePoseDetector, Detector
from vibe.tracking.pose_model import BlazePose, PoseModel
from vibe.tracking.rows import STAGE as STAGE_OF_ROWS
from vibe.tracking.rows import Rows
from vibe.tracking.tracker import TrackedPerson, Tracker
from vibe.video.read import Frame, Video, ahead, open_video
from vibe.video.stream import Mark
from vibe.world.background import STAGE as STAGE_OF_BACKGROUND
from vibe.world.background import BackgroundTracker

if TYPE_CHECKING:
    from vibe.tracking.hand_model import HandModel
    from vibe.tracking.hand_reader import HandReader

EVERY = 20.0
"""Seconds of work between two states."""
STATE = "state"
UNSURE, AROUND = 0.2, 0.15
"""Confidence of keypoints that a person's box leaves out, and how much larger than the others it is on each side, in
longer sides: the crown, the hands and the toes lie outside."""
GLANCES, GLANCE = 5, 0.25
"""How often a picture by itself is looked at, as if the camera stood still, and seconds between: whoever is close to
somebody is found once that one is painted out."""
Keep = Callable[[Video, Tracker, BackgroundTracker | None, "HandReader | None"], None]


@dataclass(frozen=True)
class Tracking:
    """What one pass over a video found."""

    clip: Clip
    tracks: list[Track]
    notes: list[str]
    """What was dropped or repaired."""
    background: Background | None = None
    """What stands behind the people, where it was followed."""
    hands: HandReadings | None = None
    """Where they were looked for."""


def track_video(
    path: Path,
    detector: Detector | None = None,
    pose_model: PoseModel | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
    fps: float | None = None,
    hand_model: HandModel | None = None,
    how: TrackerConfig | None = None,
) -> Tracking:
    """One pass over a video: everyone in it, with their keypoints, and what was dropped or repaired.

    With a folder, which is for this video alone, the pass goes on where an earlier one ended, however that ended, and
    finds what an undisturbed one finds; the folder is empty when all is done. A detector or pose model that answers
    the same picture differently each time cannot be gone on with. `fps` is the rate of a folder of pictures. Hands are
    read with a `hand_model`. Errors as of `open_video`, OSError where the folder cannot be written.
    """
    if folder is None:
        watchers = BackgroundTracker(), _hand_reader(hand_model)
        with open_video(path, fps=fps) as video:
            return track_frames(video, Tracker(detector, pose_model, how), progress, None, *watchers)
    journal = TrackingJournal(folder, path, detector, pose_model, fps, hand_model, how)
    video, tracker, background, hands = journal.resumed() or journal.begun()
    with video, closing(tracker), closing(background), closing(hands) if hands else nullcontext():
        found = track_frames(video, tracker, progress, journal.keep, background, hands)
    journal.clear()
    return replace(found, notes=found.notes + journal.notes)


def track_frames(
    video: Video, tracker: Tracker, progress: Progress | None = None, keep: Keep | None = None,
    background: BackgroundTracker | None = None, hands: HandReader | None = None,
) -> Tracking:  # fmt: skip
    """Show a tracker the frames of a video, and others what is behind the people that it sees, and their hands.

    Those that may be are left out (`Tracker.may_pass`), but for the last one of each scene.
    """
    frame, people = None, ()

    def told() -> Iterator[Frame]:
        for frame in ahead(video):
            yield frame
            if progress:
                progress("people", frame.index + 1, video.expected_frames)

    for frame in to_read(told(), tracker):
        people = tracker.step(frame.index, frame.time, frame.rgb)
        if background:
            is_cut = tracker.scenes[-1] == frame.time
            background.step(frame.index, frame.time, frame.rgb, _boxes(people), is_cut)
        if hands:
            hands.step(frame.index, frame.time, frame.rgb, people)
        if keep:
            keep(video, tracker, background, hands)
    clip = video.clip()
    alone = len(clip.timestamps) == 1
    if frame is not None and alone:
        later = [tracker.step(n, frame.time + n * GLANCE, frame.rgb) for n in range(1, GLANCES)][-1]
        if hands:
            known = {one.number for one in people}
            hands.step(0, math.inf, frame.rgb, [one for one in later if one.number not in known])
    tracks, notes = tracker.finish(None if alone else clip.timestamps.numpy())
    if alone:
        tracks = [_last_as_first(track) for track in tracks if track.frames[-1] == GLANCES - 1]
    behind, read = background.finish() if background else None, hands.finish() if hands else None
    return Tracking(clip, tracks, notes + list(video.notes), behind, read)


def to_read(frames: Iterable[Frame], tracker: Tracker) -> Iterator[Frame]:
    """Of a clip's frames those that a tracker must be shown (`Tracker.may_pass`), among them the last of each scene."""
    left_out = None
    for frame in frames:
        if tracker.may_pass(frame.index, frame.time, frame.rgb):
            left_out = frame
            continue
        if left_out is not None and tracker.begins_scene(frame.index, frame.time, frame.rgb):
            yield left_out
        left_out = None
        yield frame
    if left_out is not None:
        yield left_out


def _last_as_first(track: Track) -> Track:
    """The track of a picture that was looked at several times, in one frame."""
    last = {name: value[-1:] for name in FIELDS if (value := getattr(track, name)) is not None}
    return Track(**last | {"frames": torch.zeros_like(track.frames[-1:])})


def _boxes(people: Sequence[TrackedPerson]) -> Float[np.ndarray, "person 4"]:
    """Left, top, right and bottom of what people cover, pixels."""
    found = np.zeros((len(people), 4))
    for box, person in zip(found, people, strict=True):
        points = person.landmarks.keypoints_px
        points = points[points[:, 2] >= min(UNSURE, points[:, 2].max()), :2]
        box[:2], box[2:] = points.min(0), points.max(0)
        around = AROUND * (box[2:] - box[:2]).max()
        box += np.array([-around, -around, around, around])
    return found


class TrackingJournal:
    """A folder in which a pass over a video writes down how far it is."""

    def __init__(
        self,
        folder: Path,
        path: Path,
        detector: Detector | None = None,
        pose_model: PoseModel | None = None,
        fps: float | None = None,
        hand_model: HandModel | None = None,
        how: TrackerConfig | None = None,
    ) -> None:
        """Of the pass over the video at `path`; raises OSError if the folder is none."""
        self.notes: list[str] = []
        """What of an earlier pass could not be used."""
        self._path, self._models, self._fps, self._hand_model = path, (detector, pose_model), fps, hand_model
        self._how = how or TrackerConfig()
        self._cache = StageCache(folder)
        self._since = time.monotonic()

    def begun(self) -> tuple[Video, Tracker, BackgroundTracker, HandReader | None]:
        """At the first frame."""
        video, tracker = open_video(self._path, fps=self._fps), Tracker(*self._models, self._how, Rows(self._cache))
        return video, tracker, BackgroundTracker(self._cache), _hand_reader(self._hand_model)

    def resumed(self) -> tuple[Video, Tracker, BackgroundTracker, HandReader | None] | None:
        """Where an earlier pass ended; None if none did, or not so that it can be gone on with."""
        if (kept := self._cache.get(STATE, STATE)) is None:
            self.notes += [f"{note}: all were followed from the first frame" for note in self._cache.notes]
            return None
        try:
            state = _unpacked(kept[1], kept[0])
            if state["key"] != self._key:
                raise ValueError("it is of another video, or of other settings")
            rows = Rows(self._cache)
            rows.restore(state["rows"])
            tracker = Tracker(*self._models, self._how, rows)
            tracker.restore(state["tracker"])
            background = BackgroundTracker(self._cache)
            background.restore(state["background"])
            if hands := _hand_reader(self._hand_model):
                hands.restore(state["hands"])
            times = array("d", state["mark"]["times"])
            seen = {name: tuple(state["mark"][name]) for name in ("stamps", "checks")}
            notes = tuple((note, count) for note, count in state["mark"]["notes"])
            mark = Mark(**state["mark"] | seen | {"times": times, "notes": notes})
            return open_video(self._path, after=mark, fps=self._fps), tracker, background, hands
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            self.notes.append(f"the state of an earlier pass was of no use ({error}): all were followed anew")
            return None

    def keep(
        self, video: Video, tracker: Tracker, background: BackgroundTracker | None, hands: HandReader | None
    ) -> None:
        """Write down the state, if it is time; raises OSError."""
        if time.monotonic() - self._since >= EVERY:
            self.write(video, tracker, background, hands)
            self._since = time.monotonic()

    def write(
        self, video: Video, tracker: Tracker, background: BackgroundTracker | None, hands: HandReader | None = None
    ) -> None:
        """Write down how far the pass is; raises OSError."""
        mark, tensors = vars(video.mark()), {}
        mark |= {"times": np.array(mark["times"])}
        whole = {"key": self._key, "tracker": tracker.state(), "mark": mark, "rows": tracker.rows.state()}
        whole |= {"background": background and background.state(), "hands": hands and hands.state()}
        self._cache.put(STATE, STATE, tensors, _packed(whole, tensors))

    def clear(self) -> None:
        """Leave the folder empty; what another program holds open may stay."""
        for place in (self._cache.place(stage) for stage in (STATE, STAGE_OF_ROWS, STAGE_OF_BACKGROUND)):
            for file in place.iterdir():
                with suppress(OSError):
                    file.unlink()
            with suppress(OSError):
                place.rmdir()

    @cached_property
    def _key(self) -> str:
        """Of the video's content and all that decides what is seen in it."""
        models = [f"{type(model).__module__}.{type(model).__qualname__}" for model in self._models]
        settings = asdict(self._how), models, self._fps, self._hand_model is not None
        return cache.key(cache.content_key(self._path), __version__, *settings)


def _packed(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Plain JSON values, with the arrays among them put aside under numbers."""
    if isinstance(value, np.ndarray):
        tensors[str(len(tensors))] = torch.from_numpy(np.array(value))
        return {"array": len(tensors) - 1}
    if isinstance(value, dict):
        return {name: _packed(each, tensors) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(each, tensors) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpacked(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The values with their arrays again; raises KeyError for one that is not there."""
    if isinstance(value, list):
        return [_unpacked(each, tensors) for each in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"array"}:
        return tensors[str(value["array"])].numpy()
    return {name: _unpacked(each, tensors) for name, each in value.items()}


def load_detector(model: Detector | Path | str) -> Detector:
    """What finds people: a shipped model by name, an ONNX model by its path, or somebody's own code."""
    if not isinstance(model, Path | str):
        return model
    if model in DETECTORS:
        return BlazePoseDetector(find_model(DETECTORS[str(model)]))
    from vibe.tracking.onnx_models import OnnxDetector

    return OnnxDetector(Path(model))


def load_pose_model(model: PoseModel | Path | str) -> PoseModel:
    """What reads keypoints, likewise."""
    if not isinstance(model, Path | str):
        return model
    if model in POSE_MODELS:
        return BlazePose(find_model(POSE_MODELS[str(model)]))
    from vibe.tracking.onnx_models import OnnxPose

    return OnnxPose(Path(model))


def _hand_reader(model: HandModel | None) -> HandReader | None:
    """What reads hands with a model, if there is one."""
    if model is None:
        return None
    from vibe.tracking.hand_reader import HandReader

    return HandReader(model)


def load_hand_model() -> HandModel:
    """What reads hands; raises FileNotFoundError where it is not fetched."""
    from vibe.tracking.hand_model import HandModel

    return HandModel()


STAGE, BACKGROUND, HANDS = "tracks", "background", "hands"
Stored = TypeVar("Stored", Background, HandReadings)
FIELDS = ("frames", "box_px", "keypoints_px", "landmarks")
"""The last one only where a pose model has it."""


def track_people(
    path: Path,
    detector: Detector,
    pose_model: PoseModel,
    stages: StageCache,
    progress: Progress | None,
    fps: float | None = None,
    hand_model: HandModel | None = None,
    how: TrackerConfig | None = None,
) -> Tracking:
    """What a pass over a video finds, or found once. Errors as of `open_video`."""

    def compute() -> Piece:
        state = stages.place(STAGE) / "state" if stages.keeps else None
        if state:
            state.mkdir(exist_ok=True)
        found = track_video(path, detector, pose_model, state, progress, fps, hand_model, how)
        clip, tracks, notes = found.clip, found.tracks, found.notes
        if state:
            with suppress(OSError):
                state.rmdir()
        tensors = {"timestamps": clip.timestamps}
        for number, track in enumerate(tracks):
            tensors |= {f"{number}/{name}": value for name in FIELDS if (value := getattr(track, name)) is not None}
        for kind, record in ((BACKGROUND, found.background), (HANDS, found.hands)):
            for name, values in vars(record).items() if record else ():
                tensors[f"{kind}/{name}"] = torch.from_numpy(np.ascontiguousarray(values))
        about = {"fps": clip.fps, "width": clip.width, "height": clip.height, "damaged": clip.damaged}
        return tensors, {"clip": about, "notes": notes, "people": len(tracks)}

    return _tracking(path, *stages.stored(STAGE, STAGE, compute))


def kept_tracks(path: Path, stages: StageCache) -> Tracking | None:
    """What an earlier pass over a video found, if it is kept."""
    found = stages.get(STAGE, STAGE)
    return None if found is None else _tracking(path, *found)


def _tracking(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Tracking:
    """What the cache holds, as it was found."""
    tracks = [Track(*(tensors.get(f"{n}/{name}") for name in FIELDS)) for n in range(about["people"])]
    clip = Clip(path, timestamps=tensors["timestamps"], **about["clip"])
    background, hands = _stored(Background, BACKGROUND, tensors), _stored(HandReadings, HANDS, tensors)
    return Tracking(clip, tracks, about["notes"], background, hands)


def _stored(record: type[Stored], name: str, tensors: Mapping[str, Tensor]) -> Stored | None:
    """A record of NumPy's arrays whose fields these tensors have under a name; None where they have none."""
    seen = [tensors.get(f"{name}/{field.name}") for field in fields(record)]
    return None if seen[0] is None else record(*(each.numpy() for each in seen if each is not None))
