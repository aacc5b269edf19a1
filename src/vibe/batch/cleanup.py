"""The folder of work under way beside the results: one living process to a video, and what dead ones left."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from vibe.assets.paths import LOCK, acquire_lock, lock_file
from vibe.batch.storage import HIDDEN, OutputStorage

HALF = re.compile(r"\..+\.\d+\.part|\.vibe-\d+")
"""Names of files that were being written, or tried to be, when their process ended."""
SWEEP = ".sweep"
"""Locked while dead processes' folders are removed."""


@contextmanager
def claim(folder: Path, name: str) -> Iterator[Path | None]:
    """An empty folder of that name to work in, gone afterwards; None where another living process works in it.

    Raises OSError.
    """
    with ExitStack() as locks:
        claimed = locks.enter_context(lock_file(folder / (name + LOCK)))
        if not claimed:
            # A sweep holds each lock for a moment. While its own lock is ours there is none.
            with lock_file(folder / SWEEP, wait=True):
                claimed = locks.enter_context(lock_file(folder / (name + LOCK)))
        if not claimed:
            yield None
            return
        place = folder / name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what dead processes left in a folder of claims, and the folder itself if nobody is at work."""
    if not folder.is_dir():
        return
    with suppress(OSError), lock_file(folder / SWEEP) as alone:
        for path in folder.glob("*" + LOCK) if alone else ():
            with suppress(OSError), lock_file(path) as dead:
                if dead:
                    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    with suppress(OSError):
        folder.rmdir()


def busy(folder: Path) -> bool:
    """Whether a living process has one of the folders of claims."""
    if not folder.is_dir():
        return False
    with lock_file(folder / SWEEP, wait=True):  # as `claim` waits for: each lock is held for a moment
        for path in folder.glob("*" + LOCK):
            if (lock := acquire_lock(path)) is None:
                return True
            lock.release()
    return False


def leftovers(root: Path) -> dict[str, list[Path]]:
    """What can go from a folder of results without a result being lost, by what it is: files and folders.

    Raises OSError, with what to do, while somebody is at work in the folder.
    """
    home = OutputStorage(str(root))
    if busy(home.scratch):
        raise OSError(f"a run is at work in {root}: wait until it is done, or stop it")
    cached = home.stages("")
    half = []
    for folder, below, files in os.walk(root):
        if HIDDEN in below:
            below.remove(HIDDEN)
        half += [Path(folder) / name for name in files if HALF.fullmatch(name)]
    return {
        "stages of videos": sorted(cached.iterdir()) if cached and cached.is_dir() else [],
        "folders in which a killed run worked": [home.scratch] if home.scratch.is_dir() else [],
        "half-written files": sorted(half),
    }


def size(paths: Sequence[Path]) -> int:
    """Bytes of files, and of all that is in folders."""
    files = [file for path in paths for file in (path, *(() if path.is_symlink() else path.rglob("*")))]
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def remove(root: Path, found: Sequence[Path]) -> None:
    """Take it away, and our own folders with it once they are empty. Raises OSError."""
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    OutputStorage(str(root)).tidy()
