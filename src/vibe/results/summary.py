"""summary.json: what was found in a video and what it cost, for people and programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vibe import __version__, assets
from vibe.motion import Result


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    person: int
    """Counted from 1, as in motion.npz."""
    frames: int
    coverage: float
    """Share of the video's frames, 0 to 1."""
    confidence: float
    """Mean confidence of the 2D keypoints over the frames that were not filled in, 0 to 1."""


def rows(result: Result) -> tuple[Row, ...]:
    """One for each person, in the file's order."""
    length = max(len(result.clip.timestamps), 1)
    table = []
    for person, motion in enumerate(result.people, start=1):
        seen = motion.confidence[motion.confidence > 0]
        mean = float(seen.mean()) if len(seen) else 0.0
        table.append(Row(person, len(motion.frames), len(motion.frames) / length, mean))
    return tuple(table)


def write_summary(
    path: Path, result: Result, seconds: Mapping[str, float], files: Sequence[str], origin: Mapping[str, Any]
) -> None:
    """Write the summary whole or not at all; raises OSError.

    `seconds` is the work that each stage took, `files` the names of what was written beside it, `origin` what tells
    whether it would come out the same again (docs/conventions.md).
    """
    clip = result.clip
    content = {
        "video": str(clip.path),
        "width_px": clip.width,
        "height_px": clip.height,
        "fps": round(clip.fps, 6),
        "frames": len(clip.timestamps),
        "damaged_packets": clip.damaged,
        "people": [
            {
                "person": row.person,
                "frames": row.frames,
                "coverage": round(row.coverage, 4),
                "confidence": round(row.confidence, 4),
            }
            for row in rows(result)
        ],
        "notes": list(result.notes),
        "seconds": {stage: round(spent, 3) for stage, spent in seconds.items()},
        "body": asdict(result.body),
        "weights": asdict(result.weights),
        "files": list(files),
        "vibe_version": __version__,
        **origin,
    }
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    assets.write_whole(Path(path), text.encode("utf-8", "backslashreplace"))
