"""From a set's original downloads to a store of clips: one loop for every set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from vibe import assets
from vibe.data.recording import File, RawSet, Read, Recording
from vibe.data.writer import StoreWriter
from vibe.errors import one_line
from vibe.parallel import Worker, one_thread, run_tasks
from vibe.records import Progress

Found = Recording | str
"""What a file gives: its recordings, and last why it could not be read to its end."""

MOST_NAMED = 20
"""Drops that the error of a strict run names."""


def prepare(
    name: str,
    raw_set: RawSet,
    raw: Path,
    out: Path,
    strict: bool = False,
    progress: Progress | None = None,
    workers: int = 1,
) -> StoreWriter:
    """Make a store of a set's raw folder; goes on where it was killed, and changes nothing in a store that is finished.

    Returns the store's writer, which knows what was kept, dropped and noted. Several workers, processes of this
    machine, make the same store as one. What can't be read is left out, with the reason. With `strict` it is a
    ValueError at the end instead: the store stays unfinished, and once the raw files are mended the same call goes on
    with those. Raises FileNotFoundError if the raw folder or what it must hold is missing, ValueError if the folder was
    begun from other files.
    """
    if not raw.is_dir():
        seen = "is a file: unpack it and" if raw.exists() else "is not there:"
        raise FileNotFoundError(f"{raw} {seen} give the folder of {raw_set.title}, which holds {raw_set.layout}")
    files = raw_set.files(raw)
    if not any(path.exists() for _, path in files):
        raise FileNotFoundError(f"{raw} holds nothing of {raw_set.title}, which looks like this: {raw_set.layout}")
    sources = set() if raw_set.beside is None else {path for _, path in files if path.exists()}
    sources.update(path for pattern in raw_set.beside or () for path in raw.glob(pattern))
    recipe = {"set": name, **raw_set.recipe}
    with StoreWriter(out, raw_set.licence, recipe, checksums(raw, sources, progress)) as store:
        refused: dict[str, str] = {}
        drop = refused.__setitem__ if strict else store.drop
        skipped = store.done | store.dropped.keys()
        left = [file for file in files if file[0] not in skipped] if not store.finished else []
        for count, found in enumerate(_in_order(raw_set.read, raw, left, workers)):
            if progress:
                progress("recordings", count, len(left))
            _keep(store, left[count][0], found, drop)
        if strict and (dropped := {**store.dropped, **refused}):
            raise ValueError(dropped_message(dropped))
    return store


def checksums(raw: Path, files: Iterable[Path], progress: Progress | None = None) -> dict[str, str]:
    """SHA-256 of each file, by its path below the raw folder; raises OSError."""
    paths = sorted(files)
    found = {}
    for done, path in enumerate(paths):
        if progress:
            progress("checksums", done, len(paths))
        found[path.relative_to(raw).as_posix()] = assets.sha256(path)
    return found


def _keep(store: StoreWriter, file: str, found: Sequence[Found], drop: Callable[[str, str], None]) -> None:
    """What a file gave, into the store; the file is done unless something was dropped."""
    whole = True
    for each in found:
        # That the store can't be written, on a full disk say, is no fault of a recording: OSError ends the run.
        try:
            if isinstance(each, str):
                raise ValueError(each)
            store.add(each)
        except ValueError as error:
            name = each.name if isinstance(each, Recording) else file
            # What was dropped is not called as a recording is that was kept.
            kept = name in store and name not in store.dropped
            drop(f"{name} (in part)" if kept else name, one_line(error))
            whole = False
    if whole:
        store.note_done(file)


def _in_order(read: Read, raw: Path, files: Sequence[File], workers: int) -> Iterator[list[Found]]:
    """What each file gives; several workers read files that come later before."""
    waiting: dict[int, list[Found]] = {}
    answers = run_tasks(partial(_begin, read, raw), files, workers if workers > 1 else 0)
    for turn in range(len(files)):
        while turn not in waiting:
            number, waiting[number] = next(answers)
        yield waiting.pop(turn)


def _begin(read: Read, raw: Path, _: Worker) -> Callable[[File], list[Found]]:
    return partial(_found, read, raw)


def _found(read: Read, raw: Path, file: File) -> list[Found]:
    found: list[Found] = []
    name, path = file
    try:
        if not path.exists():
            raise FileNotFoundError(
                f"there is no {path}: add it, or give it back its name (`vibe prepare list` tells them)"
            )
        with one_thread():
            found.extend(read(raw, name, path))
    except (ValueError, OSError) as error:
        found.append(one_line(error))
    return found


def dropped_message(dropped: Mapping[str, str]) -> str:
    """What the error of a strict run says: what could not be read, and why."""
    named = "; ".join(f"{name}: {reason}" for name, reason in list(dropped.items())[:MOST_NAMED])
    more = f"; and {len(dropped) - MOST_NAMED} more" if len(dropped) > MOST_NAMED else ""
    return f"not all could be kept: {named}{more}. Mend the raw files and try again, or leave out --strict"
