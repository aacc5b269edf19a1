"""Where files lie, and how they are written: the folders of the environment and of the user, whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import BinaryIO

import filelock

from vibe.errors import Misuse

LOCK = ".lock"
"""End of the names of files that are locked."""
MARKER = ".held"
"""End of the name of what stands beside such a file for its lock, where there are no locks."""
WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What a file system without locks answers."""
TRIES = 100
"""How often the folder of a lock may vanish while it is locked."""


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def home() -> Path:
    """The folder that `fetch` and `add` write to: `VIBE_HOME`, or the user's data folder; raises FileNotFoundError."""
    try:
        if chosen := os.environ.get("VIBE_HOME"):
            return Path(chosen).expanduser()
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Application Support" / "vibe"
        if sys.platform == "win32":
            return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "vibe"
        return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "vibe"
    except RuntimeError as error:  # in a container: no HOME, and a user whom no file there knows
        raise FileNotFoundError("this user has no home folder: set VIBE_HOME to a folder of vibe's own") from error


def folders() -> tuple[Path, ...]:
    """Where files are looked for, in order; the environment's own folder comes before the user's."""
    inside = Path(sys.prefix) / "share" / "vibe"
    if os.environ.get("VIBE_HOME"):
        return home(), inside
    with suppress(FileNotFoundError):
        return inside, home()
    return (inside,)


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


def keep_inputs(outputs: Iterable[Path | str | None], *inputs: Path | str | None) -> None:
    """Raises Misuse where what a command reads would be written over: a file by whatever name, or one in a folder.

    None, and what is not there, is passed over.
    """
    there = [path for path in map(Path, filter(None, outputs)) if os.access(path, os.F_OK)]
    for out, given in product(there, map(Path, filter(None, inputs))):
        with suppress(OSError):  # it is not there, or its name is too long for this system
            inside = given.is_dir() and out.is_file() and given.resolve() in out.resolve().parents
            if inside or out.samefile(given):
                raise Misuse(f"{given} is read, and would be overwritten by {out}: choose another place")


def file_in(place: Path | str, name: str) -> Path:
    """The file that a place names: itself, or one of that name in it where it is a folder, or ends as one in a slash.

    Only words end so: a `Path` has lost its last slash.
    """
    slashes = tuple(filter(None, (os.sep, os.altsep)))
    return Path(place, name) if str(place).endswith(slashes) or Path(place).is_dir() else Path(place)


def is_device(path: Path) -> bool:
    """Whether something stands there that is no file and no folder, and that a file may not take the place of."""
    return path.exists() and not path.is_file() and not path.is_dir()


def write_whole(path: Path, content: bytes, durable: bool = False, before: Path | None = None) -> None:
    """Write a file so that it is there whole or not at all, if `durable` after a power failure too; raises OSError.

    The file that was there until then is called `before` afterwards, if that is given.
    """
    with whole_file(path) as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
        if before is not None and path.exists():
            path.replace(before)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to that appears at `path` once all is written, or not at all; an OSError names `path`.

    A device or pipe that is there gets what is written as it comes.
    """
    device = is_device(path)
    partial = path if device else path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
        if not device:
            partial.replace(path)
    except BaseException as error:
        with suppress(OSError):
            if not device:
                partial.unlink()
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(partial)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextmanager
def lock_file(path: Path, wait: bool = False) -> Iterator[bool]:
    """Whether this process has the lock on a file, which is made for it; False where another living process has it.

    The operating system's locks end with their process. On a file system without any a marker beside the file stands
    for the lock; where its process died on this machine the next one takes it over. Raises OSError.
    """
    lock = acquire_lock(path, wait)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            if sys.platform != "win32":  # while it is locked: whoever has opened it by now sees that it is gone
                path.unlink(missing_ok=True)
            lock.release()
            if sys.platform == "win32":
                with suppress(OSError):
                    path.unlink()


def acquire_lock(path: Path, wait: bool = False) -> filelock.BaseFileLock | None:
    """The lock of `lock_file`, to be released; None if it is taken and not waited for."""
    lock: filelock.BaseFileLock = filelock.FileLock(path, fallback_to_soft=False)
    for left in reversed(range(TRIES)):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=wait)
            return lock
        except filelock.Timeout:
            return None
        except (FileNotFoundError, FileExistsError):  # another process removed the folder in between
            if not left:
                raise
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS or isinstance(lock, filelock.SoftFileLock):
                raise
            lock = filelock.SoftFileLock(f"{path}{MARKER}")
    return None


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other processes that ask for the same out of a folder; raises OSError where one is at work in it."""
    marker = folder / (LOCK + MARKER)
    with lock_file(folder / LOCK) as locked:
        if not locked:
            why = f"; if there is none, delete {marker}" if marker.exists() else ""
            raise OSError(f"another run is at work in {folder}: wait for it, or give another folder{why}")
        yield


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
