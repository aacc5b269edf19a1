"""`vibe bench`: how fast this machine is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from vibe.cli.console import DONE, print_info
from vibe.cli.progress import ProgressLine

if TYPE_CHECKING:
    from vibe.bench import Bench


def bench(
    video: Annotated[Positional[Path | None], arg(metavar="[VIDEO]", help_behavior_hint="")] = None,
    /,
    json: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None,
    device: Annotated[str | None, arg(metavar="DEVICE", help_behavior_hint="(default: cuda if it is here)")] = None,
    mediapipe: Annotated[Path | None, arg(metavar="PYTHON", help_behavior_hint="")] = None,
) -> int:
    """Measure how fast this machine estimates motion, in one to two minutes.

    Prints a table: a whole run and its parts, the overlay, memory, and several workers at once.

    Args:
        video: A video of yours, of which the first 10 seconds are taken; without one, 6 seconds of somebody who walks
            are drawn for it, 1080x1920.
        json: Write the figures to this file, too.
        device: Where the networks run: cpu, cuda, cuda:1, mps.
        mediapipe: A Python that has MediaPipe (0.10.21 or older): its own pose solution, which finds one person and no
            body, is measured on the same video.
    """
    from vibe.bench import bench as measure

    with ProgressLine(Console(stderr=True), "bench") as progress:
        found = measure(video, device, mediapipe, progress)
    _print(found)
    if json is not None:
        _write(json, found)
    return DONE


def _print(found: Bench) -> None:
    """The table, and what was measured on."""
    console = Console()
    table = Table()
    for heading, side in (("what", "left"), ("value", "right"), ("unit", "left"), ("", "left")):
        table.add_column(heading, justify=side)  # pyright: ignore[reportArgumentType]
    for row in found.rows:
        table.add_row(row.what, f"{row.value:.1f}", row.unit, row.note)
    console.print(table, markup=False)
    print_info(console, f"on {found.machine}; networks on {found.device}")
    print_info(console, ", ".join(f"{name} {version}" for name, version in found.versions.items()))


def _write(path: Path, found: Bench) -> None:
    """The figures as JSON."""

    import json

    from vibe.assets import write_whole

    text = json.dumps(asdict(found), indent=2) + "\n"
    write_whole(path, text.encode())
