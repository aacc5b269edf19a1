"""From a set's original downloads to a store of clips: one loop for every set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vibe import assets
from vibe.data.recording import RawJob, RawSet, Recording
from vibe.data.writer import StoreWriter
from vibe.parallel import Begin, Worker, one_thread, run_tasks
from vibe.records import Progress

Outcome = tuple[list[Recording], str | None]
"""What a job gave, and what it said when it could not go on."""

DONE = ".jobs"
"""Names of the jobs that are done in a store that is not finished; only saves a second run their work."""
MOST_NAMED = 20
"""Drops that the error of a strict run names."""


@dataclass(frozen=True)
class Prepared:
    """What became of a raw set."""

    recordings: int
    rows: int
    """Frames of all recordings."""
    dropped: Mapping[str, str]
    """Names of what was left out, with the reason."""


def prepare(
    name: str,
    raw_set: RawSet,
    raw: Path,
    out: Path,
    strict: bool = False,
    progress: Progress | None = None,
    workers: int = 1,
) -> Prepared:
    """Make a store of a set's raw folder; goes on where it was killed, and changes nothing in a store that is finished.

    Several workers, processes of this machine, make the same store as one. What can't be read is left out, with the
    reason. With `strict` it is a ValueError at the end instead: the store stays unfinished, and once the raw files are
    mended the same call goes on with those. Raises FileNotFoundError if the raw folder or what it must hold is missing,
    ValueError if the folder was begun from other files.
    """
    if not raw.is_dir():
        seen = "is a file: unpack it and" if raw.exists() else "is not there:"
        raise FileNotFoundError(f"{raw} {seen} give the folder of {raw_set.title}, which holds {raw_set.layout}")
    jobs = list(raw_set.jobs(raw))
    if not jobs:
        raise FileNotFoundError(f"{raw} holds nothing of {raw_set.title}, which looks like this: {raw_set.layout}")
    recipe = {"set": name, **raw_set.recipe}
    with StoreWriter(out, raw_set.licence, recipe, checksums(raw, raw_set.sources(raw), progress)) as store:
        refused: dict[str, str] = {}
        if not store.finished:
            spread = partial(_one_by_one, jobs)
            if workers > 1:
                spread = partial(_by_workers, jobs, partial(_begin_worker, raw_set.jobs, raw), workers)
            with one_thread():
                _read_all(jobs, store, refused.__setitem__ if strict else store.drop, spread, progress)
        dropped = {**store.dropped, **refused}
        if strict and dropped:
            raise ValueError(dropped_message(dropped))
        (out / DONE).unlink(missing_ok=True)
    return Prepared(store.kept, store.rows, dropped)


def checksums(raw: Path, files: Iterable[Path], progress: Progress | None = None) -> dict[str, str]:
    """SHA-256 of each file, by its path below the raw folder; raises OSError."""
    paths = sorted(files)
    found = {}
    for done, path in enumerate(paths):
        if progress:
            progress("checksums", done, len(paths))
        found[path.relative_to(raw).as_posix()] = assets.sha256(path)
    return found


def _read_all(
    jobs: list[RawJob],
    store: StoreWriter,
    drop: Callable[[str, str], None],
    spread: Callable[[list[int]], Iterator[RawJob]],
    progress: Progress | None,
) -> None:
    """Every job that is not done yet; those that nothing was dropped from are noted as done."""
    path = store.folder / DONE
    before = set(path.read_text(encoding="utf-8").splitlines()) if path.exists() else set()
    left = [at for at, job in enumerate(jobs) if job.name not in before and job.name not in store.dropped]
    with path.open("a", encoding="utf-8") as done:
        for count, job in enumerate(spread(left)):
            if progress:
                progress("recordings", count, len(left))
            if _read(job, store, drop):
                done.write(job.name + "\n")
                done.flush()


def _one_by_one(jobs: list[RawJob], left: list[int]) -> Iterator[RawJob]:
    """The jobs that are left, in their order."""
    return (jobs[at] for at in left)


def _by_workers(jobs: list[RawJob], begin: Begin[int, Outcome], workers: int, left: list[int]) -> Iterator[RawJob]:
    """The same, each done by a worker before it comes; what it raised is raised when the job is read."""
    outcomes: dict[int, Outcome] = {}
    answers = run_tasks(begin, left, workers)
    for turn, at in enumerate(left):
        while turn not in outcomes:
            number, outcomes[number] = next(answers)
        yield RawJob(jobs[at].name, partial(_replay, *outcomes.pop(turn)))


def _begin_worker(find: Callable[[Path], Iterator[RawJob]], raw: Path, _: Worker) -> Callable[[int], Outcome]:
    """A worker that does the job of a number."""
    jobs = list(find(raw))

    def work(at: int) -> Outcome:
        recordings: list[Recording] = []
        try:
            with one_thread():
                recordings.extend(jobs[at].read())
        except (ValueError, OSError) as error:
            return recordings, _sentence(error)
        return recordings, None

    return work


def _replay(recordings: list[Recording], error: str | None) -> Iterator[Recording]:
    yield from recordings
    if error is not None:
        raise ValueError(error)


def _read(job: RawJob, store: StoreWriter, drop: Callable[[str, str], None]) -> bool:
    """Add what a job has; whether nothing of it was dropped."""
    whole, reading = True, None
    while True:
        try:
            reading = iter(job.read()) if reading is None else reading
            recording = next(reading, None)
        except (ValueError, OSError) as error:
            drop(_free(job.name, store), _sentence(error))
            return False
        if recording is None:
            return whole
        # A store that cannot be written, on a full disk say, is no fault of the recording: OSError ends the run.
        try:
            store.add(recording)
        except ValueError as error:
            drop(_free(recording.name, store), _sentence(error))
            whole = False


def _free(name: str, store: StoreWriter) -> str:
    """A name for what was dropped that is not that of a recording which was kept."""
    return f"{name} (in part)" if name in store and name not in store.dropped else name


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())


def dropped_message(dropped: Mapping[str, str]) -> str:
    """What the error of a strict run says: what could not be read, and why."""
    named = "; ".join(f"{name}: {reason}" for name, reason in list(dropped.items())[:MOST_NAMED])
    more = f"; and {len(dropped) - MOST_NAMED} more" if len(dropped) > MOST_NAMED else ""
    return f"not all could be kept: {named}{more}. Mend the raw files and try again, or leave out --strict"
