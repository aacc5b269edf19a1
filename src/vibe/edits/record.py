"""Corrections as their file has them, and everybody's evidence once they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vibe.records import Track
from vibe.skeletons import BLAZEPOSE


@dataclass(frozen=True)
class EditedVideo:
    """The video whose motion is corrected, the first of several; edits of another one are refused."""

    sha256: str
    """Of its content (`vibe.cache.content_key`), or of several videos' together."""
    frames: int
    width: int
    """Pixels of the upright picture."""
    height: int
    """Pixels of the upright picture."""


@dataclass(frozen=True)
class Edit:
    """One correction."""

    kind: str
    """A key of `vibe.edits.apply.EDITS`."""
    values: Mapping[str, Any]
    """What that function asks for, by the names of its parameters."""


@dataclass(frozen=True)
class Edits:
    """All corrections of one video's motion, in the order in which they are made."""

    video: EditedVideo
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class CorrectedPerson:
    """One person's evidence with what was said of it by hand, row by row of the track."""

    track: Track
    stands: Bool[Tensor, "time 2"]
    """Whether somebody said that the left and the right foot stand."""
    on_floor: Bool[Tensor, "time"]
    """Whether somebody said that the lower foot is on the floor."""
    placed: Bool[Tensor, "time 33"]
    """Which of `skeletons.BLAZEPOSE` somebody put where they are."""
    name: str = ""

    @classmethod
    def of(cls, track: Track) -> CorrectedPerson:
        """Somebody of whom nothing was said."""
        none = torch.zeros(len(track.frames), len(BLAZEPOSE), dtype=torch.bool)
        return cls(track, none[:, :2], none[:, 0], none)

    def at(self, rows: Bool[Tensor, "time"]) -> CorrectedPerson:
        """The person in some of their frames."""
        return combined([self], [rows])


@dataclass(frozen=True)
class Corrected:
    """Everybody in one video as they are after some corrections."""

    people: tuple[CorrectedPerson, ...]
    """Numbered 1, 2, ... in this order; the same in each of several videos, without rows where one never sees them."""
    timestamps: Float[Tensor, "frame"]
    """Seconds, of the whole video."""
    offset_s: float = 0.0
    """Added to a time of the first video gives that of the same moment in this one."""
    still: bool = False
    """Whether somebody said that the camera stands still."""

    @classmethod
    def of(cls, tracks: Sequence[Track], timestamps: Float[Tensor, "frame"], offset_s: float = 0.0) -> Corrected:
        """A video of which nothing was said."""
        return cls(tuple(map(CorrectedPerson.of, tracks)), timestamps, offset_s)


def combined(people: Sequence[CorrectedPerson], rows: Sequence[Bool[Tensor, "_"]]) -> CorrectedPerson:
    """Some rows of each of several people's as the first one's; of frames that two have the earlier's."""
    tracks = [one.track for one in people]
    frames = torch.cat([track.frames[mine] for track, mine in zip(tracks, rows, strict=True)])
    order = torch.from_numpy(np.unique(frames.numpy(), return_index=True)[1])

    def together(records: Sequence[Any], name: str) -> Any:
        parts = [getattr(record, name) for record in records]
        if not isinstance(parts[0], Tensor):
            return parts[0]
        return torch.cat([part[mine] for part, mine in zip(parts, rows, strict=True)])[order]

    track = Track(**{field.name: together(tracks, field.name) for field in fields(Track)})
    said = {field.name: together(people, field.name) for field in fields(CorrectedPerson) if field.name != "track"}
    return replace(people[0], track=track, **said)
