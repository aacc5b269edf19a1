"""Run a .tflite model, on one core a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float
from numpy import ndarray as Array

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter

_SILENCE = threading.Lock()


class Model:
    """A model with one picture as input and several outputs; each thread that calls it runs a copy of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._copies = threading.local()
        self._copies.net = _open(path)

    def __call__(self, picture: Float[Array, "1 side side 3"]) -> dict[tuple[int, ...], Float[Array, "..."]]:
        """The outputs, by shape."""
        if not hasattr(self._copies, "net"):
            self._copies.net = _open(self._path)
        net = self._copies.net
        net.set_tensor(net.get_input_details()[0]["index"], picture)
        net.invoke()
        return {tuple(output["shape"].tolist()): net.get_tensor(output["index"]) for output in net.get_output_details()}


def _open(path: Path) -> Interpreter:
    """A model, ready to run; raises ValueError if it is none.

    One thread: two were no faster (10 and 11 ms a detection, 14 and 15 ms a person's landmarks).
    """
    from ai_edge_litert.interpreter import Interpreter

    with _SILENCE, _quiet():
        net = Interpreter(str(path), num_threads=1)
        net.allocate_tensors()
    return net


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the native code's greeting, which has no switch, off standard error."""
    try:
        kept = os.dup(2)
    except OSError:
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(kept, 2)
    finally:
        os.close(kept)
