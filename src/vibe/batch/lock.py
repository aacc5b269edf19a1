"""Folders to work in, each of one living process; what dead ones left is told from them and taken away."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

LOCK = ".lock"


@contextmanager
def claim(folder: Path, name: str) -> Iterator[Path | None]:
    """An empty folder of that name to work in, gone afterwards; None where another living process has it.

    It is a lock of the operating system's, which ends with the process; on a file system without locks everybody gets
    the folder. Raises OSError.
    """
    lock = _lock(folder / (name + LOCK))
    if lock is None:
        yield None
        return
    place = folder / name
    try:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        _unlock(lock, folder / (name + LOCK))


def busy(folder: Path) -> bool:
    """Whether a living process has one of the folders of claims."""
    for path in folder.glob("*" + LOCK):
        with suppress(OSError), path.open("ab") as file:
            if not _held(file):
                return True
    return False


def sweep(folder: Path) -> None:
    """Take away what dead processes left in a folder of claims, and the folder itself if nobody is at work."""
    for path in folder.glob("*" + LOCK):
        with suppress(OSError):
            with claim(folder, path.name.removesuffix(LOCK)):
                pass
    with suppress(OSError):
        folder.rmdir()


def _lock(path: Path) -> BinaryIO | None:
    """The lock on a file that is made for it; None if it is taken."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = path.open("ab")
        except FileNotFoundError:  # somebody swept the folder away in between
            continue
        if not _held(file):
            file.close()
            return None
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # whoever had it before has taken the file away


def _unlock(file: BinaryIO, path: Path) -> None:
    """Take the file away, where that can be done before it is closed, and give the lock back."""
    with suppress(OSError):
        path.unlink()
    file.close()
    if sys.platform == "win32":
        with suppress(OSError):
            path.unlink()


def _held(file: BinaryIO) -> bool:
    """Whether the lock is ours now, or this file system has none."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
