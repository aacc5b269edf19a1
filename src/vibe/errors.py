"""What went wrong, in one sentence for whoever uses the program."""

from __future__ import annotations

import os
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

EXPECTED = (ValueError, OSError, MemoryError, ImportError)
"""What the borders raise about the user's files; anything else is our own mistake."""
NO_MEMORY = re.compile(
    r"allocate (memory|\d)|insufficient memory|out of memory|failed to alloc|bad_?alloc|XNNPack.* failed|"
    r"start new thread",
    re.IGNORECASE,
)
"""How PyTorch, OpenCV, LiteRT (whose models are checked before) and Python say that there is too little memory."""

PASSWORD = re.compile(r"([a-z][a-z0-9+.-]*://)([^\s/:@]*):[^\s/]*@", re.IGNORECASE)
SIGNATURE = re.compile(r"(https?://[^\s?#]*)[?#][^\s'\"]*", re.IGNORECASE)
LONGEST = 240
"""Characters of what is repeated whole in a message; paths that are longer are rare."""


class Misuse(ValueError):
    """What was asked for can't be, whatever the files hold."""


def explain(error: Exception) -> str:
    """The one sentence that says why something failed; VIBE_TRACEBACK in the environment shows where as well."""
    if os.environ.get("VIBE_TRACEBACK"):
        traceback.print_exception(error)
    if isinstance(error, EXPECTED):
        return one_line(error)
    if NO_MEMORY.search(str(error)):
        return one_line(MemoryError())
    return f"a fault of vibe's own, {type(error).__name__}: {one_line(error)} (VIBE_TRACEBACK=1 shows where)"


@contextmanager
def needs_extra(purpose: str, package: str, extra: str) -> Iterator[None]:
    """Around the import of a package of one of our extras: an ImportError says what needs it and how to install it."""
    try:
        yield
    except ImportError as error:
        advice = f'run `pip install "vibe-motion[{extra}]"`'
        raise ImportError(f"{purpose} needs {package}, which is not installed: {advice}") from error


def one_line(error: Exception) -> str:
    """What an error says, on one line."""
    if isinstance(error, MemoryError):
        return "the memory of this machine is not enough for it"
    if isinstance(error, OSError) and error.strerror:
        return redact(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
    return redact(" ".join(str(error).split())) or type(error).__name__


def redact(text: str) -> str:
    """The same without the passwords and signatures of the URLs in it."""
    return SIGNATURE.sub(r"\1", PASSWORD.sub(r"\1\2@", text))


def shorten(value: object) -> str:
    """What somebody else wrote, such as a name, at a length that leaves a message readable, without passwords."""
    text = redact(str(value))
    return text if len(text) <= LONGEST else f"{text[:120]} ... {text[-60:]} ({len(text)} characters)"
