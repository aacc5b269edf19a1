"""Puts a trained keypoint network into a wider one that gives the same answers: what a longer training begins from."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vibe import assets
from vibe.models.network import build_network, load_network
from vibe.train.checkpoints import save_weights
from vibe.train.recipes import RECIPES, Recipe


def grow(small: Mapping[str, Tensor], large: Mapping[str, Tensor], units: int) -> dict[str, Tensor]:
    """`small`'s numbers in the places of `large`; what is new says nothing yet to what was there.

    New units read all that there is, with `large`'s own random numbers. `units` is the GRU's width in `small`.
    """
    grown = {}
    for name, fresh in large.items():
        old, new = small[name], fresh.clone()
        gates = 3 if name.startswith("encoder.gru") else 1
        both_ways = name.startswith("encoder.gru.weight_ih_l") and "_l0" not in name or name == "encoder.linear.weight"
        rows = _places(len(old), len(fresh), len(old) // gates)
        if fresh.ndim == 1:
            new[rows] = old
        else:
            columns = _places(old.shape[1], fresh.shape[1], units if both_ways else old.shape[1])
            new[rows] = 0.0
            new[rows[:, None], columns] = old
        grown[name] = new
    return grown


def _places(old: int, new: int, block: int) -> Tensor:
    """Where each of `old` rows goes among `new`, block by block."""
    blocks = math.ceil(old / block)
    return (torch.arange(blocks)[:, None] * (new // blocks) + torch.arange(block)).flatten()


def grow_weights(weights: Path | str, recipe: Recipe) -> dict[str, Tensor]:
    """State of the recipe's network that answers as the network of `weights` does; its random numbers by its seed."""
    small = load_network(weights).model
    torch.manual_seed(recipe.seed)
    large = build_network(recipe.network)
    gru = small.encoder.get_submodule("gru")
    assert isinstance(gru, nn.GRU)
    return grow(small.state_dict(), large.state_dict(), gru.hidden_size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", help="a file of weights, or a name")
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="open")
    given = parser.parse_args()
    recipe = RECIPES[given.recipe]
    assert isinstance(recipe, Recipe)
    network = build_network(recipe.network)
    network.load_state_dict(grow_weights(given.weights, recipe))
    about = assets.load_weights(given.weights)[1]
    save_weights(given.out, replace(recipe, name=about.name, licence=about.licence), 0, network)


if __name__ == "__main__":
    main()
