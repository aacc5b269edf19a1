from dataclasses import replace
from pathlib import Path

import pytest

from vibe.models.discriminator import DiscriminatorConfig
from vibe.models.gru import EncoderConfig
from vibe.models.keypoint_embedding import EmbeddingConfig
from vibe.models.network import NetworkConfig
from vibe.models.regressor import RegressorConfig
from vibe.train.recipes import RECIPES, Recipe


@pytest.fixture
def tiny(motion_folder: Path) -> Recipe:
    """A recipe that runs in seconds."""
    network = NetworkConfig(
        EmbeddingConfig(features=16, blocks=1),
        EncoderConfig(features=16, hidden=8, bidirectional=True),
        RegressorConfig(features=16, hidden=16, activation="relu", dropout=0.1),
    )
    synthesis = replace(RECIPES["open"].synthesis, batch=4, frames=8)
    return replace(
        RECIPES["open"], motion=("tiny.npz",), steps=6, warmup=2, save_every=2, validate_every=6, network=network,
        synthesis=synthesis, discriminator=DiscriminatorConfig(hidden=8, attention_units=6),
    )  # fmt: skip
