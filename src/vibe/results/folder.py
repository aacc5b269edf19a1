"""Folders of several files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write into, whose content moves to `path` once all is written; raises OSError.

    Files of the same name are replaced there, others stay.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    partial.mkdir()
    try:
        yield partial
        if path.exists():
            for entry in sorted(partial.iterdir()):
                entry.replace(path / entry.name)
            partial.rmdir()
        else:
            partial.rename(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
