"""The video that a motion file names."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vibe.motion import Result


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
