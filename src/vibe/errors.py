"""What went wrong, in one sentence for whoever uses the program."""

from __future__ import annotations

import os
import re
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

EXPECTED = (ValueError, OSError, MemoryError, ImportError, FloatingPointError)
"""What the borders raise about the user's files, and a training that diverged; anything else is our own mistake."""
NO_MEMORY = re.compile(
    r"allocate (memory|\d)|insufficient memory|out of memory|failed to alloc|bad_?alloc|XNNPack.* failed|"
    r"start new thread|failed to map segment|PyObject pointer is null",
    re.IGNORECASE,
)
"""How PyTorch, OpenCV, LiteRT (whose models are checked before), Python, its loader and Rust say that it is short."""

PASSWORD = re.compile(r"([a-z][a-z0-9+.-]*://)([^\s/:@]*):[^\s/]*@", re.IGNORECASE)
SIGNATURE = re.compile(r"(https?://[^\s?#]*)[?#][^\s'\"]*", re.IGNORECASE)
LONGEST = 240
"""Characters of what is repeated whole in a message; paths that are longer are rare."""

LONGEST_LIST = 1000
"""Characters of the differences that a message names."""


class Misuse(ValueError):
    """What was asked for can't be, whatever the files hold."""


def explain(error: BaseException) -> str:
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


@contextmanager
def damaged(what: str, advice: str = "copy it again", *also: type[Exception]) -> Iterator[None]:
    """Turn what fails inside over a file's content, also by these errors, into a ValueError: what, why, what to do."""
    try:
        yield
    except ImportError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, *also) as error:
        if isinstance(error, RuntimeError) and NO_MEMORY.search(str(error)):
            raise MemoryError from error
        kind = "" if type(error) is ValueError else f"{type(error).__name__}: "
        why = f"{error} is missing" if isinstance(error, KeyError) else kind + one_line(error)
        raise ValueError(f"{what} ({shorten(why)}): {advice}") from error


def one_line(error: BaseException) -> str:
    """What an error says, on one line."""
    if isinstance(error, MemoryError | BlockingIOError):  # the second where the system finds no room for a thread
        return "the memory of this machine is not enough for it"
    if isinstance(error, OSError) and error.strerror:
        return redact(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
    return redact(" ".join(str(error).split())) or type(error).__name__


def check_same(place: object, its: Mapping[str, Any], ours: Mapping[str, Any], what: str) -> None:
    """Raise ValueError, with the fields that differ by dotted name and both values, unless both are the same."""
    one, two = _flat(its), _flat(ours)
    differing = [name for name in one | two if one.get(name) != two.get(name)]
    if differing:
        told = "; ".join(f"{name}: {one.get(name, 'none')} there, {two.get(name, 'none')} here" for name in differing)
        told = told if len(told) <= LONGEST_LIST else f"{told[:LONGEST_LIST]} ..."
        raise ValueError(f"{place} comes from another {what} ({told}): give another folder, or what it began with")


def check_distinct(values: Iterable[Any], what: str) -> None:
    """Raise ValueError that names what comes twice."""
    double = [value for value, count in Counter(values).items() if count > 1]
    if double:
        raise ValueError(f"{what} has {', '.join(map(str, double))} twice: give each once")


def _flat(values: Mapping[str, Any], name: str = "") -> dict[str, Any]:
    """Nested values under dotted names."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{name}{key}.") if isinstance(value, Mapping) else {f"{name}{key}": value}
    return flat


def redact(text: str) -> str:
    """The same without the passwords and signatures of the URLs in it."""
    return SIGNATURE.sub(r"\1", PASSWORD.sub(r"\1\2@", text))


def shorten(value: object) -> str:
    """What somebody else wrote, such as a name, at a length that leaves a message readable, without passwords."""
    text = redact(str(value))
    return text if len(text) <= LONGEST else f"{text[:120]} ... {text[-60:]} ({len(text)} characters)"
