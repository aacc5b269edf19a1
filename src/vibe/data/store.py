"""A folder of clips: a memory-mapped `.npy` for each column, one Parquet index of their rows, and a manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.assets.archives import MAX_HEADER, RATIO, SLACK, header
from vibe.data.recording import column_layout
from vibe.errors import damaged, needs_extra

INDEX = "index.parquet"
K_COLUMNS = tuple(f"K_px_{row}{column}" for row in range(3) for column in range(3))
"""The nine numbers of the intrinsic matrix; null where it is not known."""
SEQUENCE_FIELDS = ("subject", "split", "fps", "source", "step", "gender")
"""What a row says of its recording, beside `number` (from 0) and `sequence` (its name)."""
CHUNK = 200_000
"""Rows written at a time."""
LONGEST_NAME = 4096
"""Bytes of a recording's name, of a path below the raw folder and the like."""


@dataclass(frozen=True)
class SequenceRows:
    """What the index says of one recording; its rows are those from `start` to before `stop`."""

    name: str
    subject: str
    split: str
    fps: float
    source: str
    step: int
    gender: str
    K_px: Float[ndarray, "3 3"] | None
    start: int
    stop: int

    @property
    def rows(self) -> slice:
        """Where the recording lies in every column."""
        return slice(self.start, self.stop)


def write_index(path: Path, recordings: Iterable[Mapping[str, Any]]) -> None:
    """Write the index of recordings; each has `name`, `frames`, `images` (or none), `K_px`, `SEQUENCE_FIELDS`."""
    arrow, parquet = _arrow()
    words, number, real = arrow.dictionary(arrow.int32(), arrow.string()), arrow.int32(), arrow.float64()
    kinds = {"number": number, "sequence": words, "frame": arrow.int64(), "image": arrow.string()}
    kinds |= {"subject": words, "split": words, "fps": real, "source": words, "step": number, "gender": words}
    schema = arrow.schema(list((kinds | dict.fromkeys(K_COLUMNS, real)).items()))
    with parquet.ParquetWriter(path, schema) as writer:
        cells: dict[str, list[Any]] = {name: [] for name in schema.names}
        for place, line in enumerate(recordings):
            count = len(line["frames"])
            same = {name: line[name] for name in SEQUENCE_FIELDS} | {"number": place, "sequence": line["name"]}
            same |= dict(zip(K_COLUMNS, line["K_px"] or [None] * 9, strict=True))
            for name, value in same.items():
                cells[name] += [value] * count
            cells["frame"] += line["frames"]
            cells["image"] += line["images"] or [""] * count
            if len(cells["frame"]) >= CHUNK:
                writer.write_table(arrow.table(cells, schema))
                cells = {name: [] for name in schema.names}
        writer.write_table(arrow.table(cells, schema))


def _read(path: Path, names: Sequence[str], rows: int) -> Any:
    """Columns of the index as an Arrow table; what it claims to hold is looked at before it is decoded."""
    arrow, parquet = _arrow()
    with damaged(f"{path} is no index of a store", "prepare the set again", OSError, arrow.ArrowException):
        with parquet.ParquetFile(path, read_dictionary=["image"]) as file:
            groups = [file.metadata.row_group(at) for at in range(file.metadata.num_row_groups)]
            if file.metadata.num_rows != rows or sum(group.num_rows for group in groups) != rows:
                raise ValueError(f"{file.metadata.num_rows} rows, the manifest says {rows}")
            if sum(group.total_byte_size for group in groups) > SLACK + RATIO * path.stat().st_size:
                raise ValueError("it unpacks to more than any index")
            table = file.read(columns=list(names)).select(list(names))
        for chunk in (chunk for column in table.columns for chunk in column.chunks):
            # One long text may stand for every row in a few bytes.
            if arrow.types.is_dictionary(chunk.type):
                longest = arrow.compute.max(arrow.compute.binary_length(chunk.dictionary)).as_py()
                if (longest or 0) > LONGEST_NAME:
                    raise ValueError(f"a name of {longest} bytes")
        if len(table) != rows:
            raise ValueError(f"{len(table)} rows where it announces {rows}")
        return table


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

    def images(self, rows: slice) -> list[str]:
        """The image file of each of these rows, below its recording's source; empty where that is a video."""
        return _read(self.folder / INDEX, ["image"], len(self))["image"][rows].to_pylist()


