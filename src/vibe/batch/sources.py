"""Which videos are meant: files, folders, patterns, lists and URLs."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from vibe.batch.manifest import MOTION, OVERLAY
from vibe.batch.storage import is_url, local, reachable
from vibe.errors import one_line, shorten
from vibe.video import SUFFIXES

MAGIC = re.compile(r"[*?\[]")
LIST = ".txt"
LONGEST_LIST = 1 << 26
"""Bytes."""
MOST = 250_000
"""Files, folders and lines that are looked at for one command."""


@dataclass(frozen=True)
class VideoSource:
    """A video."""

    name: str
    """Its path or URL."""
    folder: str = ""
    """That below the folder which was given, with forward slashes; its results keep it."""

    @property
    def remote(self) -> bool:
        """Whether it has to be fetched."""
        return is_url(self.name)

    @property
    def file(self) -> PurePosixPath | Path:
        """The name of its file."""
        return PurePosixPath(self.name) if self.remote else Path(self.name)

    def absolute(self) -> VideoSource:
        """The same with a name that holds in any folder."""
        return self if self.remote else replace(self, name=str(Path(self.name).absolute()))


@dataclass
class _Search:
    """One search, which ends."""

    results: Path | None
    """The folder of the results, if it is on this machine."""
    looked_at: int = 0

    def count(self, number: int, place: object) -> None:
        """Raises ValueError once too much has been looked at."""
        self.looked_at += number
        if self.looked_at > MOST:
            raise ValueError(
                f"what is named holds more than {MOST} files and folders, the last in {shorten(place)}: "
                "name the folders with the videos alone, some at a time"
            )


def find_videos(given: Sequence[str], out: str) -> list[VideoSource]:
    """All videos that the arguments name, each once, in their order; none of those in the folder of the results.

    Raises FileNotFoundError for what is not there or holds no video, ValueError or OSError for what can't be read,
    ImportError for a URL whose package is not installed.
    """
    search = _Search(None if is_url(out) else local(out).absolute())
    found: dict[str, VideoSource] = {}
    for each in given:
        for source in _named(each, search):
            found.setdefault(source.name if source.remote else str(Path(source.name).resolve()), source)
    return list(found.values())


def _named(name: str, search: _Search) -> Iterator[VideoSource]:
    """The videos of one argument."""
    search.count(1, name)
    if is_url(name):
        yield from _in_store(name)
        return
    path = local(name)
    try:
        is_file, is_folder, exists = path.is_file(), path.is_dir(), path.exists()
    except OSError as error:
        raise OSError(f"{shorten(path)} can't be looked at ({error.strerror}): check the name") from error
    if path.suffix.lower() == LIST and is_file:
        yield from _listed(path, search)
    elif is_folder:
        yield from _below(path, search)
    elif exists:
        yield VideoSource(str(path))
    elif MAGIC.search(str(path)):
        yield from _matching(path, search)
    else:
        raise FileNotFoundError(f"there is no file {shorten(path)}: check the name")


def _listed(path: Path, search: _Search) -> Iterator[VideoSource]:
    """The videos of a text file: a path, pattern, folder or URL a line."""
    if path.stat().st_size > LONGEST_LIST:
        raise ValueError(f"{path} is too long for a list of videos: {LONGEST_LIST >> 20} MB at most are read")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no list of videos: give a text file in UTF-8 with a path a line") from error
    lines = [line.strip() for line in text.splitlines()]
    named = [(number, line) for number, line in enumerate(lines, start=1) if line and not line.startswith("#")]
    if not named:
        raise FileNotFoundError(f"{path} names no video: give a path a line")
    for number, line in named:
        each = line if is_url(line) else str(path.parent / local(line))
        if each.lower().endswith(LIST):
            raise ValueError(f"{path}, line {number}: a list may not name another list, {shorten(line)}")
        try:
            yield from _named(each, search)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{path}, line {number}: {error}") from error
        except OSError as error:
            raise OSError(f"{path}, line {number}: {one_line(error)}") from error
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error


def _below(folder: Path, search: _Search) -> Iterator[VideoSource]:
    """The videos in a folder and those below it."""
    if folder.resolve() == Path(Path.home().anchor):
        raise ValueError(f"{shorten(folder)} is the whole disk of this machine: name the folder with the videos")
    paths: list[Path] = []
    for here, below, files in os.walk(folder):
        search.count(len(below) + len(files), folder)
        inside = [name for name in below if not name.startswith(".") and Path(here, name).absolute() != search.results]
        below[:] = sorted(inside)
        paths += [Path(here, name) for name in sorted(files) if _is_video(name) and not _is_ours(name, files)]
    if not paths:
        raise FileNotFoundError(
            f"{shorten(folder)} is a folder without a video ({', '.join(SUFFIXES)}): check the name"
        )
    for path in paths:
        yield VideoSource(str(path), _folder(path.parent.relative_to(folder).as_posix()))


def _matching(pattern: Path, search: _Search) -> Iterator[VideoSource]:
    """The files that a pattern matches: those with its own ending, or videos if it has none."""
    any_ending = not MAGIC.search(pattern.suffix) and pattern.suffix
    anchor = Path(pattern.anchor)
    paths = [
        path
        for path in sorted(set(_expanded(anchor, pattern.relative_to(anchor).parts, search)))
        if path.is_file()
        and (any_ending or _is_video(path.name))
        and not (search.results and _is_under(path, search.results))
    ]
    if not paths:
        raise FileNotFoundError(f"no video matches {shorten(pattern)}: check the pattern")
    yield from (VideoSource(str(path)) for path in paths)


def _expanded(folder: Path, parts: Sequence[str], search: _Search) -> Iterator[Path]:
    """What a pattern's parts match below a folder; unlike `glob` it follows no links below `**`, and counts."""
    if not parts:
        yield folder
    elif parts[0] == "**":
        for here, below, _ in os.walk(folder):
            search.count(1 + len(below), folder)
            below[:] = [name for name in below if not name.startswith(".")]
            yield from _expanded(Path(here), parts[1:] or ("*",), search)
    elif MAGIC.search(parts[0]):
        names: list[str] = []
        with suppress(OSError):
            names = [entry.name for entry in folder.iterdir()]
        search.count(len(names), folder)
        for name in fnmatch.filter(names, parts[0]):
            if not name.startswith(".") or parts[0].startswith("."):
                yield from _expanded(folder / name, parts[1:], search)
    else:
        search.count(1, folder)
        yield from _expanded(folder / parts[0], parts[1:], search)


