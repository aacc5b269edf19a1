"""One person's sequence as a data set gives it, and the per-frame columns that it becomes on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from vibe import skeletons

SPLITS = ("train", "validation", "test")
GENDERS = ("neutral", "female", "male")
COLUMNS: dict[str, tuple[str, tuple[int, ...]]] = {
    "poses": ("float32", (72,)),
    "betas": ("float32", (10,)),
    "trans": ("float32", (3,)),
    "box_px": ("float32", (4,)),
    "R_world_cam": ("float32", (3, 3)),
    "t_world_cam": ("float32", (3,)),
    "features": ("float16", (2048,)),
    "landmarks": ("float16", (33, 8)),
    "has_theta": ("bool", ()),
    "has_points": ("bool", ()),
    "has_features": ("bool", ()),
    "valid": ("bool", ()),
}
"""Type of number and shape of one row of each column; for columns of joints see `BY_JOINT_SET`.

`poses` are SMPL's 24 axis-angles; `trans`, in metres, is added to the posed body as in SMPL's files: the pelvis lies at
its place at rest plus this. `box_px` is centre x, centre y, width, height; the crop is `vibe.cameras.crop_side` wide,
and `features` are ResNet-50's of that crop. `R_world_cam` and `t_world_cam` are the camera's rotation and place in a
world that does not move: `x_world = R_world_cam @ x_cam + t_world_cam`. `landmarks` are the pose model's, as
`vibe.records.Track` has them, but that x and y count from the centre of `box_px`. `has_theta` marks frames whose
`poses` and `betas` are known, `has_points` those whose `points` are (without the mask all, if they are given); `valid`
those that the set's own protocol counts.
"""
BY_JOINT_SET = ("points", "keypoints_px")
"""Kinds of columns of which a store may hold one for each joint set, such as `points.spin49`, by the names of
`vibe.skeletons.JOINT_SETS`: x, y, z in metres, or x, y in the picture and the confidence, 0 for a joint that is not
known. Sets that are trained on give `spin49`."""


@dataclass(frozen=True)
class Recording:
    """What a data set knows of one person through one video, or of one take of motion capture.

    With pictures, everything 3D is in the camera's frame (x right, y down, z forward); without, in a world whose y
    points up.
    """

    name: str
    """Unique in its store."""
    frames: Int[ndarray, "_"]
    """Indices into the source; increasing, gaps allowed."""
    fps: float
    """Rows a second where nothing is missing."""
    columns: Mapping[str, ndarray] = field(default_factory=dict)
    """What is known of the frames, a row for each, by the names of `COLUMNS` and `BY_JOINT_SET`. What is not known of a
    frame is masked: its numbers are finite and mean nothing."""
    subject: str = ""
    split: str = "train"
    """train, validation or test."""
    source: str = ""
    """Video, or folder of images, below the raw data's folder; none for motion capture."""
    images: tuple[str, ...] = ()
    """The file of each frame below `source`, if that is a folder."""
    step: int = 1
    """Frames of the source from one row to the next where nothing is missing; what is further apart is a gap."""
    gender: str = "neutral"
    """Of the body that `poses` and `betas` are of: neutral, female or male."""
    K_px: Float[ndarray, "3 3"] | None = None
    """Intrinsic matrix of the pictures, if known."""
    note: str = ""
    """What the file did not say, or not in a way that can be read, and what was taken instead."""


def column_layout(name: str) -> tuple[str, tuple[int, ...]]:
    """Type of number and shape of one row; raises ValueError for a column that a store can't have."""
    kind, _, joints = name.partition(".")
    if kind in BY_JOINT_SET and joints in skeletons.JOINT_SETS:
        return "float32", (len(skeletons.JOINT_SETS[joints]), 3)
    if name not in COLUMNS:
        known = ", ".join([*COLUMNS, *(f"{kind}.SET" for kind in BY_JOINT_SET)])
        raise ValueError(f"there is no column {name!r}: choose one of {known}, with SET from vibe.skeletons.JOINT_SETS")
    return COLUMNS[name]


