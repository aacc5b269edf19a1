"""The program that averages trained networks."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from average_weights import average
from vibe.models.keypoint_embedding import EmbeddingConfig
from vibe.models.network import NetworkConfig, build_network
from vibe.models.regressor import RegressorConfig
from vibe.train.checkpoints import save_weights
from vibe.train.recipes import OPEN


def trained(path: Path, seed: int, width: int = 8) -> Path:
    network = NetworkConfig(
        EmbeddingConfig(features=width), None, RegressorConfig(features=width, hidden=8, activation="relu")
    )
    torch.manual_seed(seed)
    save_weights(path, replace(OPEN, network=network), 3, build_network(network))
    return path


def test_the_mean_lies_between_by_the_shares_and_the_share_of_all_is_the_file_itself(tmp_path):
    one, two = trained(tmp_path / "one.safetensors", 1), trained(tmp_path / "two.safetensors", 2)
    alone, other, mean = average([one, two], [1, 0]), average([one, two], [0, 2]), average([one, two], [1, 3])
    for name, value in mean.items():
        torch.testing.assert_close(value, 0.25 * alone[name] + 0.75 * other[name])
    assert any(not torch.equal(alone[name], other[name]) for name in alone)


def test_networks_of_other_parts_are_refused(tmp_path):
    one = trained(tmp_path / "one.safetensors", 1)
    network = NetworkConfig()
    save_weights(tmp_path / "two.safetensors", replace(OPEN, network=network), 3, build_network(network))
    with pytest.raises(ValueError, match="different networks"):
        average([one, tmp_path / "two.safetensors"], [1, 1])
