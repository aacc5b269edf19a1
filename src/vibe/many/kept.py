"""Results that are there already, as their summary.json tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vibe import stages

MOTION, OVERLAY, PAGE, SUMMARY = "motion.npz", "overlay.mp4", "page.html", "summary.json"
RENDERS = (OVERLAY, PAGE)
LARGEST = 1 << 24
"""Bytes of a summary."""


@dataclass(frozen=True)
class Kept:
    """The results of one video."""

    place: str
    """Their folder below OUT, with forward slashes."""
    summary: Mapping[str, Any]
    content: str
    """SHA-256 of the video."""
    source: str
    """The video's path or URL when they were made."""
    stamp: str
    """What its store then said of its content; empty of a local file."""
    motion: str
    """SHA-256 of motion.npz."""
    keys: Mapping[str, str]
    """Of each file: what it depends on."""
    bytes: Mapping[str, int]
    """Of each file: its size."""
    stages: bool
    """Whether the stages of its making were to be kept."""

    def whole(self, sizes: Mapping[str, int]) -> tuple[str, ...]:
        """Those of its files that have their size, given all sizes that are there."""
        return tuple(name for name, size in self.bytes.items() if sizes.get(name) == size)


def keys_of(result: str) -> dict[str, str]:
    """What each file depends on, if the motion depends on `result`."""
    return {MOTION: result} | {name: stages.key(name, result) for name in RENDERS}


def understand(place: str, text: bytes) -> Kept | None:
    """The results that a summary tells of; None if it tells of none, or is damaged."""
    try:
        summary = json.loads(text)
        source, keys, sizes = summary["source"], summary["keys"], summary["bytes"]
        given = [source["sha256"], source["path"], source["stamp"], summary["motion_sha256"], *keys.values()]
        right = [
            MOTION in keys,
            all(isinstance(each, str) for each in given),
            all(isinstance(size, int) for size in sizes.values()),
            isinstance(summary["notes"], list),
            isinstance(summary["frames"], int),
            all(isinstance(summary[name][what], str) for name in ("body", "weights") for what in ("name", "licence")),
            all(isinstance(row[name], int | float) for row in summary["people"] for name in row),
        ]
        if not all(right):
            return None
        return Kept(
            place=place, summary=summary, content=source["sha256"], source=source["path"], stamp=source["stamp"],
            motion=summary["motion_sha256"], keys=keys, bytes=sizes, stages=summary["stages"] is True,
        )  # fmt: skip
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
