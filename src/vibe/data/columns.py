"""Columns added to a finished store: features or 2D keypoints of every row's crop; goes on where it was killed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from vibe import assets
from vibe.assets.paths import only_writer
from vibe.data import readers
from vibe.data.prepare import dropped_message
from vibe.data.readers import CropEvidence, ReadOptions
from vibe.data.recording import column_layout, fitted_columns
from vibe.data.store import MANIFEST, Store, described, open_store, read_manifest
from vibe.errors import check_same
from vibe.parallel import run_tasks
from vibe.records import Progress


class ColumnWriter:
    """Adds one column to a finished store, rows in any order; a second run does only the rows that are missing.

    The column is in the store once `finish` has run. Several processes may write different rows at the same time.
    Raises ValueError if the column was begun or made by another recipe.
    """

    def __init__(self, folder: Path, name: str, recipe: Mapping[str, Any]) -> None:
        """`recipe` says what the column is made with, in plain values."""
        self.folder, self.name = Path(folder), name
        self._partial, self._marks, self._note = (
            self.folder / f".{name}.{end}" for end in ("npy.part", "done.npy", "json")
        )
        self._recipe = json.loads(json.dumps(dict(recipe)))
        manifest = read_manifest(self.folder)
        self._rows = int(manifest["rows"])
        self._values: ndarray | None = None
        self._done: ndarray = np.ones(self._rows, bool)
        self.finished = name in manifest["columns"]
        """Whether the column is in the store."""
        begun = json.loads(self._note.read_text(encoding="utf-8")) if self._note.exists() else None
        its = manifest["columns"][name].get("recipe") if self.finished else begun
        if its is not None:
            check_same(f"{self.folder}: {name}", its, self._recipe, "recipe")
        if self.finished:
            return
        if begun is None:  # the note comes last and says that the files are there, in their full size
            dtype, shape = column_layout(name)
            for path, kind, sizes in ((self._partial, dtype, shape), (self._marks, "bool", ())):
                np.lib.format.open_memmap(path, "w+", np.dtype(kind), (self._rows, *sizes)).flush()
            assets.write_whole(self._note, json.dumps(self._recipe).encode())
        if self._partial.exists():
            self._values = np.load(self._partial, mmap_mode="r+", allow_pickle=False)
            self._done = np.load(self._marks, mmap_mode="r+", allow_pickle=False)

    def done(self) -> Bool[ndarray, "row"]:
        """Which rows are written."""
        return np.array(self._done)

    def write(self, rows: Int[ndarray, "n"], values: ndarray) -> None:
        """These rows; raises ValueError if they hold NaN or do not fit."""
        assert self._values is not None
        self._values[rows] = fitted_columns(values, self.name, len(rows), str(self.folder))
        self._done[rows] = True

    def finish(self) -> None:
        """Make the column part of the store; raises ValueError if rows are missing."""
        if missing := self._rows - int(np.count_nonzero(self._done)):
            raise ValueError(f"{self.folder}: {missing} rows of {self.name} are not written yet")
        if isinstance(self._values, np.memmap):
            self._values.flush()
            self._values, self._done = None, self.done()
            self._partial.replace(self.folder / f"{self.name}.npy")
        if not self.finished:
            manifest = read_manifest(self.folder)
            manifest["columns"][self.name] = described(self.name) | {"recipe": self._recipe}
            assets.write_whole(self.folder / MANIFEST, json.dumps(manifest, indent=1).encode())
        for left in (self._note, self._marks):
            left.unlink(missing_ok=True)
        self.finished = True


@dataclass(frozen=True)
class AddedColumns:
    """What became of a store's rows."""

    rows: int
    """With evidence."""
    without: int
    """Rows of no picture or no box, for which nothing can be read."""
    dropped: Mapping[str, str]
    """Recordings of which pictures could not be read: how many, and why if this run tried."""


