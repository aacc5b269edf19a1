"""From a set's original downloads to a store of clips: one loop for every set, and the writer that goes on where it was
killed.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np

import vibe
from vibe import assets
from vibe.assets.paths import only_writer
from vibe.data.recording import File, RawSet, Read, Recording, column_layout, columns_of
from vibe.data.store import INDEX, MANIFEST, SCHEMA, SEQUENCE_FIELDS, described, open_store, write_index
from vibe.errors import check_same, one_line, shorten
from vibe.parallel import Worker, one_thread, run_tasks
from vibe.records import Progress

JOURNAL = "unfinished.jsonl"
"""One line for each recording that is whole on disk; there until the manifest is."""


class StoreWriter:
    """Writes a store, one recording in memory at a time.

    A folder that was left unfinished, by an error or a kill, is gone on with after its last whole recording; in one
    that is finished nothing changes. Raises ValueError if the folder was begun from other sources or another recipe,
    OSError if another process is writing to it.

        with StoreWriter(folder, licence, recipe, sources) as store:
            for name in names:
                if name not in store:
                    store.add(read(name))
    """

    def __init__(self, folder: Path, licence: str, recipe: Mapping[str, Any], sources: Mapping[str, str]) -> None:
        """`licence` is one sentence, `recipe` plain values, `sources` the SHA-256 of each file that it is made from."""
        self.folder = Path(folder)
        about = {"schema": SCHEMA, "licence": licence, "recipe": dict(recipe), "sources": dict(sources)}
        self._about = json.loads(json.dumps(about))
        self.rows = 0
        """Frames so far."""
        self.kept: set[str] = set()
        """Names of the recordings so far."""
        self.dropped: dict[str, str] = {}
        """What was left out so far, with the reason."""
        self.notes: dict[str, str] = {}
        """By recording, what its file did not say and what was taken instead."""
        self.done: set[str] = set()
        """Raw files that nothing more is to be read from."""
        self.finished = False
        self._added: set[str] = set()
        self._files: dict[str, IO[bytes]] = {}
        self._journal: IO[bytes] | None = None
        self._lock = ExitStack()

    def __enter__(self) -> StoreWriter:
        with ExitStack() as lock:
            if not (self.folder / MANIFEST).exists():
                lock.enter_context(only_writer(self.folder))
            if not (self.folder / MANIFEST).exists():
                self._take_up()
            else:
                store = open_store(self.folder)
                self._refuse_another(store.manifest)
                self.finished, self.rows, self.kept = True, len(store), {each.name for each in store.sequences}
                self.dropped, self.notes = store.manifest["dropped"], store.manifest.get("notes", {})
                (self.folder / JOURNAL).unlink(missing_ok=True)
            self._lock = lock.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None and not self.finished:
                self._finish()
        finally:
            for file in (*self._files.values(), self._journal):
                if file is not None:
                    file.close()
            self._lock.close()

    def __contains__(self, name: str) -> bool:
        """Whether a recording is in the store, or was left out of it for a reason, already."""
        return name in self.kept or name in self.dropped

    def add(self, recording: Recording) -> None:
        """Append a recording that no earlier run wrote; raises ValueError for NaN, uneven parts, a name used before."""
        if recording.name in self._added:
            raise ValueError(f"recording {recording.name!r} comes twice: give each another name")
        self._added.add(recording.name)
        if recording.name in self.kept:
            return
        if self.finished:
            raise ValueError(f"{self.folder} is finished without recording {recording.name!r}: prepare another folder")
        rows = columns_of(recording)
        count = len(recording.frames)
        for name in rows.keys() - self._files.keys():
            path, header = self.folder / f"{name}.npy", _header(name, 0)
            path.write_bytes(header)
            os.truncate(path, len(header) + self.rows * _row_size(name))
            self._files[name] = self._behind_the_rows(name)
        for name, file in self._files.items():
            file.write(rows[name].data if name in rows else bytes(count * _row_size(name)))
            file.flush()
        K_px = None if recording.K_px is None else np.asarray(recording.K_px, float).ravel().tolist()
        line = {name: getattr(recording, name) for name in ("name", *SEQUENCE_FIELDS, "images", "note")}
        line |= {"K_px": K_px, "frames": recording.frames.tolist(), "columns": list(self._files)}
        self._write(line)
        self._count(line)

    def drop(self, name: str, reason: str) -> None:
        """Leave a recording out, and say so in the manifest."""
        if name not in self:
            if self.finished:
                raise ValueError(f"{self.folder} is finished and can't leave {name!r} out: prepare another folder")
            self.dropped[name] = reason
            self._write({"dropped": name, "reason": reason})

    def note_done(self, name: str) -> None:
        """Spare a run that takes this one up a raw file of which all recordings are in the store."""
        self.done.add(name)
        self._write({"done": name})

    def _write(self, line: Mapping[str, Any]) -> None:
        assert self._journal is not None
        self._journal.write(json.dumps(line).encode() + b"\n")
        self._journal.flush()

    def _count(self, line: Mapping[str, Any]) -> None:
        if "dropped" in line:
            self.dropped[line["dropped"]] = line["reason"]
        elif "done" in line:
            self.done.add(line["done"])
        else:
            self.kept.add(line["name"])
            self.rows += len(line["frames"])
            if line.get("note"):
                self.notes[line["name"]] = line["note"]

    def _refuse_another(self, its: Mapping[str, Any]) -> None:
        for name, value in self._about.items():
            check_same(self.folder, {name: its.get(name)}, {name: value}, name)

    def _take_up(self) -> None:
        """Go on after the last whole recording: what lies beyond it is cut off."""
        path = self.folder / JOURNAL
        if not path.exists():
            if left := [file.name for file in self.folder.iterdir() if not file.name.startswith(".")]:
                raise ValueError(f"{self.folder} holds {left[0]} and is no store: give an empty folder")
            assets.write_whole(path, json.dumps(self._about).encode() + b"\n")
        lines = path.read_bytes().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n")]
        self._refuse_another(json.loads(whole[0]))
        columns: list[str] = []
        for line in map(json.loads, whole[1:]):
            self._count(line)
            columns = line.get("columns", columns)
        for left in self.folder.glob("*.npy"):
            if left.stem not in columns:
                left.unlink()
        for name in columns:
            self._files[name] = self._behind_the_rows(name)
        os.truncate(path, sum(map(len, whole)))
        self._journal = path.open("ab")

    def _behind_the_rows(self, name: str) -> IO[bytes]:
        """A column's file, open behind the rows so far; raises ValueError if it does not hold them."""
        path, end = self.folder / f"{name}.npy", len(_header(name, 0)) + self.rows * _row_size(name)
        if not path.is_file() or path.stat().st_size < end:
            raise ValueError(
                f"{path} does not hold the {self.rows} rows that {JOURNAL} lists, so some were lost: delete "
                f"{self.folder} and prepare the set again"
            )
        file = path.open("r+b")
        file.truncate(end)
        file.seek(end)
        return file

    def _finish(self) -> None:
        """Headers with the true length, the index, and last the manifest."""
        for name, file in self._files.items():
            file.seek(0)
            file.write(_header(name, self.rows))
            file.flush()
            os.fsync(file.fileno())
        recordings = [json.loads(line) for line in (self.folder / JOURNAL).read_bytes().splitlines()[1:]]
        recordings = [line for line in recordings if "name" in line]
        if not recordings:
            raise ValueError(f"{self.folder}: no recording was kept, of {len(self.dropped)}: {shorten(self.dropped)}")
        partial = self.folder / f".{INDEX}.part"
        write_index(partial, recordings)
        partial.replace(self.folder / INDEX)
        manifest = self._about | {
            "made_by": f"vibe {vibe.__version__}", "rows": self.rows, "recordings": len(recordings),
            "columns": {name: described(name) for name in sorted(self._files)}, "dropped": self.dropped,
            "notes": self.notes,
        }  # fmt: skip
        assets.write_whole(self.folder / MANIFEST, json.dumps(manifest, indent=1).encode())
        (self.folder / JOURNAL).unlink()
        self.finished = True


def _header(name: str, rows: int) -> bytes:
    """NumPy's, which leaves room for any number of rows."""
    dtype, shape = column_layout(name)
    buffer = io.BytesIO()
    about = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": (rows, *shape)}
    np.lib.format.write_array_header_1_0(buffer, about)
    return buffer.getvalue()


def _row_size(name: str) -> int:
    """Bytes of one row."""
    return np.dtype(column_layout(name)).itemsize


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
