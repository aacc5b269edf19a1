"""What a follower knows, as plain values and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy import ndarray as Array

from vibe.tracking.active_track import ActiveTrack
from vibe.tracking.pose_model import Landmarks
from vibe.tracking.tracklets import End, Stretch

ARRAYS = ("keypoints", "regions", "looks")
"""Of each frame of a person in sight."""


def person_state(person: ActiveTrack) -> dict[str, Any]:
    """A person in sight."""
    kept = {name: getattr(person, name) for name in ("number", "since", "frames", "times", "blocks")}
    kept |= {name: np.array(getattr(person, name)) for name in ARRAYS}
    return kept | {"last": dict(vars(person.last)), "first": person.first and dict(vars(person.first))}


def person_from(state: Mapping[str, Any]) -> ActiveTrack:
    """The person again; raises KeyError, TypeError or ValueError for what is none."""
    person = ActiveTrack(int(state["number"]), Landmarks(**state["last"]))
    person.since = float(state["since"])
    person.frames, person.times = list(state["frames"]), list(state["times"])
    person.keypoints, person.regions, person.looks = (list(state[name]) for name in ARRAYS)
    person.first = End(**state["first"]) if state["first"] else None
    person.blocks = tuple((first, count) for first, count in state["blocks"])
    return person


def stretches_state(stretches: Sequence[Stretch]) -> dict[str, Array]:
    """Those who are out of sight, as a few columns."""
    ends = [end for one in stretches for end in (one.first, one.last)]
    return {
        "blocks": np.array([block for one in stretches for block in one.blocks], np.int64).reshape(-1, 2),
        "blocks_each": np.array([len(one.blocks) for one in stretches], np.int64),
        "times": np.concatenate([np.empty(0), *(end.times for end in ends)]),
        "regions": np.concatenate([np.empty((0, 4), np.float32), *(end.region for end in ends)]),
        "times_each": np.array([len(end.times) for end in ends], np.int64),
        "looks": np.array([end.look for end in ends], np.float32).reshape(-1, 128),
    }


def stretches_from(state: Mapping[str, Any]) -> list[Stretch]:
    """The stretches again; raises KeyError, TypeError or ValueError for what is none."""
    times, regions = (_split(state[name], state["times_each"]) for name in ("times", "regions"))
    ends = [End(*values) for values in zip(times, regions, state["looks"], strict=True)]
    blocks = _split(state["blocks"], state["blocks_each"])
    return [
        Stretch(first, last, tuple((int(start), int(count)) for start, count in each))
        for first, last, each in zip(ends[::2], ends[1::2], blocks, strict=True)
    ]


def _split(values: Array, counts: Array) -> list[Array]:
    """Parts of these lengths, each in memory of its own."""
    stops = list(accumulate(int(count) for count in counts))
    return [values[stop - int(count) : stop].copy() for stop, count in zip(stops, counts, strict=True)]
