"""Kinetics-400: videos of human actions; the paper trains on pseudo ground truth of them, here by our own detector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vibe.data.raw import Job, RawSet
from vibe.data.sets import followed

LAYOUT = "train/ and val/ (also as videos_train, train_256 ...), with the videos in them or in folders of actions below"


def jobs(raw: Path) -> Iterator[Job]:
    """A job for each video of a split; raises FileNotFoundError if there is none."""
    found = [(path, followed.split(path, raw)) for path in followed.videos(raw)]
    if not any(split for _, split in found):
        raise FileNotFoundError(f"{raw} has no videos of Kinetics-400, which lie there as {LAYOUT}")
    yield from (followed.job(path, raw, split) for path, split in found if split)


KINETICS = RawSet(
    title="Kinetics-400",
    licence="Kinetics-400: Google's annotations are CC BY 4.0; the videos belong to those who put them on YouTube.",
    layout=LAYOUT,
    jobs=jobs,
    sources=followed.no_sources,
    recipe=followed.RECIPE,
)
