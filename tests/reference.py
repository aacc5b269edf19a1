"""The reference numbers of the official implementation, and the recipe that rebuilds their inputs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor


def recipe(shared: Path) -> ModuleType:
    """The recipe as a module."""
    spec = importlib.util.spec_from_file_location("recipe", shared / "reference" / "recipe.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(shared: Path) -> dict[str, np.ndarray]:
    """The reference file."""
    with np.load(shared / "reference" / "vibe_reference.npz", allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def entry(shared: Path, name: str) -> np.ndarray:
    """One entry of it."""
    return entries(shared)[name]


def state(shared: Path, model: str) -> dict[str, Tensor]:
    """The official parameters of `model`, by their official names."""
    make, mean = recipe(shared), recipe(shared).mean_params()
    tensors = {}
    for line in entry(shared, f"{model}.state_keys"):
        name, shape = str(line).split(" ", 1)
        sizes = tuple(int(size) for size in shape.strip("()").split(",") if size)
        leaf = name.rsplit(".", 1)[-1]
        starts = {"init_pose": mean["pose"], "init_shape": mean["shape"], "init_cam": mean["cam"]}
        value = starts[leaf][None] if leaf in starts else make.tensor(name, sizes)
        tensors[name] = torch.from_numpy(value)
    return tensors
