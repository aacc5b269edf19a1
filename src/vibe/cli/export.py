"""`vibe export`: a motion file in the form of other programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from tyro.conf import Positional, arg

from vibe.cli.meter import Meter
from vibe.cli.say import DONE, refuse

if TYPE_CHECKING:
    from vibe.body import Body
    from vibe.records import Result


@dataclass(frozen=True)
class Form:
    """A form that motions are exported in."""

    file: str
    """Name of the file unless the user gives another."""
    write: Callable[[Path, Result, Body, Meter], None]


def _legacy(path: Path, result: Result, body: Body, meter: Meter) -> None:
    from vibe.results.legacy import write_legacy

    write_legacy(path, result, body, meter)


FORMS = {"legacy": Form("vibe_output.pkl", _legacy)}


def export(
    motion: Annotated[Positional[Path], arg(metavar="MOTION.npz")],
    /,
    to: Annotated[str, arg(metavar="{" + ",".join(FORMS) + "}")],
    out: Annotated[
        Path | None, arg(aliases=["-o"], metavar="PATH", help_behavior_hint="(default: beside the motion file)")
    ] = None,
    body: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: found by the file)")] = None,
) -> int:
    """Write a motion file that `vibe estimate` made in the form of other programs.

    legacy: vibe_output.pkl, as the published program wrote it, for the tools that were built on that; 83 kB a frame and
    person with SMPL.

    Args:
        motion: The motion.npz of a video.
        to: The form to write.
        out: The file to write, or a folder for it; what is there is replaced.
        body: The body that the motion was made with; to be named only if it is a file of your own.
    """
    if to not in FORMS:
        return refuse(f"no form is called {to}: choose one of {', '.join(FORMS)}")
    from vibe.cli.bodies import body_of
    from vibe.results.npz import read_npz

    form = FORMS[to]
    path = out or motion.parent
    if path.is_dir():
        path = path / form.file
    result = read_npz(motion)
    if path.resolve() == motion.resolve():
        return refuse(f"{motion} would be overwritten by its own export: choose another file with -o")
    made_with = body_of(result.body, body)
    path.parent.mkdir(parents=True, exist_ok=True)
    with Meter(Console(stderr=True), motion.name) as meter:
        form.write(path, result, made_with, meter)
    print(path)
    return DONE
