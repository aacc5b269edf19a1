from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vibe.features.keypoint_embedding import EmbeddingConfig
from vibe.inference.network import NetworkConfig
from vibe.models.discriminator import DiscriminatorConfig
from vibe.models.gru import EncoderConfig
from vibe.models.regressor import RegressorConfig
from vibe.train.recipes import RECIPES, Recipe


@pytest.fixture
def motion_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Smooth invented motion of two subjects, one of them held out, where the loop looks for it."""
    random = np.random.default_rng(0)
    time = np.arange(120)[:, None] / 30
    poses = 0.3 * np.sin(2 * np.pi * (time * random.uniform(0.2, 1, 72) + random.random(72)))
    folder = tmp_path / "motion"
    folder.mkdir()
    np.savez(
        folder / "tiny.npz", poses=poses.astype(np.float16), trans=np.zeros((120, 3), np.float16),
        seq_offsets=np.array([0, 60, 120]), names=np.array(["cmu_01_01", "cmu_03_01"]), fps=30,
    )  # fmt: skip
    monkeypatch.setenv("VIBE_MOTION", str(folder))
    return folder


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