def add_evidence(
    folder: Path,
    order: ReadOptions,
    workers: int = 0,
    ray: str | None = None,
    strict: bool = False,
    progress: Progress | None = None,
) -> AddedColumns:
    """Add a kind of evidence to a finished store; goes on where it was killed.

    The batches, and each one's numbers, are the same however many workers `run_tasks` has. What can't be read gets
    zeros, or with `strict` is a ValueError at the end and tried again by the next run. Raises FileNotFoundError for a
    missing store, raw folder or model, ValueError if the store has no boxes or such evidence of another model, OSError
    if another run is at work in the store.
    """
    store = open_store(folder)
    if not order.raw.is_dir():
        raise FileNotFoundError(f"{order.raw} is not there: give the raw folder that {folder} was prepared from")
    reasons: dict[str, str] = {}
    names = readers.COLUMNS[order.kind]
    with nullcontext() if set(names) <= set(store.columns) else only_writer(folder):
        for name in names:
            if name in store.columns and "recipe" not in store.manifest["columns"][name]:
                raise ValueError(f"{store.folder} came with {name} of its own: there is nothing to add")
        recipe, wanted = readers.recipe_of(order), readers.rows_with_pictures(store)
        writers = [ColumnWriter(store.folder, name, recipe) for name in names]
        if not all(writer.finished for writer in writers):
            _write(writers, np.flatnonzero(~wanted & ~_done(writers)), None)
            left = _done(writers)
            batches = [batch for batch in readers.cut_batches(store) if not left[batch.rows].all()]
            begin, gpus = partial(readers.begin_reading, order), float(order.device.startswith("cuda"))
            rows, all_rows = 0, sum(len(batch.rows) for batch in batches)
            if progress:
                progress(order.kind, 0, all_rows)
            for number, answer in run_tasks(begin, batches, workers=workers, ray=ray, gpus=gpus) if batches else ():
                if answer.reason:
                    reasons[batches[number].source] = answer.reason
                if not (strict and answer.reason):
                    _write(writers, batches[number].rows, answer)
                rows += len(batches[number].rows)
                if progress:
                    progress(order.kind, rows, all_rows)
            if strict and reasons:
                raise ValueError(dropped_message(reasons))
            for writer in writers:
                writer.finish()
        added = _report(open_store(store.folder), order, wanted, reasons)
    if strict and added.dropped:
        raise ValueError(dropped_message(added.dropped))
    return added


def _done(writers: Sequence[ColumnWriter]) -> Bool[ndarray, "row"]:
    return np.all([writer.done() for writer in writers], axis=0)


def _write(writers: Sequence[ColumnWriter], rows: Int[ndarray, "n"], answer: CropEvidence | None) -> None:
    """The rows of every column; zeros without an answer."""
    for writer in writers:
        if not writer.finished:
            dtype, shape = column_layout(writer.name)
            if answer is None:
                writer.write(rows, np.zeros((len(rows), *shape), dtype))
            else:
                writer.write(rows, answer.seen if dtype == "bool" else answer.values)


def _report(store: Store, order: ReadOptions, wanted: Bool[ndarray, "row"], reasons: Mapping[str, str]) -> AddedColumns:
    """What the store has now."""
    values = store.column(readers.COLUMNS[order.kind][-1])
    within = tuple(range(1, values.ndim))
    dropped, all_lost = {}, 0
    for sequence in store.sequences:
        rows = np.arange(sequence.start, sequence.stop)[wanted[sequence.rows]]
        if lost := len(rows) - int(np.count_nonzero(values[rows].any(within))):
            why = f" ({reasons[sequence.source]})" if sequence.source in reasons else ""
            dropped[sequence.name] = f"{lost} of {len(rows)} frames have no {order.kind}{why}"
            all_lost += lost
    return AddedColumns(int(np.count_nonzero(wanted)) - all_lost, int(np.count_nonzero(~wanted)), dropped)
