"""Writes a store, recording after recording; goes on where it was killed."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import numpy as np

import vibe
from vibe import assets
from vibe.assets.paths import only_writer
from vibe.data.recording import Recording, column_layout, columns_of
from vibe.data.store import INDEX, MANIFEST, SCHEMA, SEQUENCE_FIELDS, described, open_store, write_index
from vibe.errors import check_same, shorten

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