def open_store(folder: Path | str) -> Store:
    """The store in a folder.

    Raises FileNotFoundError if there is none or it is not finished, ValueError if another version of vibe made it or
    its files do not fit each other.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    rows = int(manifest["rows"])
    columns = {name: _mapped(folder, name, rows) for name in manifest["columns"]}
    table = _read(folder / INDEX, ["number", "sequence", "frame", *SEQUENCE_FIELDS, *K_COLUMNS], rows)
    starts = np.flatnonzero(np.diff(table["number"].to_numpy(), prepend=-1))
    sequences = []
    said = table.select(["sequence", *SEQUENCE_FIELDS, *K_COLUMNS]).take(starts).to_pylist()
    for line, start, stop in zip(said, starts, [*starts[1:], rows], strict=True):
        K_px = [line.pop(name) for name in K_COLUMNS]
        known = None if None in K_px else np.array(K_px).reshape(3, 3)
        sequences.append(SequenceRows(line.pop("sequence"), **line, K_px=known, start=int(start), stop=int(stop)))
    return Store(folder, manifest, tuple(sequences), table["frame"].to_numpy(), columns)


def store_files(folder: Path) -> list[Path]:
    """All that a store is read from but its features: the columns, the index and the manifest."""
    return [*sorted(folder.glob("*.npy")), folder / INDEX, folder / MANIFEST]


def read_manifest(folder: Path) -> dict[str, Any]:
    """What a finished store says of itself; raises FileNotFoundError or ValueError."""
    path = folder / MANIFEST
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not there: `vibe prepare` makes stores of clips")
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no {MANIFEST}: it is no store, or not finished: run `vibe prepare` again"
        )
    with damaged(f"{path} is no manifest of a store", "prepare the set again"):
        manifest = json.loads(path.read_text(encoding="utf-8"))
        schema = manifest["schema"]
    if schema != SCHEMA:
        raise ValueError(f"{path} has schema {ascii(schema)[:40]}, this version reads {SCHEMA}: prepare the set again")
    rows, columns = manifest.get("rows"), manifest.get("columns")
    if type(rows) is not int or rows < 0 or not isinstance(columns, dict):
        raise ValueError(f"{path} does not say how many rows there are, and of what: prepare the set again")
    with damaged(str(path), "prepare the set again"):
        for name in columns:
            column_layout(name)
    return manifest


def described(name: str) -> dict[str, Any]:
    """A column as the manifest describes it."""
    dtype, shape = column_layout(name)
    return {"dtype": dtype, "shape": list(shape)}


def _mapped(folder: Path, name: str, rows: int) -> ndarray:
    path = folder / f"{name}.npy"
    dtype, shape = column_layout(name)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing, though {MANIFEST} lists it: prepare the set again")
    with damaged(f"{path} is damaged or cut off", "prepare the set again", OSError):
        with path.open("rb") as file:
            kind, _, found, _ = header(file.read(MAX_HEADER + 12))
        if (kind, found) != (np.dtype(dtype).str, (rows, *shape)):
            raise ValueError(f"it has {kind[:20]} {found}, not {dtype} {(rows, *shape)}")
        return np.load(path, mmap_mode="r", allow_pickle=False)


def _arrow() -> tuple[Any, Any]:
    """The packages pyarrow and pyarrow.parquet; raises ImportError where they are not installed."""
    with needs_extra("the index of a store", "pyarrow", "data"):
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    return pyarrow, pyarrow.parquet
