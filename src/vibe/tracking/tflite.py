"""Run a .tflite model, each call on one core, without the operators whose results nobody reads.

A model with several outputs computes all of them. The file is a flatbuffer: tables name the place of each field, and a
vector of operators is a row of offsets, so that operators and outputs are left out by writing the row anew and shorter;
the rest of the file stays as it is, and so do the numbers that are still computed.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from jaxtyping import Float
from numpy import ndarray as Array

from vibe.errors import NO_MEMORY

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

Shape = tuple[int, ...]
SUBGRAPHS, SIGNATURES = 2, 7
"""Fields of the model ..."""
TENSORS, OUTPUTS, OPERATORS = 0, 2, 3
"""... of a subgraph ..."""
SHAPE = 0
"""... of a tensor ..."""
READS, WRITES = 1, 2
"""... and of an operator."""
MOST = 256
"""Sides of a tensor, tensors of an operator."""


def trim(model: bytes, wanted: Collection[Shape]) -> bytes:
    """The model with those outputs alone that have one of the `wanted` shapes.

    A model of several subgraphs or with named signatures stays as it is. Raises ValueError for what is no model, or
    one that has no output of a wanted shape.
    """
    data = bytearray(model)
    try:
        (root,) = struct.unpack_from("<I", data)
        subgraphs = _places(data, _field(data, root, SUBGRAPHS))
        if len(subgraphs) != 1 or _field(data, root, SIGNATURES):
            return model
        graph = subgraphs[0]
        shapes = [
            tuple(_integers(data, _field(data, at, SHAPE), MOST)) for at in _places(data, _field(data, graph, TENSORS))
        ]
        outputs = _integers(data, _field(data, graph, OUTPUTS))
        kept = [tensor for tensor in outputs if shapes[tensor] in wanted]
        if missing := set(wanted) - {shapes[tensor] for tensor in kept}:
            raise ValueError(f"the model has no output of shape {min(missing)}: it is another one")
        _leave_out(data, graph, kept)
    except (struct.error, IndexError) as error:
        raise ValueError("this is no .tflite model, or it is damaged: fetch it again") from error
    return bytes(data)


def _leave_out(data: bytearray, graph: int, outputs: list[int]) -> None:
    """Write these outputs and the operators that they need over the old rows."""
    row = _field(data, graph, OPERATORS)
    places = _places(data, row)
    needed = set(outputs)
    kept = []
    for at in reversed(places):
        if needed & set(_integers(data, _field(data, at, WRITES), MOST)):
            needed |= set(_integers(data, _field(data, at, READS), MOST))
            kept.append(at)
    start = _start(data, row)
    for n, at in enumerate(reversed(kept)):
        struct.pack_into("<I", data, start + 4 * n, at - (start + 4 * n))
    struct.pack_into("<I", data, start - 4, len(kept))
    start = _start(data, _field(data, graph, OUTPUTS))
    struct.pack_into(f"<I{len(outputs)}i", data, start - 4, len(outputs), *outputs)


def _field(data: bytearray, table: int, number: int) -> int:
    """Where a field of a table lies; 0 where the table does not have it."""
    names = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", data, names)[0]:
        return 0
    offset = struct.unpack_from("<H", data, names + 4 + 2 * number)[0]
    return table + offset if offset else 0


def _start(data: bytearray, field: int) -> int:
    """Where the first element of a vector lies; its length stands before it."""
    return field + struct.unpack_from("<I", data, field)[0] + 4


def _integers(data: bytearray, field: int, most: int | None = None) -> tuple[int, ...]:
    """A vector of integers; empty where there is none.

    Many tables may point at one vector: those that every table has are of `most` elements.
    """
    if not field:
        return ()
    start = _start(data, field)
    (count,) = struct.unpack_from("<I", data, start - 4)
    if most is not None and count > most:
        raise IndexError(f"a vector of {count}")
    return struct.unpack_from(f"<{count}i", data, start)


def _places(data: bytearray, field: int) -> list[int]:
    """Where the tables of a vector lie: each is told from the place that tells it."""
    numbers = _integers(data, field)
    return [_start(data, field) + 4 * n + offset for n, offset in enumerate(numbers)]


_SILENCE = threading.Lock()
_MODELS: WeakSet[Model] = WeakSet()


class Model:
    """A model with one picture as input and several outputs; of which as many copies are kept as are called at once."""

    def __init__(self, path: Path, outputs: Collection[Shape]) -> None:
        """Only `outputs`, named by their shapes, are computed; raises ValueError for what is not such a model."""
        try:
            self._model = trim(path.read_bytes(), outputs)
            self._idle = [_open(self._model)]
        except ValueError as error:
            raise ValueError(f"{path} cannot be used as a model: {error}") from error
        _MODELS.add(self)

    def __call__(self, picture: Float[Array, "1 side side 3"]) -> dict[tuple[int, ...], Float[Array, "..."]]:
        """The outputs, by shape."""
        return {tuple(seen.shape): seen for seen in self.in_order(picture)}

    def in_order(self, picture: Float[Array, "1 side side 3"]) -> list[Float[Array, "..."]]:
        """The outputs as the model has them one after the other, also several of one shape."""
        try:
            net = self._idle.pop()
        except IndexError:
            net = _open(self._model)
        net.set_tensor(net.get_input_details()[0]["index"], picture)
        net.invoke()
        seen = [net.get_tensor(output["index"]) for output in net.get_output_details()]
        self._idle.append(net)
        return seen


def close_idle_models() -> None:
    """Close what no call uses now, about 25 MB a copy of a model; the next call opens one again."""
    for model in list(_MODELS):
        model._idle.clear()


def _open(model: bytes) -> Interpreter:
    """A model, ready to run; raises ValueError if it is none.

    One thread: a second one saves a fifth of the time alone (9 to 7 ms a person), and has people of its own to read.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except (ImportError, OSError) as error:
        if NO_MEMORY.search(str(error)):
            raise MemoryError from error
        raise

    with _SILENCE, _quiet():
        net = Interpreter(model_content=model, num_threads=1)
        try:
            net.allocate_tensors()
        except RuntimeError as error:
            if str(error):
                raise
            raise MemoryError from error  # which LiteRT has no words for
    return net


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the native code's greeting, which has no switch, off standard error."""
    try:
        stderr = os.dup(2)
    except OSError:
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
    finally:
        os.close(stderr)
