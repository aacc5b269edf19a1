"""The program that puts trained weights into a wider network."""

from dataclasses import replace

import torch

from grow_weights import grow_weights
from vibe.models.gru import EncoderConfig
from vibe.models.keypoint_embedding import EmbeddingConfig
from vibe.models.network import NetworkConfig, build_network, load_network
from vibe.models.regressor import RegressorConfig
from vibe.records import Observation
from vibe.train.checkpoints import save_weights
from vibe.train.recipes import OPEN


def sizes(hidden: int) -> NetworkConfig:
    return NetworkConfig(
        EmbeddingConfig(features=8),
        EncoderConfig(features=8, hidden=hidden, bidirectional=True),
        RegressorConfig(features=8, hidden=2 * hidden, dropout=0.0, activation="relu"),
    )


def test_a_wider_network_answers_as_the_one_that_it_grew_from_and_its_new_units_can_learn(tmp_path):
    torch.manual_seed(0)
    small = replace(OPEN, network=sizes(6))
    save_weights(tmp_path / "small.safetensors", small, 3, build_network(small.network))
    wide = replace(OPEN, network=sizes(10))
    network = build_network(wide.network)
    network.load_state_dict(grow_weights(tmp_path / "small.safetensors", wide))
    seen = Observation(torch.randn(2, 9, 27, 3), torch.randn(2, 9, 27, 3), torch.randn(2, 9, 3))
    before, after = load_network(tmp_path / "small.safetensors").model(seen), network(seen)
    assert torch.allclose(before.rotmat, after.rotmat, atol=1e-5)
    assert torch.allclose(before.betas, after.betas, atol=1e-5)
    assert torch.allclose(before.pred_cam, after.pred_cam, atol=1e-5)
    after.betas.sum().backward()
    gradient = network.encoder.get_parameter("linear.weight").grad
    assert gradient is not None and bool((gradient.unflatten(1, (2, 10))[..., 6:] != 0).any())
