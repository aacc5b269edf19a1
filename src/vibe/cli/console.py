"""What the user is told: exit codes, a line for each failure, and the video that a motion file names."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from vibe.motion import Result


DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""


def usage_error(reason: str) -> int:
    """Say that the command was used wrongly."""
    print_error(reason)
    return USAGE


def print_error(*lines: str) -> None:
    """Lines for the user on stderr."""
    for line in lines:
        print_info(Console(stderr=True), f"vibe: {line}")


def print_info(console: Console, text: str) -> None:
    """One line as it is: not wrapped, not coloured, no markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)


def named_video(motion: Path, result: Result) -> Path | None:
    """The video that the motion was made from, if it is here: where the file says, or beside the file.

    A name that begins with two slashes is another machine's on Windows, and not looked up: whoever sent the file would
    learn who opens it.
    """
    named = result.clip.path
    if str(named).startswith(("//", "\\\\")):
        return None
    for path in (named, motion.parent / named):
        with suppress(OSError):  # a name that is too long for this system
            if path.is_file():
                return path
    return None
