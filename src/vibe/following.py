"""The first pass over a video: everyone in it, followed from the first frame to the last, also after a sudden end.

In a folder two files grow with the pass: rows with what was seen of everybody, and every so often the state of the
follower and the place in the video. From these another process goes on as if nothing had happened.
"""

from __future__ import annotations

import time
import uuid
from array import array
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vibe import __version__, stages
from vibe.people.detect import Detector
from vibe.people.landmarks import PoseModel
from vibe.people.rows import Rows
from vibe.people.track import Follower, Following
from vibe.records import Clip, Progress, Track
from vibe.video import Mark, Video, ahead, open_video

EVERY = 20.0
"""Seconds of work between two states."""
STATE = "state"
ROWS = "rows-*.bin"
Found = tuple[Clip, list[Track], list[str]]
Keep = Callable[[Video, Follower], None]


def follow(
    path: Path,
    detector: Detector | None = None,
    pose_model: PoseModel | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Found:
    """One pass over a video: everyone in it, with their keypoints, and what was dropped or repaired.

    With a folder, which is for this video alone, the pass goes on where an earlier one ended, however that ended, and
    finds what an undisturbed one finds; the folder is empty when all is done. A detector or pose model that answers
    the same picture differently each time cannot be gone on with. Errors as of `open_video`, OSError where the folder
    cannot be written.
    """
    if folder is None:
        with open_video(path) as video:
            return watch(video, Follower(detector, pose_model), progress)
    journal = Journal(folder, path, detector, pose_model)
    video, follower = journal.resumed() or journal.begun()
    with video, closing(follower):
        clip, tracks, notes = watch(video, follower, progress, journal.keep)
    journal.clear()
    return clip, tracks, notes + journal.notes


def watch(video: Video, follower: Follower, progress: Progress | None = None, keep: Keep | None = None) -> Found:
    """Show a follower all frames of a video: what it found, and what was dropped or repaired."""
    for frame in ahead(video):
        follower.step(frame.index, frame.time, frame.rgb)
        if keep:
            keep(video, follower)
        if progress:
            progress("people", frame.index + 1, video.expected_frames)
    clip = video.clip()
    tracks, notes = follower.finish()
    return clip, tracks, notes + list(video.notes)


class Journal:
    """A folder in which a pass over a video writes down how far it is."""

    def __init__(
        self, folder: Path, path: Path, detector: Detector | None = None, pose_model: PoseModel | None = None
    ) -> None:
        """Of the pass over the video at `path`; raises OSError if the folder is none."""
        self.notes: list[str] = []
        """What of an earlier pass could not be used."""
        self._folder, self._path, self._models = folder, path, (detector, pose_model)
        self._shelf = stages.Shelf(folder, {})
        self._file = folder / ROWS.replace("*", uuid.uuid4().hex[:12])
        self._key: str | None = None
        self._since = time.monotonic()

    def begun(self) -> tuple[Video, Follower]:
        """At the first frame."""
        video = open_video(self._path)
        return video, Follower(*self._models, rows=Rows(self._file))

    def resumed(self) -> tuple[Video, Follower] | None:
        """Where an earlier pass ended; None if none did, or not so that it can be gone on with."""
        if (kept := self._shelf.load(STATE, STATE)) is None:
            self.notes += [f"{note}: all were followed from the first frame" for note in self._shelf.notes]
            return None
        rows = None
        try:
            state = _unpacked(kept[1], kept[0])
            if state["key"] != self._its_key():
                raise ValueError("it is of another video, or of other settings")
            rows, before = Rows(self._file), self._folder / Path(state["rows"]).name
            rows.take_over(before, state["count"], state["crc"])
            self._remove_rows(self._file, before)
            follower = Follower(*self._models, rows=rows)
            follower.restore(state["follower"])
            times = array("d", state["follower"]["times"])
            seen = {name: tuple(state["mark"][name]) for name in ("stamps", "checks")}
            notes = tuple((note, count) for note, count in state["mark"]["notes"])
            return open_video(
                self._path, after=Mark(**state["mark"] | seen | {"times": times, "notes": notes})
            ), follower
        except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
            self.notes.append(f"the state of an earlier pass was of no use ({error}): all were followed anew")
            if rows:
                rows.close()
            return None

    def keep(self, video: Video, follower: Follower) -> None:
        """Write down the state, if it is time; raises OSError."""
        if time.monotonic() - self._since >= EVERY:
            self.save(video, follower)
            self._since = time.monotonic()

    def save(self, video: Video, follower: Follower) -> None:
        """Write down how far the pass is; raises OSError."""
        state, mark = follower.state(), vars(video.mark()) | {"times": None}
        rows = {"rows": self._file.name, "count": follower.rows.count, "crc": follower.rows.crc}
        tensors: dict[str, Tensor] = {}
        about = _packed({"key": self._its_key(), "follower": state, "mark": mark, **rows}, tensors)
        self._shelf.save(STATE, STATE, tensors, about)
        self._remove_rows(self._file)

    def clear(self) -> None:
        """Leave the folder empty; what another program holds open may stay."""
        self._remove_rows()
        place = self._shelf.place(STATE)
        for file in place.iterdir():
            with suppress(OSError):
                file.unlink()
        with suppress(OSError):
            place.rmdir()

    def _remove_rows(self, *but: Path) -> None:
        """Remove what passes have left that came to an end."""
        for file in self._folder.glob(ROWS):
            if file not in but:
                with suppress(OSError):
                    file.unlink()

    def _its_key(self) -> str:
        """Of the video's content and all that decides what is seen in it."""
        if self._key is None:
            models = [f"{type(model).__module__}.{type(model).__qualname__}" for model in self._models]
            self._key = stages.key(stages.content_key(self._path), __version__, asdict(Following()), models)
        return self._key


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
