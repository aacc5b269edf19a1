"""Where videos come from and results go: folders of this machine, and stores that fsspec reaches by a URL."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import url2pathname

from vibe import assets
from vibe.batch.manifest import LARGEST, MOTION, SUMMARY, Manifest, read_manifest_summary
from vibe.errors import needs_extra, one_line, redact, shorten

URL = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
SENT_WHOLE = {
    **dict.fromkeys(("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory", "http", "https"), True),
    **dict.fromkeys(("file", "sftp", "ssh"), False),
}
"""The schemes that are reached, and whether their files appear whole; elsewhere a file gets its name when it is."""
HIDDEN = ".vibe"
"""The folder in OUT for what is under way."""
MOST_RESULTS = 10_000_000
"""Files and folders that OUT may hold."""
LARGEST_VIDEO = 1 << 40
"""Bytes."""
BLOCK = 1 << 22


def is_url(name: str) -> bool:
    """Whether a name is one of another store's; `file://` is not."""
    return bool(URL.match(name)) and not name.lower().startswith("file://")


def local(name: str) -> Path:
    """The path of a local name, be it a `file://` URL."""
    return Path(url2pathname(name[len("file://") :]) if name.lower().startswith("file://") else name)


def joined(folder: str, name: str) -> str:
    """The address of what lies in a folder or below it."""
    return f"{folder}{'' if folder.endswith('/') else '/'}{name}" if is_url(folder) else str(local(folder) / name)


def absolute(name: str) -> str:
    """An address that holds in any folder."""
    return name if is_url(name) else str(local(name).absolute())


class ListingLimit:
    """Counts files and folders that are looked at."""

    def __init__(self, most: int) -> None:
        self._most, self._left = most, most

    def count(self, number: int, place: str) -> None:
        """Raises ValueError once it is too much."""
        self._left -= number
        if self._left < 0:
            raise ValueError(
                f"what is named holds more than {self._most} files and folders, the last in {shorten(place)}: "
                "name the folders with the videos alone, some at a time"
            )


@dataclass(frozen=True)
class Storage:
    """A file or folder, of this machine or of a store."""

    address: str
    """Path or URL."""

    def reach(self) -> tuple[Any, str]:
        """fsspec's file system, with no listing remembered, and the path in it. Raises ValueError or ImportError."""
        from fsspec.core import url_to_fs
        from fsspec.implementations.local import LocalFileSystem

        if not is_url(self.address):
            return LocalFileSystem(), local(self.address).absolute().as_posix()
        scheme = self.scheme
        if scheme not in SENT_WHOLE or "::" in self.address:
            known = ", ".join(f"{each}://" for each in SENT_WHOLE if each != "memory")
            raise ValueError(
                f"{shorten(self.address)} can't be reached: give a path, or a URL that begins with {known}"
            )
        try:
            with needs_extra(f"{scheme}://", "s3fs", "s3") if scheme in ("s3", "s3a") else nullcontext():
                system, path = url_to_fs(self.address)
        except ValueError as error:
            raise ValueError(f"{shorten(self.address)} can't be reached: {shorten(one_line(error))}") from error
        system.invalidate_cache()
        return system, path

    @property
    def scheme(self) -> str:
        """What its URL begins with, of a path `file`."""
        return self.address.split(":", 1)[0].lower() if is_url(self.address) else "file"

    @property
    def folder(self) -> Path | None:
        """Where it lies on this machine, if it does."""
        return None if is_url(self.address) else local(self.address)

    def name(self, below: str) -> str:
        """The address of what lies below."""
        return joined(self.address, below)

    def kind(self) -> str:
        """`file`, `directory`, `other`, or nothing if nothing is there. Raises OSError."""
        if self.scheme in ("http", "https"):
            return "file"  # there are no folders
        system, path = self.reach()
        try:
            return system.info(path)["type"]
        except FileNotFoundError:
            return ""

    def entries(self) -> dict[str, str]:
        """Names of what is in a folder, sorted, each with its kind; folders that are links are `other`. Raises OSError.

        Names that lead elsewhere are left out.
        """
        system, path = self.reach()
        found = {}
        for about in system.ls(path, detail=True):
            name = about["name"].rstrip("/").rsplit("/", 1)[-1]
            if name not in ("", ".", "..") and about["name"].rstrip("/") != path.rstrip("/"):
                link = about["type"] == "directory" and about.get("islink")
                found[name] = "other" if link else about["type"]
        return dict(sorted(found.items()))

    def walk(self, limit: ListingLimit, skip: Storage | None = None) -> Iterator[tuple[str, list[str]]]:
        """Each folder from this one down, with the names of its files; hidden ones, links and `skip` are left out.

        Raises OSError, and ValueError beyond the limit.
        """
        waiting, omitted = [""], skip.place() if skip else None
        while waiting:
            below = waiting.pop()
            here = Storage(self.name(below)) if below else self
            if here.place() == omitted:
                continue
            entries: dict[str, str] = {}
            with suppress(*((OSError,) if below else ())):
                entries = here.entries()
            limit.count(len(entries), here.address)
            names = [name for name, kind in entries.items() if kind == "directory" and not name.startswith(".")]
            waiting += [f"{below}/{name}".lstrip("/") for name in reversed(names)]
            yield below, [name for name, kind in entries.items() if kind != "directory"]

    def place(self) -> tuple[str, str]:
        """The same for all addresses of one place."""
        system, path = self.reach()
        return type(system).__name__, path.rstrip("/")

    def stamp(self) -> str:
        """What a store says of a file's content without sending it: checksum, time and size; empty if nothing.

        Raises OSError.
        """
        system, path = self.reach()
        about = {name: value for name, value in system.info(path).items() if name not in ("name", "url", "time")}
        if self.scheme in ("http", "https") and not {"ETag", "Last-Modified", "Content-MD5", "Digest"} & about.keys():
            return ""
        return hashlib.sha256(repr(sorted(about.items())).encode()).hexdigest()

    def download(self, target: Path) -> None:
        """Copy a file to this machine. Raises OSError, where it is too large too."""
        system, path = self.reach()
        most, copied = min(LARGEST_VIDEO, shutil.disk_usage(target.parent).free), 0
        with system.open(path, "rb") as file, target.open("wb") as copy:
            while block := file.read(BLOCK):
                copied += len(block)
                if copied > most:
                    raise OSError(f"{redact(self.address)} is larger than {most >> 20} MB: there is no room for a copy")
                copy.write(block)


