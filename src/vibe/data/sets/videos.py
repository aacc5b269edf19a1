"""Any folder of videos, with pseudo ground truth by our own detector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vibe.data.raw import Job, RawSet
from vibe.data.sets import followed
from vibe.video import SUFFIXES

LAYOUT = (
    "videos, in folders as you like; those below a folder called train, val or test are of that split, others train"
)


def jobs(raw: Path) -> Iterator[Job]:
    """A job for each video; raises FileNotFoundError if there is none."""
    found = [followed.job(path, raw, followed.split(path, raw) or "train") for path in followed.videos(raw)]
    if not found:
        raise FileNotFoundError(f"{raw} holds no video ({', '.join(sorted(SUFFIXES))}): it may hold {LAYOUT}")
    yield from found


VIDEOS = RawSet(
    title="Videos",
    licence="Your own videos: they keep the licence that they have, and so does what is made of them.",
    layout=LAYOUT,
    jobs=jobs,
    sources=followed.no_sources,
    recipe=followed.RECIPE,
)
