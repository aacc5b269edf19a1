"""Where files lie, and how they are written: the folders of the environment and of the user, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def home() -> Path:
    """The folder that `fetch` and `add` write to: `VIBE_HOME`, or the user's data folder."""
    if chosen := os.environ.get("VIBE_HOME"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "vibe"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "vibe"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "vibe"


def folders() -> tuple[Path, ...]:
    """Where files are looked for, in order; the environment's own folder comes before the user's."""
    inside = Path(sys.prefix) / "share" / "vibe"
    return (home(), inside) if os.environ.get("VIBE_HOME") else (inside, home())


def lying(name: str) -> Path | None:
    """The first file of that name in `folders`, or None."""
    return next((path for folder in folders() if (path := folder / name).is_file()), None)


def library(name: str) -> Path:
    """A file that `add` made out of one of the user's, such as `smpl_neutral.npz`; raises FileNotFoundError."""
    if path := lying(name):
        return path
    raise FileNotFoundError(
        f"{name} is not in {' or '.join(map(str, folders()))}: it is made from a file that you get from its owner "
        "(`vibe assets` says which and where): run `vibe assets add FILE` once you have it"
    )


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all; raises OSError."""
    with whole_file(path) as file:
        file.write(content)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that appears at `path` once all is written, or not at all; an OSError names `path`."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except BaseException as error:
        with suppress(OSError):
            partial.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(partial)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


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
