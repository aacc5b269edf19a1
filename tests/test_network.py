import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from vibe import assets
from vibe.network import load_network


def test_weights_of_another_shape_are_refused_by_name(tmp_path: Path) -> None:
    tensors, about = assets.load_weights()
    tensors["regressor.fc1.bias"] = torch.zeros(3)
    metadata = {"name": about.name, "licence": about.licence, "recipe": json.dumps(assets.load_recipe())}
    safetensors.torch.save_file(tensors, tmp_path / "odd.safetensors", metadata)
    with pytest.raises(ValueError, match="regressor.fc1.bias"):
        load_network(tmp_path / "odd.safetensors")
