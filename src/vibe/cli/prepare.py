"""`vibe prepare`: data to evaluate on, made on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from tyro.conf import Positional, arg

from vibe.cli.meter import Meter
from vibe.cli.say import DONE, say


def prepare(
    what: Annotated[Positional[Literal["open-benchmark"]], arg(metavar="{open-benchmark}")],
    /,
    out: Annotated[Path, arg(aliases=["-o"], metavar="DIR")],
) -> int:
    """Make the data of a benchmark.

    open-benchmark: motion capture of people whom no weights are trained on, in random shapes, before three still
    cameras each, with clean keypoints and with a detector's errors. It comes out the same everywhere, or not at all.

    Reads motion capture from the folder in the environment variable VIBE_MOTION.

    Args:
        what: The benchmark.
        out: Folder to write to; made if absent.
    """
    from vibe.evaluate.build import build

    with Meter(Console(stderr=True), what) as meter:
        sha256 = build(out, progress=meter)
    say(Console(), f"{out}: {what}, SHA-256 {sha256}")
    return DONE
