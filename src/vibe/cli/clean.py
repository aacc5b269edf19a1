"""`vibe clean`: what lies beside the results goes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.console import DONE, print_info, usage_error


def clean(
    out: Annotated[Positional[Path], arg(metavar="[OUT]")] = Path("out"),
    /,
    dry_run: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    yes: Annotated[FlagCreatePairsOff[bool], arg(aliases=["-y"], help_behavior_hint="")] = False,
) -> int:
    """Remove kept stages, and what killed runs left, from a folder of results.

    Says what there is and how large it is, asks, and removes it. Results stay: motion.npz, overlay.mp4, page.html,
    summary.json and whatever else is there. Without the stages another run begins anew; nothing else is lost.

    Exit code: 0 done, 1 a run is at work in the folder or something could not be removed, 2 wrong usage.

    Args:
        out: The folder that `vibe estimate -o OUT` wrote to.
        dry_run: Only say what would be removed.
        yes: Don't ask.
    """
    from vibe.batch.cleanup import leftovers, remove, size

    if not out.is_dir():
        return usage_error(f"{out} is no folder: give the one that `vibe estimate -o OUT` wrote to")
    found = leftovers(out)
    for paths, what in (
        (found.stages, "stages of videos"),
        (found.work, "folders in which a killed run worked"),
        (found.half, "half-written files"),
    ):
        if paths:
            print_info(f"{what}: {len(paths)}, {size(paths) / 1e6:.1f} MB")
    if not found.all:
        print_info(f"nothing to remove in {out}")
        return DONE
    if dry_run:
        print_info("nothing was removed: leave --dry-run out to remove it")
        return DONE
    if not yes:
        if not sys.stdin.isatty():
            return usage_error("nobody is here to ask: give --yes to remove it, or --dry-run to only look")
        if input("Remove it? [y/N] ").strip().lower() not in ("y", "yes"):
            print_info("nothing was removed")
            return DONE
    freed = size(found.all)
    remove(out, found)
    print_info(f"removed, {freed / 1e6:.1f} MB")
    return DONE
