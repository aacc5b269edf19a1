"""Stores of invented clips, as small as training by the paper's recipe lets them be."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from vibe.data.recording import Recording
from vibe.data.writer import StoreWriter
from vibe.model.discriminator import DiscriminatorConfig
from vibe.model.encoder import EncoderConfig
from vibe.model.regressor import RegressorConfig
from vibe.train.recipes import PAPER_RECIPE, AdversarialConfig, PaperRecipe

FRAMES = 5


def smooth(random: np.random.Generator, count: int, *shape: int) -> np.ndarray:
    """Numbers that change little from frame to frame."""
    return random.normal(size=shape) + 0.1 * np.cumsum(random.normal(size=(count, *shape)), 0)


def recording(name: str, mark: float, seed: int, count: int = 12, split: str = "train", **known) -> Recording:
    """A clip of pictures, with a number in its features that tells its set."""
    random = np.random.default_rng(seed)
    features = np.abs(random.normal(size=(count, 2048)))
    features[:, 0] = mark
    keypoints = np.concatenate([random.uniform(100, 300, (count, 49, 2)), random.random((count, 49, 1))], -1)
    box = np.tile([200.0, 210.0, 150.0, 220.0], (count, 1))
    return Recording(
        name, np.arange(count), 25.0, split=split, features=features, keypoints_px={"spin49": keypoints}, box_px=box,
        **known,
    )  # fmt: skip


def in_3d(seed: int, count: int = 12) -> dict:
    return {"points": {"spin49": 0.3 * smooth(np.random.default_rng(seed), count, 49, 3)}}


def posed(seed: int, count: int = 12) -> dict:
    random = np.random.default_rng(seed)
    return {"poses": 0.2 * smooth(random, count, 72), "betas": np.zeros((count, 10))}


def write(folder: Path, *recordings: Recording) -> None:
    with StoreWriter(folder, "Invented.", {}, {}) as store:
        for each in recordings:
            store.add(each)


def write_sets(folder: Path) -> None:
    """Two sets of 2D clips, two of 3D ones, of which one has a validation split, and one of motion."""
    write(folder / "flat", recording("f1", 1, 1), recording("f2", 1, 2))
    write(folder / "small", recording("s1", 2, 3))
    write(folder / "points", recording("p1", 3, 4, **in_3d(4)))
    half = np.arange(12) % 3 > 0
    write(
        folder / "whole",
        recording("w1", 4, 5, **in_3d(5), **posed(5), has_theta=half),
        recording("w2", 5, 6, split="validation", **in_3d(6), **posed(6)),
    )
    write(folder / "motion", Recording("m1", np.arange(30), 30.0, **posed(7, 30)))


def tiny_recipe(folder: Path) -> PaperRecipe:
    """A recipe that runs in seconds, without dropout, which no two processes share."""
    return replace(
        PAPER_RECIPE, data=str(folder), motion=("motion",), body="open", batch=6, frames=FRAMES, steps=6, rate=1e-3,
        validate_every=3, save_every=2, log_every=1, encoder=EncoderConfig(hidden=4),
        regressor=RegressorConfig(hidden=8, dropout=0.0),
        adversarial=AdversarialConfig(weight=2.0, decay=1e-4),
        discriminator=DiscriminatorConfig(hidden=8, attention_units=6, dropout=0.0),
    )  # fmt: skip
