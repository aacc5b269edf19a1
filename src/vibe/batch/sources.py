"""Which videos are meant: files, folders, patterns, lists and URLs."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from vibe.batch.manifest import MOTION, OVERLAY
from vibe.batch.storage import ListingLimit, Storage, is_url, joined, local
from vibe.errors import one_line, redact, shorten
from vibe.video import SUFFIXES

MAGIC, MAGIC_URL = re.compile(r"[*?\[]"), re.compile(r"[*\[]")
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
    def label(self) -> str:
        """Its path or URL without passwords, for messages and reports."""
        return redact(self.name)

    @property
    def file(self) -> PurePosixPath | Path:
        """The name of its file."""
        if Storage(self.name).scheme in ("http", "https"):
            return PurePosixPath(unquote(urlsplit(self.name).path))
        return PurePosixPath(self.name) if self.remote else Path(self.name)


@dataclass(frozen=True)
class _Search:
    """One search, which ends."""

    results: Storage
    """What is in it is no video."""
    limit: ListingLimit


def find_videos(given: Sequence[str], out: str) -> list[VideoSource]:
    """All videos that the arguments name, each once, in their order; none of those in the folder of the results.

    Raises FileNotFoundError for what is not there or holds no video, ValueError or OSError for what can't be read,
    ImportError for a URL whose package is not installed.
    """
    search = _Search(Storage(out), ListingLimit(MOST))
    found: dict[str, VideoSource] = {}
    for each in given:
        for source in _named(each, search):
            found.setdefault(source.name if source.remote else str(Path(source.name).resolve()), source)
    return list(found.values())


def _named(name: str, search: _Search) -> Iterator[VideoSource]:
    """The videos of one argument, by what lies there; raises OSError, which names a URL, for what its store raises."""
    search.limit.count(1, name)
    if not name:
        raise ValueError("an empty name is no video: give a file, or . for this folder")
    try:
        name = name if is_url(name) else str(local(name))
        kind = Storage(name).kind()
        if kind == "directory":
            yield from _below(name, search)
        elif kind == "file" and not is_url(name) and name.lower().endswith(LIST):
            yield from _listed(Path(name), search)
        elif kind:
            yield VideoSource(name)
        elif (MAGIC_URL if is_url(name) else MAGIC).search(name):
            yield from _matching(name, search)
        else:
            raise FileNotFoundError(f"there is no file {shorten(name)}: check the name")
    except (FileNotFoundError, ValueError, ImportError):
        raise
    except Exception as error:
        if not is_url(name) and not getattr(error, "filename", None):
            raise
        reason = getattr(error, "strerror", None) or one_line(error)
        raise OSError(f"{shorten(name)} can't be read: {shorten(redact(reason))}") from error


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
        except (OSError, ValueError) as error:
            kind = next(kind for kind in (FileNotFoundError, OSError, ValueError) if isinstance(error, kind))
            raise kind(f"{path}, line {number}: {one_line(error)}") from error


def _below(folder: str, search: _Search) -> Iterator[VideoSource]:
    """The videos in a folder and those below it; or the folder itself, if it holds the numbered pictures of one."""
    if not is_url(folder) and (there := Path(folder).resolve()) == Path(there.anchor):
        raise ValueError(f"{shorten(folder)} is the whole disk of this machine: name the folder with the videos")
    found = [
        VideoSource(joined(folder, f"{below}/{name}".lstrip("/")), below)
        for below, names in Storage(folder).walk(search.limit, search.results)
        for name in names
        if _is_video(name) and not (name == OVERLAY and MOTION in names)  # a film is a result of ours
    ]
    if not found and not is_url(folder):
        from vibe.video.stills import numbered_pictures

        found = [VideoSource(folder)] if numbered_pictures(Path(folder)) else []
    if not found:
        raise FileNotFoundError(f"{shorten(folder)} is a folder without a video ({', '.join(SUFFIXES)}): check it")
    yield from found


def _matching(pattern: str, search: _Search) -> Iterator[VideoSource]:
    """The files that a pattern matches: those with its own ending, or videos if it has none."""
    if is_url(pattern):
        scheme, _, rest = pattern.partition("://")
        host, *parts = [part.replace("?", "[?]") for part in rest.split("/")]
        head = f"{scheme}://{host}"
    else:
        head = Path(pattern).anchor
        parts = list(Path(pattern).relative_to(head).parts)
    if not parts:
        raise ValueError(f"{shorten(pattern)} is a pattern for whole stores: name one")
    ending = PurePosixPath(parts[-1]).suffix
    any_ending = ending and not MAGIC.search(ending)
    kind, results = search.results.place()
    found = []
    for name in sorted(set(_expanded(head, parts, search))):
        system, path = Storage(name).place()
        inside = system == kind and path.startswith(results + "/")
        if not inside and (any_ending or _is_video(PurePosixPath(path).name)):
            found.append(VideoSource(name))
    if not found:
        raise FileNotFoundError(f"no video matches {shorten(pattern)}: check the pattern")
    yield from found


def _expanded(folder: str, parts: Sequence[str], search: _Search) -> Iterator[str]:
    """The files that a pattern's parts match below a folder; no link is followed below `**`."""
    first, rest = parts[0], parts[1:]
    if first == "**":
        for below, _ in Storage(folder).walk(search.limit):
            yield from _expanded(joined(folder, below) if below else folder, rest or ("*",), search)
    elif MAGIC.search(first):
        entries: dict[str, str] = {}
        with suppress(OSError):
            entries = Storage(folder).entries()
        search.limit.count(len(entries), folder)
        for name in fnmatch.filter(entries, first):
            if name.startswith(".") and not first.startswith("."):
                continue
            path = joined(folder, name)
            if rest and entries[name] != "file":
                yield from _expanded(path, rest, search)
            elif not rest and (entries[name] == "file" or entries[name] == "other" and Storage(path).kind() == "file"):
                yield path
    elif rest:
        yield from _expanded(joined(folder, first), rest, search)
    else:
        search.limit.count(1, folder)
        path = joined(folder, first)
        with suppress(OSError):
            if Storage(path).kind() == "file":
                yield path


def _is_video(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")
