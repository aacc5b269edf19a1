"""Who is found in the shared videos, and how steadily they are followed.

    python benchmarks/tracking.py [--table FILE]

A jump is the largest step of a box from one frame to the next, over the box's height: a number that goes from one
person to another shows as a step of half a height or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import report
import tyro

from vibe.inference import track as following
from vibe.records import Track

FOLDER = Path("../shared/data/videos")
VIDEOS = ("balancing/cam01.mp4", "balancing/cam02.mp4", "two_people/cam01.mp4", "street/street.mp4")


@dataclass(frozen=True)
class Options:
    table: Path | None = None


def jump(track: Track) -> float:
    """Largest step of the box's centre between neighbouring frames, in box heights."""
    if len(track.frames) < 2:
        return 0.0
    steps = track.box_px[:, :2].diff(dim=0).norm(dim=-1) / track.box_px[1:, 3] / track.frames.diff()
    return float(steps.max())


def main(options: Options) -> None:
    rows = []
    for name in VIDEOS:
        found = following.track_video(FOLDER / name)
        clip, tracks = found.clip, found.tracks
        for number, track in enumerate(tracks, start=1):
            filled = int((track.confidence == 0).sum())
            span = f"{int(track.frames[0])} to {int(track.frames[-1])}"
            share = f"{100 * len(track.frames) / len(clip.timestamps):.0f} %"
            confidence = f"{float(track.confidence.mean()):.2f}"
            rows.append([name, number, span, len(track.frames), share, filled, confidence, f"{jump(track):.3f}"])
    report.table(
        "People found in the shared videos",
        ["video", "person", "frames", "count", "share of the video", "filled in", "mean confidence", "largest jump"],
        rows,
        "Default detector and follower",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
