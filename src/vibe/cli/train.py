"""`vibe train`: weights by a recipe, any of whose fields can be given another value."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from tyro.conf import AvoidSubcommands, FlagConversionOff, Positional, arg

from vibe.cli.console import DONE, parse_arguments, print_info, usage_error
from vibe.cli.progress import ProgressLine

R = TypeVar("R")
FORM = (AvoidSubcommands, FlagConversionOff)
"""Every field takes a value, True or False too."""
Trainer = Callable[[Any, Path, str, ProgressLine | None], Iterator[dict[str, float]]]


@dataclass(frozen=True)
class TrainOptions(Generic[R]):
    """Train weights by a recipe. The numbers below are its own; each can be given another value."""

    recipe: Annotated[R, arg(name="")]
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="RUN", help_behavior_hint="(default: runs/RECIPE)")] = None
    """Folder of the run: weights.safetensors, best.safetensors, log.jsonl and what it goes on from."""
    epochs: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Train for so many epochs (of validate-every steps), in place of the recipe's steps."""
    device: Annotated[str, arg(metavar="DEVICE")] = "cpu"
    """Where the network learns: cpu, cuda, cuda:1, mps."""


def train(
    recipe: Annotated[Positional[str], arg(metavar="RECIPE")],
    /,
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="RUN", help_behavior_hint="(default: runs/RECIPE)")] = None,
) -> int:
    """Train weights by a recipe.

    A run that was stopped goes on from its last checkpoint, to the same weights, if it is started again.

    Every field of a recipe can be given another value after its name, as in `vibe train open -o RUN --epochs 2
    --adversarial.weight 0.5 --discriminator.pooling concat`; `vibe train RECIPE --help` lists them.

    The recipes read motion capture from the folder in the environment variable VIBE_MOTION.

    Args:
        recipe: Name of the recipe: open (free for all uses), open-nc (adds motion for non-commercial use), frame (each
            frame by itself), adversarial (with the motion discriminator), with-prior (with MPoser); paper and released
            (the published network, on the stores of clips in --data DIR), sun and temporal-hmr (what it is compared
            with: Sun et al. and Kanazawa et al. 2019); paper-keypoints (the same on the stores of rendered evidence in
            --rendered DIR ...); ablation-ROW (a row of the ablations' table; a wrong name is answered with all right
            ones); mposer and vposer (the priors themselves); simulator (of the shipped detector, on --rendered DIR
            ...).
        out: Folder of the run: log.jsonl, checkpoint.pt and weights.safetensors (for `vibe estimate --weights`).
    """
    return train_by(recipe, [] if out is None else ["--out", str(out)])


def train_by(name: str, options: Sequence[str]) -> int:
    """Train by the recipe of that name, with the options that follow it on the command line; the exit code."""
    from vibe.assets import keep_inputs

    offers = _offers()
    if name not in offers:
        return usage_error(f"no recipe is called {name}: choose one of {', '.join(offers)}")
    recipe, trainer = offers[name]
    kind, given = TrainOptions[type(recipe)], TrainOptions(recipe)
    order = parse_arguments(kind, options, prog=f"vibe train {name}", default=given, config=FORM)
    out = order.out or Path("runs") / name
    wanted: Any = order.recipe
    if order.epochs is not None:
        wanted = replace(wanted, steps=order.epochs * wanted.validate_every)
    keep_inputs([out], getattr(wanted, "data", None), *getattr(wanted, "rendered", ()))
    # `simulator` of a simulator's own recipe is its settings, not a file
    weights = (getattr(wanted, name, None) for name in ("start", "simulator"))
    keep_inputs(out.glob("*.safetensors"), *(path for path in weights if isinstance(path, str)))
    if os.environ.get("RANK", "0") != "0":
        for _ in trainer(wanted, out, order.device, None):
            pass
        return DONE
    _show(name, out, lambda progress: trainer(wanted, out, order.device, progress))
    return DONE


def _offers() -> Mapping[str, tuple[Any, Trainer]]:
    """Each recipe, and what trains by it."""
    from vibe.train import loop, priors, recipes, simulator

    rows = {each.name: each for each in recipes.ABLATIONS.values()}
    generators: Mapping[str, Any] = recipes.RECIPES | recipes.PAPER_RECIPES | rows
    offers: dict[str, tuple[Any, Trainer]] = {name: (each, loop.train_generator) for name, each in generators.items()}
    offers |= {name: (each, priors.train_prior) for name, each in priors.PRIOR_RECIPES.items()}
    return offers | {"simulator": (simulator.SimulatorRecipe(), simulator.train_simulator)}


def _show(name: str, out: Path, begin: Callable[[ProgressLine], Iterator[dict[str, float]]]) -> None:
    """Print each record of a run, under it a bar on a terminal, and at the end where the weights are."""
    lines = None if sys.stdout.isatty() else sys.stdout
    with ProgressLine(name) as progress:
        for record in begin(progress):
            numbers = "  ".join(f"{key} {value:.6g}" for key, value in record.items())
            print(numbers, file=lines, flush=True)
    print_info(out / "weights.safetensors")
