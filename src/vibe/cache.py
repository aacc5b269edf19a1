"""Results of single stages, kept in a folder under the keys of what they depend on; long ones in numbered chunks."""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibe.assets.paths import sha256, write_whole

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 1 << 30
"""Bytes of a file that is read: the tracks of 43 hours of one person."""
SUFFIX = ".safetensors"
Layout = Mapping[str, tuple[int | None, ...]]
"""Shape of each array of a chunk, in single precision; None stands for the chunk's rows."""
Piece = tuple[Mapping[str, Any], Mapping[str, Any]]
"""Tensors, and plain JSON values about them."""


def key(*parts: Any) -> str:
    """SHA-256, in hexadecimal, of plain JSON values; the order of a mapping's names does not count.

    Raises TypeError or ValueError for what JSON cannot hold.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def content_key(path: Path | str) -> str:
    """SHA-256 of a file's bytes, whatever its name, or of a folder's names and files; raises OSError."""
    path = Path(path)
    if path.is_dir():
        return key(*([file.name, sha256(file)] for file in sorted(path.iterdir()) if file.is_file()))
    return sha256(path)


class StageCache:
    """What the stages of one video computed, in files by stage and name; use it in a `with` statement.

    Without a folder nothing is kept, and what has to leave memory goes to a temporary one. A file that is damaged is
    as good as none, and `notes` say so. PyTorch is loaded by what reads or writes a file.
    """

    def __init__(self, folder: Path | None = None, keys: Mapping[str, str] | None = None) -> None:
        self.keeps = folder is not None
        self.notes: list[str] = []
        self._folder, self._keys = folder, keys or {}
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> StageCache:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary folder, if there is one."""
        if self._temporary:
            self._temporary.cleanup()
            self._temporary = None

    def place(self, stage: str) -> Path:
        """The folder of a stage, made if absent; raises OSError."""
        with self._lock:
            if self._folder is None and self._temporary is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="vibe-")
        place = self._of(stage)
        place.mkdir(parents=True, exist_ok=True)
        return place

    def put(self, stage: str, name: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any] | None = None) -> None:
        """Write tensors, and plain JSON values about them, whole or not at all; raises OSError."""
        from safetensors.torch import save

        held = {each: tensor.contiguous() for each, tensor in tensors.items()}
        text = json.dumps(about or {}, sort_keys=True)
        metadata = {"about": text, "sha256": _digest(held, text)}
        write_whole(self.place(stage) / (name + SUFFIX), save(held, metadata))

    def get(self, stage: str, name: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What was saved under this name, bit for bit; None if it is not there, or damaged."""
        if self._folder is None and self._temporary is None:
            return None
        file = self._of(stage) / (name + SUFFIX)
        try:
            return _read(file)
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            reason = str(error)[:200]
            self.notes.append(f"a kept result was damaged and computed anew: {file.parent.name}/{file.name} ({reason})")
            return None

    def stored(self, stage: str, name: str, compute: Callable[[], Piece]) -> Piece:
        """What was written under this name, or else what `compute` gives, which is written if kept."""
        found = self.get(stage, name)
        if found is None:
            found = compute()
            if self.keeps:
                self.put(stage, name, *found)
        return found

    def _of(self, stage: str) -> Path:
        name = f"{stage}-{self._keys[stage][:32]}" if self._keys else stage
        return (self._folder or Path(self._temporary.name if self._temporary else "")) / name


class Chunks:
    """A stage's result in numbered chunks of a declared layout, of which one at a time is in memory.

    `compute(number)` yields the chunks from that number on. One that is not in the cache, or damaged, is computed
    together with those after it, up to the next one that is there; all of them are written, but for a single one that
    nobody keeps. Threads may share it.
    """

    def __init__(
        self, cache: StageCache, stage: str, name: str, rows: Sequence[int], layout: Layout,
        compute: Callable[[int], Iterator[Piece]],
    ) -> None:  # fmt: skip
        """`rows` are those of each chunk; `name` tells the stage's sequences apart."""
        self._cache, self._stage, self._name = cache, stage, name
        self._rows, self._layout, self._compute = rows, layout, compute
        self._open: tuple[int, Piece] | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> Mapping[str, Tensor]:
        """The arrays of a chunk; raises OSError where they can't be written."""
        with self._lock:
            if self._open is None or self._open[0] != number:
                self._open = number, self._load(number) or self._computed(number)
            return self._open[1][0]

    def about(self, number: int) -> Mapping[str, Any]:
        """The plain values that were yielded with a chunk; empty if it is not in the cache."""
        return (self._load(number) or ({}, {}))[1]

    def _load(self, number: int) -> Piece | None:
        """A chunk from the cache, if it is there, in single precision, finite and of the declared layout."""
        found = self._cache.get(self._stage, f"{self._name}-{number:06}")
        if found is None or not all(str(tensor.dtype) == "torch.float32" for tensor in found[0].values()):
            return None
        rows = self._rows[number]
        shapes = {name: tuple(rows if size is None else size for size in shape) for name, shape in self._layout.items()}
        right = shapes == {name: tuple(tensor.shape) for name, tensor in found[0].items()}
        return found if right and all(bool(tensor.isfinite().all()) for tensor in found[0].values()) else None

    def _computed(self, number: int) -> Piece:
        wanted: Piece | None = None
        for at, piece in enumerate(self._compute(number), start=number):
            if self._cache.keeps or len(self) > 1:
                self._cache.put(self._stage, f"{self._name}-{at:06}", *piece)
            wanted = wanted or piece
            if at + 1 < len(self) and self._load(at + 1):
                break
        assert wanted is not None, "a chunk has rows"
        return wanted


def chunked(
    cache: StageCache, stage: str, name: str, rows: int, size: int, layout: Layout,
    compute: Callable[[int], Iterator[Piece]],
) -> Chunks:  # fmt: skip
    """`rows` rows in chunks of `size`; `compute(row)` yields those from that row on, in pieces of any length.

    The values about a chunk are those of the piece that fills it.
    """
    counts = [min(size, rows - first) for first in range(0, rows, size)]

    def whole(number: int) -> Iterator[Piece]:
        import torch

        waiting: list[Mapping[str, Tensor]] = []
        for tensors, about in compute(number * size):
            waiting.append(tensors)
            while number < len(counts) and sum(len(next(iter(each.values()))) for each in waiting) >= counts[number]:
                joined = {name: torch.cat([each[name] for each in waiting]) for name in layout}
                yield {name: each[: counts[number]] for name, each in joined.items()}, about
                waiting = [{name: each[counts[number] :] for name, each in joined.items()}]
                number += 1

    return Chunks(cache, stage, name, counts, layout, whole)


def rows_of(chunks: Chunks, size: int, rows: slice) -> dict[str, Tensor]:
    """Some rows of what is chunked in chunks of `size`."""
    import torch

    first, last = rows.start // size, (rows.stop - 1) // size
    parts = [chunks[number] for number in range(first, last + 1)]
    span = slice(rows.start - first * size, rows.stop - first * size)
    return {name: torch.cat([part[name] for part in parts])[span] for name in parts[0]}


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A file's tensors and what is said about them; raises OSError, or ValueError if it is not as it was written."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"it has {size} bytes, {LARGEST} at most are read")
    try:
        content = file.read_bytes()
        tensors = load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        about, digest = header["about"], header["sha256"]
        if digest != _digest(tensors, about):
            raise ValueError("its checksum is wrong")
        return tensors, json.loads(about)
    except (SafetensorError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is no file of ours: {error}") from error


def _digest(tensors: Mapping[str, Tensor], about: str) -> str:
    """SHA-256 of the tensors' bytes in the order of their names, after what is said about them."""
    digest = hashlib.sha256(about.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
