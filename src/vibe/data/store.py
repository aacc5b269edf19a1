"""A folder of clips: a memory-mapped `.npy` for each column, one Parquet index of their rows, and a manifest.

Row i of every column is row i of the index, so plain NumPy and pandas read a store as well as this does. The manifest
is written last: a folder without it is not finished.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from vibe.assets.archives import MAX_HEADER, header
from vibe.data.index import INDEX, SequenceRows, read_images, read_index
from vibe.data.recording import column_layout

SCHEMA = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Store:
    """A whole store; the numbers of its columns are read from disk when they are looked at."""

    folder: Path
    manifest: Mapping[str, Any]
    """schema, licence, recipe, sources, rows, recordings, columns, dropped, made_by."""
    sequences: tuple[SequenceRows, ...]
    frames: Int[ndarray, "row"]
    """Index of each row into its recording's source."""
    columns: Mapping[str, ndarray]
    """By name (see `vibe.data.recording`), [row, ...]; read only."""

    def __len__(self) -> int:
        return len(self.frames)

    def column(self, name: str) -> ndarray:
        """A column; raises ValueError, with the columns that there are, if the store lacks it."""
        if name not in self.columns:
            raise ValueError(f"{self.folder} has no column {name}, only {', '.join(self.columns)}")
        return self.columns[name]

    def images(self, sequence: SequenceRows) -> list[str]:
        """The image file of each of a sequence's rows, below its source; empty where that is a video."""
        return read_images(self.folder / INDEX, sequence.rows)


def open_store(folder: Path | str) -> Store:
    """The store in a folder.

    Raises FileNotFoundError if there is none or it is not finished, ValueError if another version of vibe made it or
    its files do not fit each other.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    rows = int(manifest["rows"])
    columns = {name: _mapped(folder, name, rows) for name in manifest["columns"]}
    sequences, frames = read_index(folder / INDEX, rows)
    return Store(folder, manifest, sequences, frames, columns)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a finished store says of itself; raises FileNotFoundError or ValueError."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not there: `vibe prepare` makes stores of clips")
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {MANIFEST}: it is no store, or not finished: run `vibe prepare` again"
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema = manifest["schema"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is no manifest of a store ({error}): prepare the set again") from error
    if schema != SCHEMA:
        raise ValueError(f"{path} has schema {ascii(schema)[:40]}, this version reads {SCHEMA}: prepare the set again")
    rows, columns = manifest.get("rows"), manifest.get("columns")
    if type(rows) is not int or rows < 0 or not isinstance(columns, dict):
        raise ValueError(f"{path} does not say how many rows there are, and of what: prepare the set again")
    try:
        for name in columns:
            column_layout(name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}: prepare the set again") from error
    return manifest


def column_path(folder: Path, name: str) -> Path:
    """The file of a column."""
    return folder / f"{name}.npy"


def described(name: str) -> dict[str, Any]:
    """A column as the manifest describes it."""
    dtype, shape = column_layout(name)
    return {"dtype": dtype, "shape": list(shape)}


def _mapped(folder: Path, name: str, rows: int) -> ndarray:
    """A column's file as an array; raises FileNotFoundError or ValueError."""
    path = column_path(folder, name)
    dtype, shape = column_layout(name)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, though {MANIFEST} lists it: prepare the set again")
    try:
        with path.open("rb") as file:
            kind, _, found, _ = header(file.read(MAX_HEADER + 12))
        if (kind, found) != (np.dtype(dtype).str, (rows, *shape)):
            raise ValueError(f"it has {kind[:20]} {found}, not {dtype} {(rows, *shape)}")
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} is damaged or cut off ({error}): prepare the set again") from error
