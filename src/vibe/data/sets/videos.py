"""Kinetics-400, and any folder of videos, with pseudo ground truth by our own detector."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vibe.data.recording import RawJob, RawSet
from vibe.data.sets import pseudo_labels
from vibe.video import SUFFIXES

LAYOUT = (
    "videos, in folders as you like; those below a folder called train, val or test are of that split, others train"
)


def folder_jobs(raw: Path) -> Iterator[RawJob]:
    """A job for each video; raises FileNotFoundError if there is none."""
    found = [
        pseudo_labels.job(path, raw, pseudo_labels.split(path, raw) or "train") for path in pseudo_labels.videos(raw)
    ]
    if not found:
        raise FileNotFoundError(f"{raw} holds no video ({', '.join(sorted(SUFFIXES))}): it may hold {LAYOUT}")
    yield from found


VIDEOS = RawSet(
    title="Videos",
    licence="Your own videos: they keep the licence that they have, and so does what is made of them.",
    layout=LAYOUT,
    jobs=folder_jobs,
    sources=pseudo_labels.no_sources,
    recipe=pseudo_labels.RECIPE,
)


KINETICS_LAYOUT = (
    "train/ and val/ (also as videos_train, train_256 ...), with the videos in them or in folders of actions below"
)


def kinetics_jobs(raw: Path) -> Iterator[RawJob]:
    """A job for each video of a split; raises FileNotFoundError if there is none."""
    found = [(path, pseudo_labels.split(path, raw)) for path in pseudo_labels.videos(raw)]
    if not any(split for _, split in found):
        raise FileNotFoundError(f"{raw} has no videos of Kinetics-400, which lie there as {KINETICS_LAYOUT}")
    yield from (pseudo_labels.job(path, raw, split) for path, split in found if split)


KINETICS = RawSet(
    title="Kinetics-400",
    licence="Kinetics-400: Google's annotations are CC BY 4.0; the videos belong to those who put them on YouTube.",
    layout=KINETICS_LAYOUT,
    jobs=kinetics_jobs,
    sources=pseudo_labels.no_sources,
    recipe=pseudo_labels.RECIPE,
)
