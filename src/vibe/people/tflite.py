"""Open a .tflite model to run on one core."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_edge_litert.interpreter import Interpreter


def open_model(path: Path) -> Interpreter:
    """A model, ready to run; raises ValueError if it is none.

    One thread: two threads were no faster (10 and 11 ms a detection, 14 and 15 ms a person's landmarks).
    """
    from ai_edge_litert.interpreter import Interpreter

    with _quiet():
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
