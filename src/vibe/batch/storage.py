"""Where videos come from and results go: folders here, and what fsspec reaches by a URL."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibe import assets
from vibe.batch.manifest import LARGEST, MOTION, SUMMARY, Kept, read_manifest_summary
from vibe.errors import missing_extra, one_line, shorten

URL = re.compile(r"^[a-z][a-z0-9+.-]+://", re.IGNORECASE)
HIDDEN = ".vibe"
"""The folder in OUT for what is under way."""


def is_url(name: str) -> bool:
    """Whether a name is one of another store's; `file://` is not."""
    return bool(URL.match(name)) and not name.lower().startswith("file://")


def local(name: str) -> Path:
    """The path of a local name, be it a `file://` URL."""
    return Path(name[len("file://") :] if name.lower().startswith("file://") else name)


def reachable(url: str) -> tuple[Any, str]:
    """The store of a URL, with no listing remembered, and the path in it. Raises ValueError or ImportError."""
    from fsspec.core import url_to_fs

    scheme = url.split(":", 1)[0].lower()
    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        if scheme in ("s3", "s3a"):
            raise missing_extra(f"{scheme}://", "s3fs", "s3") from error
        raise ImportError(f"{scheme}:// needs another package: {one_line(error)}") from error
    except ValueError as error:
        raise ValueError(f"{shorten(url)} can't be reached: {shorten(one_line(error))}") from error
    system.invalidate_cache()
    return system, path


def stamp(url: str) -> str:
    """What a store says of a file's content without sending it, such as a checksum, time and size. Raises OSError."""
    system, path = reachable(url)
    return str(system.ukey(path))


def download(url: str, path: Path) -> None:
    """Copy a file from its store. Raises OSError."""
    system, there = reachable(url)
    system.get_file(there, str(path))


