"""`vibe train`: weights by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from vibe.cli.say import DONE, refuse


def train(
    recipe: Annotated[Positional[str], arg(metavar="RECIPE")],
    /,
    out: Annotated[Path, arg(aliases=["-o"], metavar="RUN")],
) -> int:
    """Train weights by a recipe, on the CPU.

    A run that was stopped goes on from its last checkpoint, to the same weights, if it is started again.

    The recipes read motion capture from the folder in the environment variable VIBE_MOTION.

    Args:
        recipe: Name of the recipe: open (free for all uses), open-nc (adds motion for non-commercial use).
        out: Folder of the run: log.jsonl, checkpoint.pt and weights.safetensors (for `vibe estimate --weights`).
    """
    from vibe.train import loop, recipes

    if recipe not in recipes.RECIPES:
        return refuse(f"no recipe is called {recipe}: choose one of {', '.join(recipes.RECIPES)}")
    for record in loop.train(recipes.RECIPES[recipe], out):
        print("  ".join(f"{name} {value:.6g}" for name, value in record.items()), flush=True)
    return DONE
