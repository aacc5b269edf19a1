"""Which videos are meant: files, folders, patterns, lists and URLs."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from vibe.many.kept import MOTION, OVERLAY
from vibe.many.storage import is_url, local, reach
from vibe.video import SUFFIXES

MAGIC = re.compile(r"[*?\[]")
LIST = ".txt"
LONGEST_LIST = 1 << 26
"""Bytes."""


@dataclass(frozen=True)
class Source:
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

    def absolute(self) -> Source:
        """The same with a name that holds in any folder."""
        return self if self.remote else replace(self, name=str(Path(self.name).absolute()))


def find(given: Sequence[str], out: str) -> list[Source]:
    """All videos that the arguments name, each once, in their order; none of those in the folder of the results.

    Raises FileNotFoundError for what is not there or holds no video, ValueError or OSError for what can't be read,
    ImportError for a URL whose package is not installed.
    """
    results = None if is_url(out) else local(out).absolute()
    found: dict[str, Source] = {}
    for each in given:
        for source in _named(each, results):
            found.setdefault(source.name if source.remote else str(Path(source.name).resolve()), source)
    return list(found.values())


def _named(name: str, results: Path | None) -> Iterator[Source]:
    """The videos of one argument."""
    if is_url(name):
        yield from _in_store(name)
        return
    path = local(name)
    if path.suffix.lower() == LIST and path.is_file():
        yield from _listed(path, results)
    elif path.is_dir():
        yield from _below(path, results)
    elif path.exists():
        yield Source(str(path))
    elif MAGIC.search(str(path)):
        yield from _matching(str(path), results)
    else:
        raise FileNotFoundError(f"there is no file {path}: check the name")


def _listed(path: Path, results: Path | None) -> Iterator[Source]:
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
            raise ValueError(f"{path}, line {number}: a list may not name another list, {line}")
        try:
            yield from _named(each, results)
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{path}, line {number}: {error}") from error


def _below(folder: Path, results: Path | None) -> Iterator[Source]:
    """The videos in a folder and those below it."""
    paths: list[Path] = []
    for here, below, files in os.walk(folder):
        inside = [name for name in below if not name.startswith(".") and Path(here, name).absolute() != results]
        below[:] = sorted(inside)
        paths += [Path(here, name) for name in sorted(files) if _is_video(name) and not _is_ours(name, files)]
    if not paths:
        raise FileNotFoundError(f"{folder} is a folder without a video ({', '.join(SUFFIXES)}): check the name")
    for path in paths:
        yield Source(str(path), _folder(path.parent.relative_to(folder).as_posix()))


def _matching(pattern: str, results: Path | None) -> Iterator[Source]:
    """The files that a pattern matches: those with its own ending, or videos if it has none."""
    any_ending = not MAGIC.search(Path(pattern).suffix) and Path(pattern).suffix
    paths = [
        path
        for path in map(Path, sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207 (which finds what is hidden)
        if path.is_file() and (any_ending or _is_video(path.name)) and not (results and _is_under(path, results))
    ]
    if not paths:
        raise FileNotFoundError(f"no video matches {pattern}: check the pattern")
    yield from (Source(str(path)) for path in paths)


def _in_store(url: str) -> Iterator[Source]:
    """The videos of a URL: a file's, a folder's or a pattern's."""
    system, path = reach(url)
    try:
        if MAGIC.search(path):
            any_ending = not MAGIC.search(PurePosixPath(path).suffix) and PurePosixPath(path).suffix
            found = [each for each in system.glob(path) if any_ending or _is_video(PurePosixPath(each).name)]
            if not found:
                raise FileNotFoundError(f"no video matches {url}: check the pattern")
            yield from (Source(system.unstrip_protocol(each)) for each in sorted(found))
        elif system.isfile(path):
            yield Source(url)
        else:
            root = path.rstrip("/")
            found = [each for each in system.find(root) if _is_video(PurePosixPath(each).name)]
            files = {each: PurePosixPath(each[len(root) :].strip("/")) for each in sorted(found)}
            seen = {each: file for each, file in files.items() if not any(p.startswith(".") for p in file.parts)}
            if not seen:
                raise FileNotFoundError(f"there is no video at {url}: check the name")
            for each, file in seen.items():
                yield Source(system.unstrip_protocol(each), _folder(file.parent.as_posix()))
    except (FileNotFoundError, ImportError):
        raise
    except Exception as error:  # each store raises its own
        raise OSError(f"{url} can't be read: {' '.join(str(error).split()) or type(error).__name__}") from error


def _is_video(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _is_ours(name: str, beside: Sequence[str]) -> bool:
    """Whether a film is a result of ours and no video to be looked at."""
    return name == OVERLAY and MOTION in beside


def _is_under(path: Path, folder: Path) -> bool:
    return folder in path.absolute().parents


def _folder(name: str) -> str:
    return "" if name == "." else name
