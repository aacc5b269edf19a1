"""summary.json: what was found in a video and what it cost, and which results are there already."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibe import __version__, assets, cache
from vibe.cameras import angle_of_view
from vibe.records import world_sentence

if TYPE_CHECKING:
    from vibe.motion import Result


MOTION, OVERLAY, PAGE, SUMMARY = "motion.npz", "overlay.mp4", "page.html", "summary.json"
RENDERS = (OVERLAY, PAGE)
LARGEST = 1 << 24
"""Bytes of a summary."""


def write_summary(
    path: Path, result: Result, seconds: Mapping[str, float], files: Sequence[str], origin: Mapping[str, Any]
) -> None:
    """Write the summary whole or not at all; raises OSError.

    `seconds` is the work that each stage took, `files` the names of what was written beside it, `origin` what tells
    whether it would come out the same again (docs/conventions.md).
    """
    from vibe.inference.uncertainty import doubtful_stretches

    clip, people, doubtful = result.clip, [], []
    for person, motion in enumerate(result.people, start=1):
        seen = motion.confidence[motion.confidence > 0]  # others were filled in
        coverage = len(motion.frames) / max(len(clip.timestamps), 1)
        mean = float(seen.mean()) if len(seen) else 0.0
        row = {"person": person, "frames": len(motion.frames), "coverage": round(coverage, 4)}
        walks = motion.contacts is not None and motion.space == "world"
        walk = motion.gait().summary if walks else {"steps": 0}
        steps = {name: round(value, 4) for name, value in walk.items()} if walk["steps"] else {}
        people.append(row | {"confidence": round(mean, 4)} | steps)
        for doubt in doubtful_stretches(motion, result.camera):
            span = {"start_s": round(doubt.start, 3), "end_s": round(doubt.end, 3)}
            doubtful.append({"person": person, **span, "cause": doubt.cause})
    content = {
        "video": str(clip.path),
        "width_px": clip.width,
        "height_px": clip.height,
        "fps": round(clip.fps, 6),
        "frames": len(clip.timestamps),
        "damaged_packets": clip.damaged,
        "camera": {"fov_deg": round(angle_of_view(result.camera), 2), "source": result.camera.source},
        "people": people,
        "doubtful": doubtful,
        "world": None if result.world is None else result.world.about,
        "notes": list(result.notes),
        "seconds": {stage: round(spent, 3) for stage, spent in seconds.items()},
        "body": asdict(result.body),
        "weights": asdict(result.weights),
        "files": list(files),
        "vibe_version": __version__,
        **origin,
    }
    write_json(path, content)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a summary's content; raises OSError."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    assets.write_whole(path, text.encode("utf-8", "backslashreplace"))


@dataclass(frozen=True)
class Manifest:
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
    sha256: Mapping[str, str]
    """Of each file: SHA-256 of its bytes."""
    keys: Mapping[str, str]
    """Of each file: what it depends on."""
    bytes: Mapping[str, int]
    """Of each file: its size."""
    stages: bool
    """Whether the stages of its making were to be kept."""


def result_keys(result: str) -> dict[str, str]:
    """What each file depends on, if the motion depends on `result`."""
    return {MOTION: result} | {name: cache.key(name, result) for name in RENDERS}


def read_manifest_summary(place: str, text: bytes) -> Manifest | None:
    """The results that a summary tells of; None if it tells of none, or is damaged."""
    try:
        summary = json.loads(text)
        source, keys, sizes, sums = summary["source"], summary["keys"], summary["bytes"], summary["sha256"]
        given = [source["sha256"], source["path"], source["stamp"], *(sums[name] for name in sizes), *keys.values()]
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
        told_world(summary)
        return Manifest(
            place=place, summary=summary, content=source["sha256"], source=source["path"], stamp=source["stamp"],
            sha256=sums, keys=keys, bytes=sizes, stages=summary["stages"] is True,
        )  # fmt: skip
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def told_world(summary: Mapping[str, Any]) -> str:
    """How the world is known, as a sentence; empty if none is known. Raises as `world_sentence` does."""
    about = summary.get("world")
    return "" if about is None else world_sentence(about)
