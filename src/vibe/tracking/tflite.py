"""Run a .tflite model, each call on one core."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float
from numpy import ndarray as Array

from vibe.assets.tflite_trim import Shape, trim
from vibe.errors import NO_MEMORY

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

_SILENCE = threading.Lock()


class Model:
    """A model with one picture as input and several outputs; of which as many copies are kept as are called at once."""

    def __init__(self, path: Path, outputs: Collection[Shape]) -> None:
        """Only `outputs`, named by their shapes, are computed; raises ValueError for what is not such a model."""
        try:
            self._model = trim(path.read_bytes(), outputs)
            self._idle = [_open(self._model)]
        except ValueError as error:
            raise ValueError(f"{path} cannot be used as a model: {error}") from error

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
