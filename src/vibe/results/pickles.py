"""Dictionaries of arrays written as a pickle, opcode by opcode: nothing is pickled, and nothing is held in memory.

Protocol 4 without frames, and only the three names that arrays need, in their old place: Python 3.4 and NumPy 1.8
read it, and all that came later, `joblib.load` as well.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KINDS = {"float32": "f4", "int64": "i8"}
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
"""An empty array, to be filled."""


@dataclass(frozen=True)
class Stream:
    """An array that comes in parts along its first axis."""

    shape: tuple[int, ...]
    parts: Iterable[NDArray]
    kind: str = "float32"


Value = Stream | NDArray | Mapping
Write = Callable[[bytes | memoryview], object]


def write_pickle(write: Write, content: Mapping[int, Value] | Mapping[str, Value]) -> None:
    """Hand the bytes of nested dictionaries to `write`: keys are words or numbers, arrays float32 or int64."""
    write(b"\x80\x04")
    _write_value(write, content)
    write(b".")


def _write_value(write: Write, value: Value) -> None:
    if isinstance(value, Mapping):
        write(b"}")
        for key, below in value.items():
            write(_word(key) if isinstance(key, str) else _number(key))
            _write_value(write, below)
            write(b"s")
    else:
        _write_array(write, value if isinstance(value, Stream) else Stream(value.shape, (value,), value.dtype.name))


def _write_array(write: Write, array: Stream) -> None:
    """The call that makes an array, then its state: version, shape, kind of number, order of axes, bytes."""
    kind = np.dtype(KINDS[array.kind]).newbyteorder("<")
    size = math.prod(array.shape) * kind.itemsize
    shape = b"(" + b"".join(map(_number, array.shape)) + b"t"
    number = b"cnumpy\ndtype\n" + _word(KINDS[array.kind]) + b"\x89\x88\x87R"
    order = b"(K\x03" + _word("<") + b"NNN" + _number(-1) + _number(-1) + b"K\x00tb"
    write(RECONSTRUCT + b"(K\x01" + shape + number + order + b"\x89\x8e" + struct.pack("<Q", size))
    written = 0
    for part in array.parts:
        content = np.ascontiguousarray(part, kind)
        assert content.shape[1:] == array.shape[1:], "a part has another shape than the whole"
        write(content.data)
        written += content.nbytes
    assert written == size, f"{written} bytes came, {size} were promised"
    write(b"tb")


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _word(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()
