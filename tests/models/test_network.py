import json
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from vibe import assets
from vibe.models.network import build_network, load_network
from vibe.train.checkpoints import save_weights
from vibe.train.recipes import OPEN


def test_weights_of_another_shape_are_refused_by_name(tmp_path: Path) -> None:
    tensors, about = assets.load_weights()
    tensors["regressor.fc1.bias"] = torch.zeros(3)
    metadata = {"name": about.name, "licence": about.licence, "recipe": json.dumps(assets.load_recipe())}
    safetensors.torch.save_file(tensors, tmp_path / "odd.safetensors", metadata)
    with pytest.raises(ValueError, match="regressor.fc1.bias"):
        load_network(tmp_path / "odd.safetensors")


@pytest.mark.parametrize("name", ["open", "mposer", "vposer"])
def test_the_shipped_weights_do_not_say_where_they_were_trained(name: str) -> None:
    def texts(value: object) -> list[str]:
        if isinstance(value, dict | list):
            return [text for each in (value.values() if isinstance(value, dict) else value) for text in texts(each)]
        return [value] if isinstance(value, str) else []

    assert not [text for text in texts(assets.load_recipe(name)) if Path(text).is_absolute()]


def test_a_recipe_in_a_file_of_weights_names_files_without_their_folders(tmp_path: Path) -> None:
    recipe = replace(OPEN, start=str(tmp_path / "before.safetensors"))
    save_weights(tmp_path / "after.safetensors", recipe, 0, build_network(recipe.network))
    assert assets.load_recipe(tmp_path / "after.safetensors")["start"] == "before.safetensors"


RECIPE = {"network": {"embedding": {"features": 8}, "encoder": {"features": 8}, "regressor": {"features": 8}}}


@pytest.mark.parametrize(
    "encoder",
    [
        {"hidden": 1 << 15},
        {"hidden": 1 << 70},
        {"layers": 10**9},
        {"hidden": -1},
        {"hidden": "x"},
        {"kind": []},
        "gru",
        [],
    ],
)
def test_a_recipe_of_any_sizes_is_refused_by_the_files_name_before_memory_is_taken(encoder, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")

    sizes = RECIPE["network"] | {"encoder": {"features": 8, **encoder} if isinstance(encoder, dict) else encoder}
    metadata = {"name": "odd", "licence": "free", "recipe": json.dumps({"network": sizes, "synthesis": {"frames": 4}})}
    safetensors.torch.save_file({"weight": torch.zeros(3)}, tmp_path / "odd.safetensors", metadata)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"odd\.safetensors") as caught:
        load_network(tmp_path / "odd.safetensors")
    assert len(str(caught.value)) < 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 19
