"""Who is in a video: what the first pass over it found, from the shelf if it is there."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vibe.following import follow
from vibe.people.detect import Detector
from vibe.people.landmarks import PoseModel
from vibe.records import Clip, Progress, Track
from vibe.stages import Shelf

STAGE = "tracks"
FIELDS = {"frames": (torch.int64, ()), "box_px": (torch.float32, (4,)), "keypoints_px": (torch.float32, (17, 3))}
"""Kind of number, and shape but for the frames, of each array of a track."""
Found = tuple[Clip, list[Track], list[str]]


def who(path: Path, detector: Detector, pose_model: PoseModel, shelf: Shelf, progress: Progress | None) -> Found:
    """The clip, everybody's tracks, and what was dropped or repaired. Errors as of `open_video`."""
    kept = shelf.load(STAGE, STAGE)
    if kept and (found := _found(path, *kept)):
        return found
    if not shelf.keeps:
        return follow(path, detector, pose_model, None, progress)
    state = shelf.place(STAGE) / "following"
    state.mkdir(exist_ok=True)
    clip, tracks, notes = follow(path, detector, pose_model, state, progress)
    tensors = {"timestamps": clip.timestamps}
    for number, track in enumerate(tracks):
        tensors |= {f"{number}/{name}": getattr(track, name) for name in FIELDS}
    about = {"fps": clip.fps, "width": clip.width, "height": clip.height, "damaged": clip.damaged, "notes": notes}
    shelf.save(STAGE, STAGE, tensors, about)
    with suppress(OSError):
        state.rmdir()
    return clip, tracks, notes


def _found(path: Path, tensors: dict[str, Tensor], about: dict[str, Any]) -> Found | None:
    """The same as it was saved; None if it can't have been."""
    times = tensors.get("timestamps", torch.zeros(0))
    sizes = [about.get(name) for name in ("width", "height", "damaged")]
    fps, notes = about.get("fps"), about.get("notes")
    right = times.dtype == torch.float64 and times.ndim == 1 and len(times) and bool((times.diff() > 0).all())
    if not right or not isinstance(fps, float) or not 0 < fps < math.inf or not isinstance(notes, list):
        return None
    if not all(isinstance(size, int) for size in sizes) or not all(isinstance(note, str) for note in notes):
        return None
    tracks = []
    while f"{len(tracks)}/frames" in tensors:
        parts = {name: tensors.get(f"{len(tracks)}/{name}", torch.zeros(0)) for name in FIELDS}
        if not _fits(parts, len(times)):
            return None
        tracks.append(Track(**parts))
    width, height, damaged = (int(size or 0) for size in sizes)
    return Clip(path, fps, width, height, times, damaged), tracks, notes


def _fits(parts: dict[str, Tensor], frames: int) -> bool:
    """Whether these are the arrays of one track through a clip of so many frames."""
    rows = parts["frames"]
    shaped = all(
        parts[name].dtype == kind and tuple(parts[name].shape) == (len(rows), *shape)
        for name, (kind, shape) in FIELDS.items()
    )
    return shaped and len(rows) > 0 and bool((rows.diff() > 0).all()) and int(rows[0]) >= 0 and int(rows[-1]) < frames
