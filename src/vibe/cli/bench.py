"""`vibe bench`: how fast this machine is."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from vibe.cli.console import DONE, print_info, print_table
from vibe.cli.progress import ProgressLine


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
    from vibe.assets import keep_inputs, write_whole
    from vibe.bench.measure import bench as measure

    keep_inputs([json], video, mediapipe)
    with ProgressLine("bench") as progress:
        found = measure(video, device, mediapipe, progress)
    rows = ((row.what, f"{row.value:.1f}", row.unit, row.note) for row in found.rows)
    print_table({"what": "left", "value": "right", "unit": "left", "": "left"}, rows)
    print_info(f"on {found.machine}; networks on {found.device}")
    print_info(", ".join(f"{name} {version}" for name, version in found.versions.items()))
    if json is not None:
        write_whole(json, (dumps(asdict(found), indent=2) + "\n").encode())
    return DONE
