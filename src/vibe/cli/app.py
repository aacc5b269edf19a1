"""The commands, and the one place where a command begins and ends."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, wraps
from typing import Annotated, Any, Union

from tyro.conf import subcommand

from vibe import __version__
from vibe.cli.assets import assets, fetch
from vibe.cli.console import DONE, FAILED, INTERRUPTED, USAGE, parse_arguments, print_error, usage_error
from vibe.cli.estimate import clean, estimate
from vibe.cli.live import live
from vibe.cli.pages import app, edit, refit
from vibe.cli.prepare import evidence, make_clip, prepare
from vibe.cli.results import export, render, view
from vibe.cli.weights import bench, evaluate, train, train_by
from vibe.errors import Misuse, explain

PANIC = "PanicException"
"""What Rust's faults are called in each of its libraries; they are no Exceptions."""
COMMANDS: dict[str, Callable[..., int]] = {
    "estimate": estimate,
    "export": export,
    "render": render,
    "view": view,
    "edit": edit,
    "refit": refit,
    "live": live,
    "app": app,
    "assets": assets,
    "fetch": fetch,
    "train": train,
    "prepare": prepare,
    "evidence": evidence,
    "evaluate": evaluate,
    "bench": bench,
    "clean": clean,
    "make-clip": make_clip,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are those of the process if not given."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    if arguments == ["--version"]:
        print(f"vibe {__version__}")
        return DONE
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print_error("interrupted: what was finished is whole")
        return INTERRUPTED
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != PANIC:
            raise
        print_error(explain(error))
        return FAILED


def _run(arguments: list[str]) -> int:
    """The exit code of the command that the arguments name; help and wrong arguments have one as well."""
    first, *rest = arguments = arguments or ["--help"]
    if not first.startswith("-") and first not in COMMANDS:
        near = difflib.get_close_matches(first, COMMANDS, 1)
        return usage_error(
            f"there is no command {first}: {f'did you mean {near[0]}?' if near else 'see `vibe --help`'}"
        )
    description = "A video in, everyone's 3D motion out, in SMPL's format. `vibe --version` prints the version."
    try:
        if first == "train" and rest and not rest[0].startswith("-"):
            return train_by(rest[0], rest[1:])
        if first in COMMANDS:  # so that what is wrong with arguments names the help of this command
            return parse_arguments(_later(COMMANDS[first]), rest, prog=f"vibe {first}")()
        return parse_arguments(_commands(), arguments, prog="vibe", description=description)()
    except Misuse as error:
        return usage_error(str(error))
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else USAGE


def _commands() -> Any:
    """All commands as tyro takes them, with the first sentence of each."""
    commands = []
    for name, run in COMMANDS.items():
        first = (run.__doc__ or "").split("\n\n")[0]
        about = subcommand(name, constructor=_later(run), description=first)
        commands.append(Annotated[Any, about])
    return Union[tuple(commands)]  # noqa: UP007


def _later(run: Callable[..., int]) -> Callable[..., Callable[[], int]]:
    """What takes a command's arguments: it is run once they are all read, for what it says is its own."""
    return wraps(run)(lambda *args, **options: partial(run, *args, **options))
