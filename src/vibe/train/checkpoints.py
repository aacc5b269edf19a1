"""What a run leaves behind: a checkpoint to go on from, and the weights to ship; each whole or not there at all."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from vibe import assets
from vibe.train.recipes import Recipe


def save_checkpoint(path: Path, recipe: Recipe, step: int, network: nn.Module, average: nn.Module,
                    optimiser: torch.optim.Optimizer) -> None:  # fmt: skip
    """All that the loop needs to go on as if it had never stopped."""
    state = {
        "recipe": json.dumps(asdict(recipe), sort_keys=True),
        "step": step,
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    assets.write_whole(path, buffer.getvalue())


def load_checkpoint(path: Path, recipe: Recipe, network: nn.Module, average: nn.Module,
                    optimiser: torch.optim.Optimizer) -> int:  # fmt: skip
    """Fill in what `save_checkpoint` wrote and return its step; raises ValueError if another recipe made it."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["recipe"] != json.dumps(asdict(recipe), sort_keys=True):
        raise ValueError(f"{path} comes from another recipe: give another run folder, or the options it began with")
    network.load_state_dict(state["network"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    return state["step"]


def save_weights(path: Path, recipe: Recipe, step: int, network: nn.Module) -> None:
    """The parameters in half precision, with name, licence and recipe beside them."""
    tensors = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    metadata = {
        "name": recipe.name,
        "licence": recipe.licence,
        "recipe": json.dumps(asdict(recipe), sort_keys=True),
        "step": str(step),
    }
    assets.write_whole(path, safetensors.torch.save(tensors, metadata))


def checksum(paths: list[Path]) -> dict[str, str]:
    """SHA-256 of each file, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
