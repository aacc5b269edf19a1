"""Results of single stages, kept in a folder under the keys of what they depend on: the content and the settings."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as unpacked
from safetensors.torch import save as packed
from torch import Tensor

from vibe.assets import sha256, write_whole

LARGEST = 1 << 30
"""Bytes of a file that is read: the tracks of 43 hours of one person."""
SUFFIX = ".safetensors"


def key(*parts: Any) -> str:
    """SHA-256, in hexadecimal, of plain JSON values; the order of a mapping's names does not count.

    Raises TypeError or ValueError for what JSON cannot hold.
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def content_key(path: Path | str) -> str:
    """SHA-256 of a file's bytes, whatever its name; raises OSError."""
    return sha256(Path(path))


class StageCache:
    """What the stages of one video computed, in files by stage and name; use it in a `with` statement.

    Without a folder nothing is kept, and what has to leave memory goes to a temporary one. A file that is damaged is
    as good as none, and `notes` say so.
    """

    def __init__(self, folder: Path | None, keys: Mapping[str, str]) -> None:
        self.keeps = folder is not None
        self.notes: list[str] = []
        self._folder, self._keys = folder, keys
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> StageCache:
        return self

    def __exit__(self, *error: object) -> None:
        if self._temporary:
            self._temporary.cleanup()

    def place(self, stage: str) -> Path:
        """The folder of a stage, made if absent; raises OSError."""
        if self._folder is None:
            self._temporary = self._temporary or tempfile.TemporaryDirectory(prefix="vibe-")
        place = self._of(stage)
        place.mkdir(parents=True, exist_ok=True)
        return place

    def save(
        self, stage: str, name: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any] | None = None
    ) -> None:
        """Write tensors, and plain JSON values about them, whole or not at all; raises OSError."""
        held = {each: tensor.contiguous() for each, tensor in tensors.items()}
        told = json.dumps(about or {}, sort_keys=True)
        metadata = {"about": told, "sha256": _digest(held, told)}
        write_whole(self.place(stage) / (name + SUFFIX), packed(held, metadata))

    def load(self, stage: str, name: str) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
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

    def _of(self, stage: str) -> Path:
        return (self._folder or Path(self._temporary.name if self._temporary else "")) / _name(stage, self._keys)


def fits(tensors: Mapping[str, Tensor], layout: Mapping[str, tuple[int, ...]], rows: int) -> bool:
    """Whether these are the arrays of a layout, in single precision, finite, with so many rows each."""
    shapes = {name: (rows, *shape) for name, shape in layout.items()}
    right = all(tensor.dtype == torch.float32 and bool(tensor.isfinite().all()) for tensor in tensors.values())
    return right and {name: tuple(tensor.shape) for name, tensor in tensors.items()} == shapes


def _name(stage: str, keys: Mapping[str, str]) -> str:
    """Of a stage's folder."""
    return f"{stage}-{keys[stage][:32]}" if keys else stage


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A file's tensors and what is told about them; raises OSError, or ValueError if it is not as it was written."""
    if (size := file.stat().st_size) > LARGEST:
        raise ValueError(f"it has {size} bytes, {LARGEST} at most are read")
    try:
        content = file.read_bytes()
        tensors = unpacked(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
        about, digest = header["about"], header["sha256"]
        if digest != _digest(tensors, about):
            raise ValueError("its checksum is wrong")
        return tensors, json.loads(about)
    except (SafetensorError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is no file of ours: {error}") from error


def _digest(tensors: Mapping[str, Tensor], about: str) -> str:
    """SHA-256 of the tensors' bytes in the order of their names, after what is told about them."""
    digest = hashlib.sha256(about.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()
