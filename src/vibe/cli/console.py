"""What the user is told, and what a command line names: exit codes, lines, tables, motion files and their videos."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from vibe.motion import Result


DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""
CONTROL = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that a terminal obeys or that turn the order of others round; tabs and ends of lines are some of them."""


def printable(text: object) -> str:
    """A text, which may be a file's or a stranger's, with backslashes for what a terminal would obey."""
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def usage_error(reason: str) -> int:
    """Say that the command was used wrongly."""
    print_error(reason)
    return USAGE


def print_error(*lines: str) -> None:
    """Lines for the user on stderr."""
    for line in lines:
        print_note(f"vibe: {line}")


def print_note(text: object) -> None:
    """A line on stderr that is no answer."""
    print_info(text, Console(stderr=True))


def print_info(text: object, console: Console | None = None) -> None:
    """A text on one line, as it is: not wrapped, not coloured, no markup."""
    (console or Console()).print(printable(text), markup=False, highlight=False, soft_wrap=True, emoji=False)


def print_lines(text: str) -> None:
    """A text of several lines on stdout, each as `print_info` prints one."""
    for line in text.split("\n"):
        print_info(line)


def print_table(headings: Mapping[str, JustifyMethod], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """A table on stdout; each heading says to which side its column is set."""
    table = Table(title=Text(printable(title)) if title else None, title_justify="left")
    for heading, side in headings.items():
        table.add_column(heading, justify=side)
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console().print(table)


def parse_arguments(kind: Any, arguments: Sequence[str], **options: Any) -> Any:
    """What tyro makes of arguments; raises SystemExit once it has said what is wrong with them, in printable text."""
    shown = list(map(printable, arguments))
    if shown != list(arguments):
        try:
            return tyro.cli(kind, args=arguments, console_outputs=False, **options)
        except SystemExit:
            arguments = shown
    return tyro.cli(kind, args=arguments, **options)


def motion_file(path: Path) -> Path:
    """A motion file that is named, or the one in a folder of results; raises FileNotFoundError, ValueError."""
    if not path.is_dir():
        return path
    found = sorted({*path.glob("motion.npz"), *path.glob("*/motion.npz")})
    if not found:
        raise FileNotFoundError(f"there is no motion.npz in {path}: give one that `vibe estimate` wrote")
    if len(found) > 1:
        raise ValueError(f"{path} holds {len(found)} motions: give one of them, such as {found[0]}")
    return found[0]


def named_video(motion: Path, result: Result) -> Path | None:
    """The video that the motion was made from, if it is here: where the file says, or beside the file.

    A name that begins with two slashes is another machine's on Windows, and not looked up: whoever sent the file would
    learn who opens it.
    """
    named = result.clip.path
    if str(named).startswith(("//", "\\\\")):
        return None
    from vibe.video.stills import numbered_pictures

    for path in (named, motion.parent / named):
        with suppress(OSError):  # a name that is too long for this system
            if path.is_file() or (path.is_dir() and numbered_pictures(path)):
                return path
    return None
