"""What is to be done: each video's results by name and key, and which of them are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vibe import cache
from vibe.batch.manifest import MOTION, RENDERS, SUMMARY, Kept, result_keys
from vibe.batch.report import Outcome, failed_outcome, skipped_outcome
from vibe.batch.sources import VideoSource
from vibe.batch.storage import OutputStorage, Storage, local
from vibe.errors import one_line

if TYPE_CHECKING:
    from vibe.records import Progress

RESERVED = {MOTION, *RENDERS, SUMMARY, "report.csv", "report.json"}
"""Names of files that no video's folder may have."""


@dataclass(frozen=True)
class VideoJob:
    """A video to work on."""

    source: VideoSource
    place: str
    """The folder of its results below OUT, with forward slashes."""
    content: str | None
    """SHA-256; None of a video in a store, until it is fetched."""
    stamp: str
    """What its store says of its content; empty of a local one."""
    make: tuple[str, ...]
    """Files to make; without motion.npz the one that is there is right."""


@dataclass(frozen=True)
class Plan:
    """What is to be done with many videos."""

    jobs: tuple[VideoJob, ...]
    outcomes: Mapping[str, Outcome]
    """Of the videos with which nothing is to be done, by source."""
    twins: Mapping[str, str]
    """Of a video that is the same as another: the source of that one."""
    order: tuple[str, ...]
    """All sources, as they were given."""
    done: Mapping[str, str]
    """Where the results of a key are already."""
    finished: tuple[str, ...]
    """Contents of videos whose results are there, and whose stages were not to be kept."""


Sums = Mapping[str, tuple[str | None, str] | Outcome]
"""Of each source: SHA-256 and stamp of its content, or why it can't be read."""


def make_plan(
    sources: Sequence[VideoSource],
    store: OutputStorage,
    key: Callable[[str], str],
    files: Sequence[str],
    again: bool = False,
    progress: Progress | None = None,
) -> Plan:
    """What has to be made of `files` (motion.npz first), where `key` says what a video's motion depends on.

    What is there and right stays, be the video renamed since, unless it is to be done `again`. Raises OSError where the
    results can't be read.
    """
    there = list(store.kept())
    sums = _sums(sources, there, progress)
    right = {} if again else _right(there, store, key, {each[0] for each in sums.values() if isinstance(each, tuple)})
    outcomes: dict[str, Outcome] = {}
    twins: dict[str, str] = {}
    first: dict[str, str] = {}
    jobs: list[tuple[VideoSource, VideoJob]] = []
    for source in sources:
        known = sums[source.name]
        if isinstance(known, Outcome):
            outcomes[source.name] = known
            continue
        content, mark = known
        if content is not None and first.setdefault(content, source.name) != source.name:
            twins[source.name] = first[content]
            continue
        kept, whole = right.get(content or "", (None, ()))
        missing = tuple(name for name in files if name not in whole)
        if kept and not missing:
            outcomes[source.name] = skipped_outcome(source.name, store.name(kept.place), kept)
        else:
            jobs.append((source, VideoJob(source, kept.place if kept else "", content, mark, missing)))
    taken = {kept.place for kept, _ in right.values()}
    placed = list(_placed(jobs, taken, {kept.place: kept.content for kept in there}))
    done = {kept.keys[MOTION]: kept.place for kept in there if MOTION in kept.keys}
    finished = tuple(kept.content for kept, _ in right.values() if not kept.stages)
    return Plan(tuple(placed), outcomes, twins, tuple(source.name for source in sources), done, finished)


def _sums(sources: Sequence[VideoSource], there: Iterable[Kept], progress: Progress | None) -> Sums:
    """SHA-256 of each local video's bytes; of one in a store what the summaries tell of that stamp."""
    before = {(kept.source, kept.stamp): kept.content for kept in there if kept.stamp}
    found: dict[str, tuple[str | None, str] | Outcome] = {}
    for number, source in enumerate(sources):
        if progress:
            progress("looking", number, len(sources))
        try:
            if source.remote:
                mark = Storage(source.name).stamp()
                found[source.name] = before.get((source.label, mark)), mark
            elif local(source.name).is_file():
                found[source.name] = cache.content_key(local(source.name)), ""
            else:
                found[source.name] = failed_outcome(source.name, "it is no file: give a video file")
        except OSError as error:
            found[source.name] = failed_outcome(source.name, one_line(error))
    return found


def _right(
    there: Iterable[Kept], store: OutputStorage, key: Callable[[str], str], contents: set[str | None]
) -> dict[str, tuple[Kept, tuple[str, ...]]]:
    """By content: the results that the videos would have, and which of their files are whole and right."""
    found: dict[str, tuple[Kept, tuple[str, ...]]] = {}
    for kept in there:
        if kept.content not in contents or kept.keys.get(MOTION) != (result := key(kept.content)):
            continue
        keys = result_keys(result)
        whole = tuple(name for name in store.whole(kept) if kept.keys.get(name) == keys.get(name))
        if MOTION in whole and len(whole) > len(found.get(kept.content, (kept, ()))[1]):
            found[kept.content] = kept, whole
    return found


def _placed(
    jobs: Sequence[tuple[VideoSource, VideoJob]], taken: set[str], contents: Mapping[str, str]
) -> Iterator[VideoJob]:
    """The jobs with their places, by the video's name; where that is taken by another video it gets a number.

    A video whose older results are in such a place keeps it.
    """
    used = {place.casefold() for place in taken}
    own: dict[str, str] = {}
    for source, job in jobs:
        if not job.place and job.content is not None:
            with suppress(StopIteration):
                names = _names(source)
                near = (next(names) for _ in range(len(jobs) + len(taken) + 1))
                place = next(n for n in near if contents.get(n) == job.content and n.casefold() not in used)
                own[source.name] = place
                used.add(place.casefold())
    for source, job in jobs:
        place = job.place or own.get(source.name)
        if not place:
            place = next(name for name in _names(source) if name.casefold() not in used)
            used.add(place.casefold())
        yield replace(job, place=place)


def _names(source: VideoSource) -> Iterator[str]:
    """Names for the folder of a video's results, the best first."""
    stem = source.file.stem.strip(". ") or "video"
    folder = PurePosixPath(source.folder)
    if stem.casefold() not in RESERVED:
        yield (folder / stem).as_posix()
    number = 2
    while True:
        yield (folder / f"{stem}-{number}").as_posix()
        number += 1


def overwritten(job: VideoJob, store: OutputStorage, files: Sequence[str]) -> bool:
    """Whether a video would be replaced by its own results."""
    if job.source.remote:
        return any(store.name(f"{job.place}/{name}") == job.source.name for name in files)
    video = local(job.source.name).resolve()
    return any(Path(store.name(job.place), name).resolve() == video for name in files)