@dataclass(frozen=True)
class Folder:
    """Results in a folder of this machine's."""

    root: Path

    @property
    def scratch(self) -> Path:
        """Where work is done; on the same file system, so that what is finished moves at once."""
        return self.root / HIDDEN / "work"

    def stages(self, content: str) -> Path:
        """Where the stages of a video are kept."""
        return self.root / HIDDEN / "stages" / content[:32]

    def name(self, place: str) -> str:
        """What the user calls a place."""
        return str(self.root / place)

    def absolute(self) -> Folder:
        """The same by a path that holds in any folder."""
        return Folder(self.root.absolute())

    def absent(self) -> list[Path]:
        """Which folders have to be made for it, the innermost first."""
        return [folder for folder in (self.root, *self.root.parents) if not folder.exists()]

    def probe(self, places: Sequence[str], files: Sequence[str]) -> None:
        """See that it can be written to, and that no folder is in the way of a file; raises OSError."""
        for path in (self.root / place / name for place in places for name in (*files, SUMMARY)):
            if path.is_dir():
                raise IsADirectoryError(f"{path} is a folder: move it away or choose another folder with -o")
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe = self.root / f".vibe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OSError(f"cannot write to {self.root}: {one_line(error)}; choose another folder with -o") from error

    def kept(self) -> Iterator[Kept]:
        """All results that are there, by place."""
        for folder, below, files in os.walk(self.root):
            below[:] = sorted(name for name in below if not name.startswith("."))
            if SUMMARY in files and (found := self.look(Path(folder).relative_to(self.root).as_posix())):
                yield found

    def look(self, place: str) -> Kept | None:
        """The results in a place."""
        with suppress(OSError):
            path = self.root / place / SUMMARY
            if path.stat().st_size <= LARGEST:
                return read_manifest_summary(place, path.read_bytes())
        return None

    def whole(self, kept: Kept) -> tuple[str, ...]:
        """Which of its files are undamaged: none if the motion is not."""
        sizes: dict[str, int] = {}
        for name in kept.bytes:
            with suppress(OSError, ValueError):
                sizes[name] = (self.root / kept.place / name).stat().st_size
        files = kept.whole(sizes)
        with suppress(OSError):
            if MOTION in files and assets.sha256(self.root / kept.place / MOTION) == kept.motion:
                return files
        return ()

    def get(self, place: str, name: str, path: Path) -> None:
        """Copy one of its files. Raises OSError."""
        shutil.copyfile(self.root / place / name, path)

    def put(self, made: Path, place: str, stale: Sequence[str] = ()) -> None:
        """Move what is in a folder of ours into a place, the summary last, so that it never tells of what is not there.

        `stale` are files that go. Raises OSError.
        """
        target = self.root / place
        target.mkdir(parents=True, exist_ok=True)
        names = sorted(path.name for path in made.iterdir() if path.name != SUMMARY)
        for name in (SUMMARY, *stale):
            (target / name).unlink(missing_ok=True)
        for name in (*names, SUMMARY):
            (made / name).replace(target / name)

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole or not at all. Raises OSError."""
        assets.write_whole(self.root / name, content)

    def forget(self, content: str) -> None:
        """Take the stages of a video away."""
        shutil.rmtree(self.stages(content), ignore_errors=True)

    def tidy(self) -> None:
        """Take empty folders of ours away."""
        for folder in (self.root / HIDDEN / "stages", self.root / HIDDEN):
            with suppress(OSError):
                folder.rmdir()


@dataclass(frozen=True)
class Bucket:
    """Results in a store that has a URL: files are written here and sent whole."""

    url: str

    @property
    def scratch(self) -> Path:
        """Where work is done: a folder of the user's own in this machine's for temporary files. Raises OSError."""
        if not hasattr(os, "getuid"):
            return Path(tempfile.gettempdir()) / "vibe-work"
        folder = Path(tempfile.gettempdir()) / f"vibe-work-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid != os.getuid() or not folder.is_dir() or folder.is_symlink():
            raise PermissionError(f"{folder} is somebody else's: set TMPDIR to a folder of your own")
        return folder

    def stages(self, content: str) -> None:
        """They are not kept in a store."""

    def name(self, place: str) -> str:
        """What the user calls a place."""
        return f"{self.url.rstrip('/')}/{place}"

    def absolute(self) -> Bucket:
        """A URL holds everywhere."""
        return self

    def absent(self) -> list[Path]:
        """No folder of this machine's has to be made for it."""
        return []

    def probe(self, places: Sequence[str], files: Sequence[str]) -> None:
        """See that it can be reached and written to; raises OSError, ValueError or ImportError."""
        system, path = reachable(self.name(f".vibe-{os.getpid()}"))
        try:
            system.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
            system.pipe_file(path, b"")
            system.rm_file(path)
        except Exception as error:  # each store raises its own
            raise OSError(f"cannot write to {self.url}: {one_line(error)}; choose another place with -o") from error

    def kept(self) -> Iterator[Kept]:
        """All results that are there, by place."""
        system, root = reachable(self.url.rstrip("/"))
        for path in sorted(path for path in system.find(root) if path.endswith("/" + SUMMARY)):
            if found := self.look(path[len(root) :].strip("/").removesuffix(SUMMARY).strip("/")):
                yield found

    def look(self, place: str) -> Kept | None:
        """The results in a place."""
        system, path = reachable(self.name(f"{place}/{SUMMARY}"))
        with suppress(OSError):
            if system.size(path) <= LARGEST:
                return read_manifest_summary(place, system.cat_file(path))
        return None

    def whole(self, kept: Kept) -> tuple[str, ...]:
        """Which of its files have their size: none if the motion has not."""
        system, path = reachable(self.name(kept.place))
        files = kept.whole(
            {name.rsplit("/", 1)[-1]: about["size"] for name, about in system.find(path, detail=True).items()}
        )
        return files if MOTION in files else ()

    def get(self, place: str, name: str, path: Path) -> None:
        """Copy one of its files. Raises OSError."""
        download(self.name(f"{place}/{name}"), path)

    def put(self, made: Path, place: str, stale: Sequence[str] = ()) -> None:
        """Send what is in a folder of ours, the summary last, so that it never tells of what is not there.

        `stale` are files that go. Raises OSError.
        """
        system, target = reachable(self.name(place))
        system.makedirs(target, exist_ok=True)
        names = sorted(path.name for path in made.iterdir() if path.name != SUMMARY)
        for name in (SUMMARY, *stale):
            if system.exists(f"{target}/{name}"):
                system.rm_file(f"{target}/{name}")
        for name in (*names, SUMMARY):
            system.put_file(str(made / name), f"{target}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Write a file whole. Raises OSError."""
        system, path = reachable(self.name(name))
        system.pipe_file(path, content)

    def forget(self, content: str) -> None:
        """No stages of a video are kept in a store."""

    def tidy(self) -> None:
        """Nothing of ours is left in a store."""


Store = Folder | Bucket


def open_storage(out: str) -> Store:
    """Where results go, by its path or URL."""
    return Bucket(out) if is_url(out) else Folder(local(out))