def fitted_columns(values: ndarray, name: str, count: int, whose: str) -> ndarray:
    """Rows of a column as they lie on disk; raises ValueError, with `whose`, for another shape or what is no number."""
    dtype, shape = column_layout(name)
    if values.shape != (count, *shape):
        raise ValueError(
            f"{whose}: {name} has the shape {values.shape}: give {(count, *shape)}, one row for each frame"
        )
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(values, dtype)
    if not np.isfinite(rows).all():
        row = int((~np.isfinite(rows)).reshape(count, -1).any(1).argmax())
        raise ValueError(f"{whose}: {name} holds NaN or a number too large for {dtype}, first in row {row}: mask it")
    return rows


def columns_of(recording: Recording) -> dict[str, ndarray]:
    """Every column of a recording, the masks in any case; raises ValueError that names it if something is wrong."""
    whose, frames = f"recording {recording.name!r}", recording.frames
    if not recording.name or "\n" in recording.name:
        raise ValueError(f"{whose} has no name that is one line: give it one")
    if len(frames) == 0 or frames[0] < 0 or (np.diff(frames.astype(np.int64)) <= 0).any():
        raise ValueError(f"{whose}: its {len(frames)} frames are none, negative or not increasing")
    if recording.images and len(recording.images) != len(frames):
        raise ValueError(f"{whose} has {len(recording.images)} images for {len(frames)} frames")
    if not (np.isfinite(recording.fps) and recording.fps > 0) or recording.step < 1:
        raise ValueError(f"{whose} has {recording.fps} frames a second and a step of {recording.step}")
    if recording.split not in SPLITS or recording.gender not in GENDERS:
        raise ValueError(
            f"{whose} is of the split {recording.split!r} and a {recording.gender!r} body: choose from "
            f"{', '.join(SPLITS)} and {', '.join(GENDERS)}"
        )
    if recording.K_px is not None and not np.isfinite(recording.K_px).all():
        raise ValueError(f"{whose}: K_px holds NaN")
    count = len(frames)
    rows = {name: fitted_columns(values, name, count, whose) for name, values in recording.columns.items()}
    if ("poses" in rows) != ("betas" in rows):
        raise ValueError(f"{whose} has only one of poses and betas: give both, or neither")
    has_points = any(name.startswith("points.") for name in rows)
    for name, value in {"has_theta": "poses" in rows, "has_points": has_points, "valid": True}.items():
        rows.setdefault(name, np.full(count, value))
        if not value and rows[name].any():
            raise ValueError(f"{whose}: {name} marks frames, but nothing was given that it could be of")
    return rows


Pictures = Callable[[Path, Sequence[int], Sequence[str]], Iterator[tuple[int, UInt8[ndarray, "height width 3"]]]]
"""The wanted pictures of one source, in order, each with its place among those asked for: the source's path, indices of
frames (increasing), their images (empty for a video). Pictures that can't be read are left out; raises ValueError or
OSError if none can."""
File = tuple[str, Path]
"""A file of a raw set that becomes recordings, with a name that is the same in every run."""
Read = Callable[[Path, str, Path], Iterable[Recording]]
"""What such a file holds, of one person or several, from the raw folder, the name and the path; raises ValueError or
OSError with the file, what was seen and what to do. Workers are sent it."""


@dataclass(frozen=True)
class RawSet:
    """A data set as its owner offers it."""

    title: str
    licence: str
    """One sentence: whose it is and what it allows."""
    layout: str
    """What the raw folder has to look like, for people to read."""
    files: Callable[[Path], Sequence[File]]
    """Finds them, always in the same order, also one that is missing. Raises FileNotFoundError with the missing file
    or folder and the layout."""
    read: Read
    recipe: Mapping[str, Any]
    """Plain values that decide the result: conventions, crop scale, frame rate."""
    beside: tuple[str, ...] | None = ()
    """Patterns of the annotations beside `files`; of all these the SHA-256 are noted. None where `files` are videos."""
    pictures: Pictures | None = None
    """Reads pictures where a recording's source is neither a video nor a folder of images."""
