"""Learnt priors of poses and motion: put together, and read from their files."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vibe import assets
from vibe.models.mposer import MPoser, MPoserConfig
from vibe.models.vposer import VPoser, VPoserConfig
from vibe.records import Weights


@dataclass(frozen=True)
class LearntPrior:
    """A prior ready to judge motion, with what it may be used for."""

    model: MPoser | VPoser
    about: Weights


def mposer(sizes: Mapping[str, Any]) -> MPoser:
    """MPoser with fresh parameters, from a recipe's plain values."""
    return MPoser(MPoserConfig(**sizes))


def vposer(sizes: Mapping[str, Any]) -> VPoser:
    """VPoser with fresh parameters, likewise."""
    return VPoser(VPoserConfig(**sizes))


KINDS: dict[str, Callable[[Mapping[str, Any]], MPoser | VPoser]] = {"mposer": mposer, "vposer": vposer}
"""The priors that can be trained, by the name that their recipes carry as `kind`."""


@functools.cache
def load_prior(path: Path | str = "mposer", device: torch.device | str = "cpu") -> LearntPrior:
    """The prior of a weights file (a path, or the name of a shipped or added set), ready to run.

    Strict: raises FileNotFoundError, and ValueError if the file holds another kind of network or other sizes.
    """
    recipe = assets.load_recipe(path)
    kind = recipe.get("kind")
    if kind not in KINDS:
        raise ValueError(
            f"{assets.weights_path(path)} is no prior (its recipe is of the kind {kind!r}, not {' or '.join(KINDS)}): "
            "give a file that `vibe train mposer` or `vibe train vposer` wrote"
        )
    tensors, about = assets.load_weights(path)
    try:
        model = KINDS[str(kind)](recipe["prior"])  # pyright: ignore[reportArgumentType]
        model.load_state_dict({name: _widened(tensor) for name, tensor in tensors.items()})
    except (TypeError, KeyError, RuntimeError) as error:
        raise ValueError(f"{assets.weights_path(path)} does not fit its own recipe: {error}") from error
    return LearntPrior(model.to(device).eval().requires_grad_(False), about)


def _widened(tensor: Tensor) -> Tensor:
    """Full precision for numbers with a fraction; counts stay as they are."""
    return tensor.float() if tensor.is_floating_point() else tensor
