"""Folders of several files that are there whole or not at all, and the folders above a file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def folders_above(path: Path) -> Iterator[None]:
    """The folders that a path lies in, which are made, and taken away again if what follows fails; raises OSError."""
    made = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in made:
            with suppress(OSError):
                folder.rmdir()
        raise


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write into, whose content moves to `path` once all is written; raises OSError.

    Files of the same name are replaced there, others stay.
    """
    with folders_above(path):
        partial = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            partial.mkdir()
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
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
