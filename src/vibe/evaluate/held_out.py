"""The open benchmark's clips: which, how long, and the checksum of their numbers; listed in `open_benchmark.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from vibe.data import motion

LISTING = Path(__file__).with_name("open_benchmark.json")


@dataclass(frozen=True)
class HeldOut:
    """One clip of the motion file; its subject is one of `vibe.data.motion.HELD_OUT`."""

    name: str
    frames: int
    """Of the whole clip, at 30 a second."""
    sha256: str
    """Of its numbers (`clip_checksum`)."""


@dataclass(frozen=True)
class Listing:
    """What the benchmark is made of."""

    motion: str
    """Name of the motion file."""
    views: int
    """Cameras for each clip."""
    longest: int
    """Frames of a clip that are used, from its middle."""
    clips: tuple[HeldOut, ...]
    sha256: str
    """Of the benchmark's arrays (`checksum`)."""


def read_listing(path: Path | None = None) -> Listing:
    """The committed list, or another one in its form."""
    given = json.loads((path or LISTING).read_text(encoding="utf-8"))
    clips = tuple(HeldOut(**clip) for clip in given.pop("clips"))
    return Listing(clips=clips, **given)


def read_clips(path: Path, listing: Listing) -> dict[str, tuple[Float[Array, "time 72"], Float[Array, "time 3"]]]:
    """Poses (axis-angle, y up) and places in metres of the listed clips, as the motion file holds them.

    Raises ValueError if the file lacks a clip or holds other numbers than those listed.
    """
    poses, trans, offsets, names = motion.read_clips(path)
    rows = {name: slice(*bounds) for name, *bounds in zip(names, offsets[:-1], offsets[1:], strict=True)}
    clips = {}
    for clip in listing.clips:
        if clip.name not in rows:
            raise ValueError(f"{path} has no clip {clip.name}: get the motion file that the benchmark was made of")
        part = rows[clip.name]
        seen = clip_checksum(poses[part], trans[part])
        if (len(poses[part]), seen) != (clip.frames, clip.sha256):
            raise ValueError(
                f"{path}: {clip.name} has {len(poses[part])} frames of SHA-256 {seen[:12]}, the benchmark has "
                f"{clip.frames} of {clip.sha256[:12]}: its numbers are not comparable with this file"
            )
        clips[clip.name] = poses[part], trans[part]
    return clips


def clip_checksum(poses: Float[Array, "time 72"], trans: Float[Array, "time 3"]) -> str:
    """SHA-256 of a clip's numbers."""
    return checksum({"poses": poses, "trans": trans})


def checksum(arrays: Mapping[str, Array]) -> str:
    """SHA-256 of arrays: their names, kinds, shapes and numbers, in order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{name} {plain.dtype.str} {plain.shape};".encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()
