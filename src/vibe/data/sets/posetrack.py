"""PoseTrack 2017 and 2018: everyone in short videos, followed by hand."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from vibe import skeletons
from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets import annotations
from vibe.errors import damaged

LAYOUT = (
    "annotations/{train,val,test}/*.json, or the same in posetrack_data, and the images below one of the two folders, "
    "as the annotations name them (images/train/000001_bonn_train/000000.jpg)"
)
FPS = 30.0
"""Assumed: the set does not tell; its first edition cut videos to 5 seconds of up to 151 pictures."""
OURS = {"head_bottom": "lsp_neck"}
"""What we call joints that have another name there."""
JOINTS_2017 = [*skeletons.COMMON14[:13], "nose", "head_top"]
"""By their `id`."""
Marked = tuple[PurePosixPath, int, np.ndarray]
"""The image, the number of the person, and their joints."""


def _files(raw: Path) -> list[File]:
    patterns = (f"{base}annotations/{split}/*.json" for base in ("", "posetrack_data/") for split in annotations.SPLITS)
    paths = annotations.find_files(raw, *patterns)
    return [(f"{path.parent.name}/{path.stem}", path) for path in paths]


def read_posetrack(raw: Path, name: str, path: Path) -> Iterator[Recording]:
    """Everyone in one video; nobody in a test video, whose people are kept secret. Raises ValueError."""
    with damaged(f"{path} is not as PoseTrack 2017 or 2018 write it"):
        content = json.loads(path.read_bytes())
        joints, people = _read_2017(content) if "annolist" in content else _read_2018(content)
    tracks: dict[int, list[Marked]] = defaultdict(list)
    for one in people:
        tracks[one[1]].append(one)
    if not tracks and path.parent.name != "test":
        raise ValueError(f"{path} marks nobody: leave it out, or copy it again")
    yield from annotations.read_each(partial(_track, path, raw, marked, joints) for _, marked in sorted(tracks.items()))


def _track(path: Path, raw: Path, marked: list[Marked], joints: Sequence[str]) -> Recording:
    name = f"{path.parent.name}/{path.stem}/{marked[0][1]}"
    folders = {image.parent for image, _, _ in marked}
    if len(folders) != 1 or not all(image.stem.isdecimal() for image, _, _ in marked):
        raise ValueError(f"{name} is marked in images that are not numbered frames of one video: copy {path} again")
    marked = sorted(marked, key=lambda one: int(one[0].stem))
    inside = Path(folders.pop())
    folder = next((base / inside for base in (raw, path.parents[2]) if (base / inside).is_dir()), raw / inside)
    recording = Recording(
        name, np.array([int(image.stem) for image, _, _ in marked]), FPS, subject=str(marked[0][1]),
        split=annotations.SPLITS[path.parent.name], source=folder.relative_to(raw).as_posix(),
        images=annotations.check_images(folder, [image.name for image, _, _ in marked]),
    )  # fmt: skip
    return annotations.with_keypoints(recording, np.stack([points for _, _, points in marked]), joints)


def _read_2018(content: Mapping[str, Any]) -> tuple[Sequence[str], list[Marked]]:
    """Joints and people of a file in COCO's manner."""
    names = next((kind["keypoints"] for kind in content.get("categories", ()) if kind.get("keypoints")), None)
    joints = [OURS.get(name, name) for name in names or skeletons.POSETRACK17]
    if unknown := sorted(set(joints) - set(skeletons.SPIN49)):
        raise ValueError(f"PoseTrack has no joints called {', '.join(unknown)}")
    images = {image["id"]: _image(image["file_name"]) for image in content["images"] if image.get("is_labeled", True)}
    found = []
    for one in content.get("annotations", ()):
        if one.get("keypoints") and one["image_id"] in images:
            points = annotations.check_numbers(one["keypoints"], (3 * len(joints),), "keypoints").reshape(-1, 3)
            found.append((images[one["image_id"]], int(one["track_id"]), _with_confidence(points)))
    return joints, found


def _read_2017(content: Mapping[str, Any]) -> tuple[Sequence[str], list[Marked]]:
    """Joints and people of a file in which MATLAB's structures became lists of one."""
    found = []
    for frame in content["annolist"]:
        image = _image(frame["image"][0]["name"])
        for one in frame.get("annorect") or ():
            points = np.zeros((len(JOINTS_2017), 3))
            for group in one.get("annopoints") or ():
                for point in group["point"]:
                    visible, number = point.get("is_visible") or [1], point["id"][0]
                    if not 0 <= number < len(JOINTS_2017):
                        raise ValueError(f"PoseTrack 2017 has no joint {number}")
                    points[number] = point["x"][0], point["y"][0], visible[0]
            points = annotations.check_numbers(points, points.shape, "annopoints")
            if points.any():
                found.append((image, int(one["track_id"][0]), _with_confidence(points)))
    return JOINTS_2017, found


def _with_confidence(points: np.ndarray) -> np.ndarray:
    """1 where a joint is marked as visible, 0 where not or where its place is 0, 0, which stands for none."""
    known = (points[:, 2] > 0) & points[:, :2].any(-1)
    return np.concatenate([points[:, :2], known[:, None]], -1)


def _image(name: str) -> PurePosixPath:
    image = PurePosixPath(name)
    if image.is_absolute() or ".." in image.parts:
        raise ValueError(f"the image {name} lies outside of the raw folder")
    return image


POSETRACK = RawSet(
    title="PoseTrack 2017 or 2018",
    licence="PoseTrack: the annotations allow non-commercial research only; the videos belong to those who took them.",
    layout=LAYOUT,
    files=_files,
    read=read_posetrack,
    recipe={**annotations.KEYPOINT_RECIPE, "fps": FPS, "confidence": "1 if marked as visible, else 0"},
)
