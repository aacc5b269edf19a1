"""Adds one column, such as features, to a store that is finished; goes on where it was killed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from vibe import assets
from vibe.data.recording import column_layout, fitted
from vibe.data.store import MANIFEST, column_path, described, read_manifest
from vibe.data.writer import shortened


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
        self._refuse_another(manifest["columns"][name].get("recipe") if self.finished else self._begun())
        if self.finished:
            return
        if self._begun() is None:
            self._lay_out()
        if self._partial.exists():
            self._values = np.load(self._partial, mmap_mode="r+", allow_pickle=False)
            self._done = np.load(self._marks, mmap_mode="r+", allow_pickle=False)

    def done(self) -> Bool[ndarray, "row"]:
        """Which rows are written."""
        return np.array(self._done)

    def write(self, start: int, values: ndarray) -> None:
        """Rows from `start` on; raises ValueError if they hold NaN or do not fit."""
        stop = start + len(values)
        if self._values is None or not 0 <= start <= stop <= self._rows:
            raise ValueError(f"{self.folder}: rows {start} to {stop} of {self.name} can't be written, of {self._rows}")
        self._values[start:stop] = fitted(values, self.name, len(values), f"{self.folder}, rows from {start}")
        self._done[start:stop] = True

    def finish(self) -> None:
        """Make the column part of the store; raises ValueError if rows are missing."""
        if missing := self._rows - int(np.count_nonzero(self._done)):
            raise ValueError(f"{self.folder}: {missing} rows of {self.name} are not written yet")
        if isinstance(self._values, np.memmap):
            self._values.flush()
            self._values, self._done = None, self.done()
            self._partial.replace(column_path(self.folder, self.name))
        if not self.finished:
            manifest = read_manifest(self.folder)
            manifest["columns"][self.name] = described(self.name) | {"recipe": self._recipe}
            assets.write_whole(self.folder / MANIFEST, json.dumps(manifest, indent=1).encode())
        for left in (self._note, self._marks):
            left.unlink(missing_ok=True)
        self.finished = True

    def _begun(self) -> Any:
        """The recipe of a run that did not finish, or None."""
        return json.loads(self._note.read_text(encoding="utf-8")) if self._note.exists() else None

    def _lay_out(self) -> None:
        """Empty files of the full size; the note comes last and says that they are there."""
        dtype, shape = column_layout(self.name)
        for path, kind, sizes in ((self._partial, dtype, shape), (self._marks, "bool", ())):
            np.lib.format.open_memmap(path, "w+", np.dtype(kind), (self._rows, *sizes)).flush()
        assets.write_whole(self._note, json.dumps(self._recipe).encode())

    def _refuse_another(self, its: Any) -> None:
        if its is not None and its != self._recipe:
            raise ValueError(
                f"{self.folder}: {self.name} is made with {shortened(its)}, not {shortened(self._recipe)}: delete its "
                "files and its entry in the manifest, or prepare another folder"
            )
