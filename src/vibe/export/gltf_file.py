"""GLB's container: the JSON of a glTF file and the bytes that it points into."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = {np.dtype(np.float32): 5126, np.dtype(np.uint32): 5125, np.dtype(np.uint16): 5123, np.dtype(np.uint8): 5121}
SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class GltfFile:
    """A glTF file in the making, a new one or what is added to another."""

    def __init__(self, head: dict[str, Any] | None = None, content: bytes = b"") -> None:
        self.json: dict[str, Any] = {"accessors": [], "bufferViews": []} if head is None else head
        self._bytes = [content + b"\0" * (-len(content) % 4)]
        self._size = len(self._bytes[0])

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        """Append to a list of the file; its index there."""
        entries = self.json.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1

    def array(self, numbers: NDArray, target: int | None = None, bounds: bool = False) -> int:
        """An accessor of an array, a row an element."""
        numbers = np.ascontiguousarray(numbers)
        flat = numbers.reshape(len(numbers), -1)
        view = {"buffer": 0, "byteOffset": self._size, "byteLength": numbers.nbytes}
        content = numbers.tobytes()
        self._bytes.append(content + b"\0" * (-len(content) % 4))
        self._size += len(self._bytes[-1])
        accessor = {
            "bufferView": self.add("bufferViews", view | ({"target": target} if target else {})),
            "componentType": KINDS[numbers.dtype],
            "count": len(flat),
            "type": SHAPES[flat.shape[1]],
        }
        if bounds:
            accessor |= {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()}
        return self.add("accessors", accessor)

    def content(self) -> bytes:
        """The whole file; raises ValueError if it is too long for the format."""
        text = json.dumps(self.json | {"buffers": [{"byteLength": self._size}]}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        size = 12 + 8 + len(text) + 8 + self._size
        if size >= 1 << 32:
            raise ValueError(f"the file would have {size >> 30} GB, glTF ends at 4: write a part by --start and --end")
        head = struct.pack("<4sII", b"glTF", 2, size) + struct.pack("<I4s", len(text), b"JSON") + text
        return b"".join([head, struct.pack("<I4s", self._size, b"BIN\0"), *self._bytes])


def sampled(file: GltfFile, fps: float, first: int, paths: list[tuple[int, NDArray, str]]) -> dict[str, Any]:
    """Channels of numbers of nodes, one for each frame from the first, straight lines between them.

    A path is a node, [time, n] numbers and what of the node they are.
    """
    clock = file.array(((first + np.arange(len(paths[0][1]))) / fps).astype(np.float32)[:, None], bounds=True)
    samplers, channels = [], []
    for node, numbers, what in paths:
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": what}})
        samplers.append({"input": clock, "output": file.array(numbers), "interpolation": "LINEAR"})
    return {"channels": channels, "samplers": samplers}
