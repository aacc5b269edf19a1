"""Penn Action: people at sports in short videos, 13 joints marked in every frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vibe import skeletons
from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets.annotations import KEYPOINT_RECIPE, check_images, check_numbers, require, with_keypoints
from vibe.data.sets.matlab import read_matlab

LAYOUT = "labels/0001.mat ... and frames/0001/000001.jpg ... (the folder Penn_Action of the download)"
FPS = 30.0
"""Assumed: the set does not tell."""
JOINTS = [skeletons.PENN13[place] for place in skeletons.mirrored(skeletons.PENN13)]
"""In the order of the files. Their own description begins each pair with the left, but what is marked first is the
person's right: so read they agree with other sets (Kanazawa et al., Learning 3D Human Dynamics, read them so too)."""
FIELDS = ("x", "y", "visibility", "train", "nframes")


def _files(raw: Path) -> list[File]:
    """The labels of each video that has labels or frames; raises FileNotFoundError without one of the two folders."""
    require(raw, LAYOUT, "labels", "frames")
    videos = {path.name for path in (raw / "frames").iterdir() if path.is_dir()}
    names = videos | {path.stem for path in (raw / "labels").glob("*.mat")}
    return [(name, raw / "labels" / f"{name}.mat") for name in sorted(names) if not name.startswith(".")]


def read_penn_action(raw: Path, name: str, path: Path) -> Iterator[Recording]:
    """The person of one video; raises ValueError or FileNotFoundError."""
    found = read_matlab(path, FIELDS)
    x = check_numbers(found["x"], (None, len(JOINTS)), f"{path}: x")
    y, visibility = (check_numbers(found[name], x.shape, f"{path}: {name}") for name in ("y", "visibility"))
    folder = raw / "frames" / name
    train, count = (check_numbers(found[name].ravel(), (1,), f"{path}: {name}")[0] for name in ("train", "nframes"))
    if count != len(x):
        raise ValueError(f"{path} marks {len(x)} frames of a video of {count:.0f}: it is damaged, copy it again")
    recording = Recording(
        name, np.arange(len(x)), FPS, split="train" if train > 0 else "test",
        source=folder.relative_to(raw).as_posix(),
        images=check_images(folder, [f"{frame:06d}.jpg" for frame in range(1, len(x) + 1)]),
    )  # fmt: skip
    yield with_keypoints(recording, np.stack([x, y, (visibility > 0).astype(float)], -1), JOINTS)


PENN_ACTION = RawSet(
    title="Penn Action",
    licence="Penn Action: University of Pennsylvania; for research, its pictures belong to those who took them.",
    layout=LAYOUT,
    files=_files,
    read=read_penn_action,
    recipe={**KEYPOINT_RECIPE, "fps": FPS, "confidence": "1 if visible, else 0", "first_of_each_pair": "right"},
)
