"""`vibe prepare`: data to train and to evaluate on, made on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.meter import Meter
from vibe.cli.say import DONE, complain, refuse, say

BENCHMARK = "open-benchmark"
NAMED = 50
"""Drops that are named; the manifest has them all."""


def prepare(
    name: Annotated[Positional[str], arg(metavar="[NAME|list]")] = "list",
    raw: Annotated[Positional[Path | None], arg(metavar="[RAW_DIR]", help_behavior_hint="")] = None,
    /,
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="DIR", help_behavior_hint="")] = None,
    workers: Annotated[int, arg(metavar="N")] = 1,
    strict: Annotated[bool, FlagCreatePairsOff, arg(help_behavior_hint="")] = False,
) -> int:
    """Make a store of clips from a data set's original downloads.

    With `list`, or alone: the names of the sets, whose they are, and what their raw folders have to look like.

    What can't be read is left out, and named at the end with the reason. A run that was stopped goes on where it was;
    one that is finished changes nothing.

    open-benchmark needs no RAW_DIR: motion capture of people whom no weights are trained on, from the folder in the
    environment variable VIBE_MOTION, in random shapes, before three still cameras each, with clean keypoints and with
    a detector's errors. It comes out the same everywhere, or not at all.

    Exit code: 0 done, 1 nothing could be made, or with --strict not all, 2 wrong usage.

    Args:
        name: The data set.
        raw: Folder of its original files.
        out: Folder to write to; made if absent.
        workers: Processes; the store is the same however many there are.
        strict: Fail if anything had to be left out; once the raw files are mended the same command goes on.
    """
    if name == "list":
        return refuse("to make a store, say `vibe prepare NAME RAW_DIR -o DIR`") if raw or out else _list()
    if name == BENCHMARK:
        if raw or out is None:
            return refuse(f"say `vibe prepare {BENCHMARK} -o DIR`")
        return _benchmark(out)
    from vibe.data.catalogue import SETS

    if name not in SETS:
        return refuse(f"no data set is called {name}: choose one of {', '.join([*SETS, BENCHMARK])}")
    if raw is None or out is None:
        return refuse(f"say `vibe prepare {name} RAW_DIR -o DIR`; RAW_DIR holds {SETS[name].layout}")
    if workers < 1:
        return refuse(f"there can't be {workers} workers: choose 1 or more")
    return _prepare(name, raw, out, workers, strict)


def _list() -> int:
    """Every set with its licence and layout."""
    from vibe.data.catalogue import SETS

    console = Console()
    for name, each in SETS.items():
        say(console, f"{name}: {each.title}\n  {each.licence}\n  {each.layout}\n")
    say(console, f"{BENCHMARK}: needs no raw folder")
    return DONE


def _benchmark(out: Path) -> int:
    from vibe.evaluate.build import build

    with Meter(Console(stderr=True), BENCHMARK) as meter:
        sha256 = build(out, progress=meter)
    say(Console(), f"{out}: {BENCHMARK}, SHA-256 {sha256}")
    return DONE


def _prepare(name: str, raw: Path, out: Path, workers: int, strict: bool) -> int:
    """Make the store and tell what was kept and dropped."""
    from vibe.data import prepare
    from vibe.data.catalogue import SETS

    with Meter(Console(stderr=True), name) as meter:
        made = prepare.prepare(name, SETS[name], raw, out, strict, meter, workers)
    tell_dropped(made.dropped)
    say(
        Console(),
        f"{out}: {name}, kept {made.recordings} recordings of {made.rows} frames, {len(made.dropped)} dropped",
    )
    return DONE


def tell_dropped(dropped: Mapping[str, str]) -> None:
    """A line on stderr for each thing that was left out, up to many."""
    complain(*(f"dropped {name}: {reason}" for name, reason in list(dropped.items())[:NAMED]))
    if len(dropped) > NAMED:
        complain(f"and {len(dropped) - NAMED} more were dropped")
