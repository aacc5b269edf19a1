"""What is to be done: each video's results by name and key, and which of them are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

from vibe import cache
from vibe.batch.manifest import MOTION, RENDERS, SUMMARY, Manifest, result_keys
from vibe.batch.report import Outcome, failed_outcome, found_outcome
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
    copy_of: str = ""
    """The source whose results are this one's too, since both videos are the same."""


@dataclass(frozen=True)
class Plan:
    """What is to be done with many videos."""

    jobs: tuple[VideoJob, ...]
    outcomes: Mapping[str, Outcome]
    """Of the videos with which nothing is to be done, by source."""
    duplicates: tuple[VideoJob, ...]
    """Videos that are the same as others, whose results are copied."""
    order: tuple[str, ...]
    """All sources, as they were given."""
    done: Mapping[str, str]
    """Where the results of a key are already."""
    finished: tuple[str, ...]
    """Contents of videos whose results are there, and whose stages were not to be kept."""

    def complete(self, answers: Sequence[Outcome]) -> list[Outcome]:
        """One outcome for each video, in order; what has no answer is left."""
        known = {**self.outcomes, **{outcome.video: outcome for outcome in answers}}
        return [known.get(video, Outcome(video, "left", "the run was interrupted")) for video in self.order]


Found = tuple[Manifest, tuple[str, ...]]
"""Results that are there, and which of their files are whole and right."""
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
    there = list(store.manifests())
    sums = _sums(sources, there, progress)
    right = {} if again else _right(there, store, key, {each[0] for each in sums.values() if isinstance(each, tuple)})
    contents = {source.name: known[0] for source in sources if isinstance(known := sums[source.name], tuple)}
    assigned = _assigned(sources, contents, right)
    outcomes = {name: each for name, each in sums.items() if isinstance(each, Outcome)}
    complete: dict[str | None, str] = {}
    for source in sources:
        manifest, whole = assigned.get(source.name, (None, ()))
        if manifest and set(files) <= set(whole):
            outcomes[source.name] = found_outcome(source.name, store.name(manifest.place), manifest)
            complete.setdefault(contents[source.name], source.name)
    jobs: list[VideoJob] = []
    for source in sources:
        if source.name in outcomes:
            continue
        content, mark = cast(tuple[str | None, str], sums[source.name])
        manifest, whole = assigned.get(source.name, (None, ()))
        first = complete.setdefault(content, source.name) if content else source.name
        missing = tuple(name for name in files if name not in whole)
        copy_of = first if first != source.name else ""
        jobs.append(VideoJob(source, manifest.place if manifest else "", content, mark, missing, copy_of))
    taken = {manifest.place for manifest, _ in assigned.values()}
    placed = _placed(jobs, taken, {manifest.place: manifest.content for manifest in there})
    return Plan(
        tuple(job for job in placed if not job.copy_of),
        outcomes,
        tuple(job for job in placed if job.copy_of),
        tuple(source.name for source in sources),
        {manifest.keys[MOTION]: manifest.place for manifest in there if MOTION in manifest.keys},
        tuple(manifest.content for manifest, _ in assigned.values() if not manifest.stages),
    )


def _assigned(
    sources: Sequence[VideoSource], contents: Mapping[str, str | None], right: Mapping[str, list[Found]]
) -> dict[str, Found]:
    """The results that each video has: those made of it under its name, else any of its content that are left."""
    left = {content: list(found) for content, found in right.items()}
    assigned: dict[str, Found] = {}
    for named in (True, False):
        for source in sources:
            found = left.get(contents.get(source.name) or "", [])
            match = next((each for each in found if not named or each[0].source == source.label), None)
            if match and source.name not in assigned:
                found.remove(match)
                assigned[source.name] = match
    return assigned


def _sums(sources: Sequence[VideoSource], there: Iterable[Manifest], progress: Progress | None) -> Sums:
    """SHA-256 of each local video's bytes; of one in a store what the summaries tell of that stamp."""
    before = {(each.source, each.stamp): each.content for each in there if each.stamp}
    found: dict[str, tuple[str | None, str] | Outcome] = {}
    for number, source in enumerate(sources):
        if progress:
            progress("looking", number, len(sources))
        try:
            if source.remote:
                mark = Storage(source.name).stamp()
                found[source.name] = before.get((source.label, mark)), mark
            elif local(source.name).is_file() or local(source.name).is_dir():
                found[source.name] = cache.content_key(local(source.name)), ""
            else:
                found[source.name] = failed_outcome(source.name, "it is no file: give a video file")
        except OSError as error:
            found[source.name] = failed_outcome(source.name, one_line(error))
    return found


def _right(
    there: Iterable[Manifest], store: OutputStorage, key: Callable[[str], str], contents: set[str | None]
) -> dict[str, list[Found]]:
    """By content: the results that the videos would have, those with most files first."""
    found: dict[str, list[Found]] = {}
    for manifest in there:
        if manifest.content not in contents or manifest.keys.get(MOTION) != (result := key(manifest.content)):
            continue
        keys = result_keys(result)
        whole = tuple(name for name in store.whole(manifest) if manifest.keys.get(name) == keys.get(name))
        if MOTION in whole:
            found.setdefault(manifest.content, []).append((manifest, whole))
    return {content: sorted(each, key=lambda one: -len(one[1])) for content, each in found.items()}


def _placed(jobs: Sequence[VideoJob], taken: set[str], contents: Mapping[str, str]) -> list[VideoJob]:
    """The jobs with their places, by the video's name; where that is taken by another video it gets a number.

    A video whose older results are in such a place keeps it.
    """
    used = {place.casefold() for place in taken}
    places = {job.source.name: job.place for job in jobs if job.place}
    for older in (True, False):
        for job in jobs:
            if job.source.name in places or (older and job.content is None):
                continue
            names = islice(_names(job.source), len(jobs) + len(taken) + 1)  # so many at most are taken
            free = (name for name in names if name.casefold() not in used)
            place = next((name for name in free if not older or contents.get(name) == job.content), None)
            if place:
                places[job.source.name] = place
                used.add(place.casefold())
    return [replace(job, place=places[job.source.name]) for job in jobs]


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