class OutputStorage(Storage):
    """Where results are: a folder for each video, and beside them what is under way."""

    @property
    def scratch(self) -> Path:
        """Where work is done: in OUT, for a store in the user's own folder of temporary files. Raises OSError."""
        if self.folder:
            return self.folder / HIDDEN / "work"
        if not hasattr(os, "getuid"):
            return Path(tempfile.gettempdir()) / "vibe-work"
        folder = Path(tempfile.gettempdir()) / f"vibe-work-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
            raise PermissionError(f"{folder} is somebody else's: set TMPDIR to a folder of your own")
        return folder

    def stages(self, content: str) -> Path | None:
        """Where the stages of a video are cached; None of a store, which has none."""
        return self.folder / HIDDEN / "stages" / content[:32] if self.folder else None

    def absent(self) -> list[Path]:
        """Which folders of this machine have to be made for it, the innermost first."""
        return [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()] if self.folder else []

    def probe(self, places: Sequence[str], files: Sequence[str]) -> None:
        """See that it can be written to, and that no folder is in the way of a file.

        Raises OSError, ValueError or ImportError.
        """
        system, root = self.reach()
        for place in places if self.folder else ():
            for name in (*files, SUMMARY):
                if system.isdir(f"{root}/{place}/{name}"):
                    there = self.name(f"{place}/{name}")
                    raise IsADirectoryError(f"{there} is a folder: move it away or choose another folder with -o")
        try:
            system.makedirs(root, exist_ok=True)
            self.write(f".vibe-{os.getpid()}", b"")
            system.rm_file(f"{root}/.vibe-{os.getpid()}")
        except Exception as error:  # each store raises its own
            where = redact(self.address)
            raise OSError(f"cannot write to {where}: {one_line(error)}; choose another folder with -o") from error

    def manifests(self) -> Iterator[Manifest]:
        """All results that are there, by place."""
        with suppress(FileNotFoundError):
            for place, files in self.walk(ListingLimit(MOST_RESULTS)):
                if SUMMARY in files and (found := self.look(place or ".")):
                    yield found

    def look(self, place: str) -> Manifest | None:
        """The results in a place."""
        system, path = Storage(self.name(f"{place}/{SUMMARY}")).reach()
        with suppress(OSError):
            if system.size(path) <= LARGEST:
                return read_manifest_summary(place, system.cat_file(path))
        return None

    def whole(self, manifest: Manifest) -> tuple[str, ...]:
        """Which of its files are undamaged, in a store those that have their size: none if the motion is not."""
        whole = []
        for name, size in manifest.bytes.items():
            file = Storage(self.name(f"{manifest.place}/{name}"))
            system, path = file.reach()
            with suppress(OSError, ValueError):
                if system.size(path) == size and (
                    not file.folder or assets.sha256(file.folder) == manifest.sha256[name]
                ):
                    whole.append(name)
        return tuple(whole) if MOTION in whole else ()

    def put(self, made: Path, place: str, stale: Sequence[str] = ()) -> None:
        """Copy what is in a folder of this machine into a place, the summary last, so that all it names is there.

        `stale` are files that go. Raises OSError.
        """
        system, target = Storage(self.name(place)).reach()
        system.makedirs(target, exist_ok=True)
        names = sorted(path.name for path in made.iterdir() if path.name != SUMMARY)
        for name in (SUMMARY, *stale):
            with suppress(FileNotFoundError):
                system.rm_file(f"{target}/{name}")
        for name in (*names, SUMMARY):
            self.write(f"{place}/{name}", made / name)

    def write(self, name: str, content: bytes | Path) -> None:
        """Write a file, whose content may be another one's, whole or not at all. Raises OSError."""
        system, target = Storage(self.name(name)).reach()
        folder, _, end = target.rpartition("/")
        part = target if SENT_WHOLE[self.scheme] else f"{folder}/.{end}.{os.getpid()}.part"
        try:
            if isinstance(content, Path):
                system.put_file(str(content), part)
            else:
                system.pipe_file(part, content)
            if part != target:
                system.mv(part, target)
        except BaseException:
            with suppress(Exception):
                if part != target:
                    system.rm_file(part)
            raise

    def forget(self, content: str) -> None:
        """Remove the stages of a video."""
        if stages := self.stages(content):
            shutil.rmtree(stages, ignore_errors=True)

    def tidy(self) -> None:
        """Remove empty folders of ours."""
        for folder in (self.folder / HIDDEN / "stages", self.folder / HIDDEN) if self.folder else ():
            with suppress(OSError):
                folder.rmdir()
