"""Kinetics-400, and any folder of videos, with pseudo ground truth: everyone in them, tracked by our own detector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from vibe import assets, skeletons
from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets.annotations import SPLITS, find_files
from vibe.inference import track as following
from vibe.tracking.active_track import TrackerConfig
from vibe.tracking.postprocess import PostprocessConfig
from vibe.tracking.tracker import Tracker
from vibe.video import SUFFIXES
from vibe.video.read import open_video

MODELS = {name: assets.MODELS[name] for name in ("pose_detection.tflite", "pose_landmark_full.tflite")}
WINDOW = 16
"""Frames in a row for which a person has to be followed: those of the paper's windows."""
WHOLE = 0.9
"""Share of the frames that a file announces which it must have; it may not know them exactly."""


def split_of(path: Path, raw: Path) -> str | None:
    """The split that a video's folders put it in, be they called `train_256` or `videos_train`; None if none does."""
    known = SPLITS | {"validation": "validation"}
    words = (name.lower().removeprefix("videos_").split("_")[0] for name in path.relative_to(raw).parts[:-1])
    return next((known[word] for word in words if word in known), None)


def label_video(raw: Path, name: str, path: Path) -> Iterator[Recording]:
    """Everyone who is followed for a window or longer; raises ValueError or OSError, at the end if somebody is not."""
    with open_video(path) as video:
        announced = video.expected_frames or 0
        follower = Tracker(config=TrackerConfig(finish=PostprocessConfig(least_length=0.0)))
        found = following.track_frames(video, follower)
        clip, tracks = found.clip, found.tracks
    if len(clip.timestamps) < WHOLE * announced:
        raise ValueError(
            f"{path} is cut off or damaged: {len(clip.timestamps)} of {announced} frames can be read, copy it again"
        )
    whole = [track.frames[WINDOW - 1 :] - track.frames[: 1 - WINDOW] == WINDOW - 1 for track in tracks]
    kept = [track for track, is_gapless in zip(tracks, whole, strict=True) if is_gapless.any()]
    for number, track in enumerate(kept, start=1):
        columns = {
            "keypoints_px.coco17": track.keypoints_px.numpy(),
            "keypoints_px.spin49": skeletons.convert_joints(track.keypoints_px, "coco17", "spin49").numpy(),
            "box_px": track.box_px.numpy(),
        }
        yield Recording(
            f"{name}/{number}", track.frames.numpy(), clip.fps, columns, subject=str(number),
            split=split_of(path, raw) or "train", source=name,
        )  # fmt: skip
    if not tracks:
        raise ValueError("nobody was found in it")
    if left := len(tracks) - len(kept):
        raise ValueError(f"{left} of {len(tracks)} people left out, who are not seen for {WINDOW} frames in a row")


def _files(raw: Path, in_split: bool) -> list[File]:
    """All videos, or those of a split; raises FileNotFoundError if the detector is not here."""
    for model in MODELS:
        assets.find_model(model)
    paths = [path for path in find_files(raw, "**/*") if path.suffix.lower() in SUFFIXES]
    return [(path.relative_to(raw).as_posix(), path) for path in paths if not in_split or split_of(path, raw)]


VIDEOS = RawSet(
    title="Videos",
    licence="Your own videos: they keep the licence that they have, and so does what is made of them.",
    layout=(
        "videos, in folders as you like; those below a folder called train, val or test are of that split, others train"
    ),
    files=partial(_files, in_split=False),
    read=label_video,
    beside=None,
    recipe={"window": WINDOW, "models": MODELS, "confidence": "the detector's, 0 where a gap was filled"},
)
KINETICS = replace(
    VIDEOS,
    title="Kinetics-400",
    licence="Kinetics-400: Google's annotations are CC BY 4.0; the videos belong to those who put them on YouTube.",
    layout=(
        "train/ and val/ (also as videos_train, train_256 ...), with the videos in them or in folders of actions below"
    ),
    files=partial(_files, in_split=True),
)
