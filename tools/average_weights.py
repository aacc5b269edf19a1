"""The weighted mean of trained networks of one recipe, parameter by parameter: where trainings from one start meet."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from vibe import assets
from vibe.models.network import build_network
from vibe.train.checkpoints import save_weights
from vibe.train.recipes import RECIPES, Recipe


def average(weights: Sequence[Path | str], shares: Sequence[float]) -> dict[str, Tensor]:
    """The mean under these shares, which are divided by their sum; raises ValueError where the names differ."""
    states = [assets.load_weights(each)[0] for each in weights]
    if len({frozenset(state) for state in states}) != 1:
        raise ValueError("these are weights of different networks: choose those of one recipe")
    total = sum(shares)
    return {
        name: sum((share / total * state[name].float() for state, share in zip(states, shares, strict=True)), start=0)
        for name in states[0]
    }  # pyright: ignore[reportReturnType]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("weights", nargs="+", help="WEIGHTS=SHARE: files, or names")
    parser.add_argument("--recipe", default="open")
    given = parser.parse_args()
    files, shares = zip(*(each.rsplit("=", 1) for each in given.weights), strict=True)
    recipe = RECIPES[given.recipe]
    assert isinstance(recipe, Recipe)
    network = build_network(recipe.network)
    network.load_state_dict(average(files, [float(share) for share in shares]))
    about = assets.load_weights(files[0])[1]
    save_weights(given.out, replace(recipe, name=about.name, licence=about.licence), 0, network)


if __name__ == "__main__":
    main()