def _in_store(url: str) -> Iterator[VideoSource]:
    """The videos of a URL: a file's, a folder's or a pattern's."""
    system, path = reachable(url)
    try:
        if MAGIC.search(path):
            any_ending = not MAGIC.search(PurePosixPath(path).suffix) and PurePosixPath(path).suffix
            found = [each for each in system.glob(path) if any_ending or _is_video(PurePosixPath(each).name)]
            if not found:
                raise FileNotFoundError(f"no video matches {shorten(url)}: check the pattern")
            yield from (VideoSource(system.unstrip_protocol(each)) for each in sorted(found))
        elif system.isfile(path):
            yield VideoSource(url)
        else:
            root = path.rstrip("/")
            found = [each for each in system.find(root) if _is_video(PurePosixPath(each).name)]
            files = {each: PurePosixPath(each[len(root) :].strip("/")) for each in sorted(found)}
            seen = {each: file for each, file in files.items() if not any(p.startswith(".") for p in file.parts)}
            if not seen:
                raise FileNotFoundError(f"there is no video at {shorten(url)}: check the name")
            for each, file in seen.items():
                yield VideoSource(system.unstrip_protocol(each), _folder(file.parent.as_posix()))
    except (FileNotFoundError, ImportError):
        raise
    except Exception as error:  # each store raises its own
        raise OSError(f"{shorten(url)} can't be read: {shorten(one_line(error))}") from error


def _is_video(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _is_ours(name: str, beside: Sequence[str]) -> bool:
    """Whether a film is a result of ours and no video to be looked at."""
    return name == OVERLAY and MOTION in beside


def _is_under(path: Path, folder: Path) -> bool:
    return folder in path.absolute().parents


def _folder(name: str) -> str:
    return "" if name == "." else name
