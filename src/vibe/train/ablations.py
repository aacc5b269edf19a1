"""The recipes of the ablations' rows: the paper's tables 2 and 3, the encoders and the window, on imitated examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from vibe.models.attention import AttentionConfig
from vibe.models.convolutional import ConvolutionalConfig
from vibe.models.discriminator import DiscriminatorConfig
from vibe.models.encoders import AnyEncoderConfig
from vibe.models.gru import EncoderConfig
from vibe.models.network import WIDTH
from vibe.models.transformer import TransformerConfig
from vibe.synthetic.poses import PoseConfig
from vibe.train.labels import LabelConfig
from vibe.train.recipes import ADVERSARIAL, FRAME, OPEN, WITH_PRIOR, Recipe

WINDOWS, FRAMES = 32, 16
"""A batch, as published; longer windows are fewer, so that every row sees as many frames."""
LABELLED = 0.4
"""Share of the windows with 3D labels; of the others the detected keypoints are known, as in the published mixture."""
CAPTURED = PoseConfig(limb=0.0, wobble=0.0, tumble=0.0)
"""Poses that are not widened: what the generator learns is then as real as what the discriminator is shown."""
UNITS = 256
"""Of a GRU layer of the discriminator, a quarter of the published ones: its steps would be most of the budget."""
WEIGHT, RATE = 0.1, 1e-3
"""Of the adversarial loss and of the discriminator's Adam: of 0.1, 0.5 and 2, and 1e-4, 5e-4 and 1e-3, the pair with
which the discriminator learnt to tell motions apart and did no harm within 400 steps of the first seed."""


def small(recipe: Recipe, **changes: object) -> Recipe:
    """The recipe with the ablations' batch, most of it without 3D labels, as published; poses as they were captured."""
    synthesis = replace(recipe.synthesis, batch=WINDOWS, frames=FRAMES, labelled=LABELLED, poses=CAPTURED)
    return replace(recipe, synthesis=synthesis, average=0.99, **changes)  # pyright: ignore[reportArgumentType]


def judged(weight: float = WEIGHT, rate: float = RATE, **sizes: object) -> Recipe:
    """Generator and discriminator, of these sizes."""
    discriminator = DiscriminatorConfig(hidden=UNITS, **sizes)  # pyright: ignore[reportArgumentType]
    adversarial = replace(ADVERSARIAL.adversarial, weight=weight, rate=rate)
    return small(ADVERSARIAL, adversarial=adversarial, discriminator=discriminator)


def encoded(encoder: AnyEncoderConfig) -> Recipe:
    return small(OPEN, network=replace(OPEN.network, encoder=encoder))


def window_recipe(frames: int) -> Recipe:
    recipe = small(OPEN)
    synthesis = replace(recipe.synthesis, batch=WINDOWS * FRAMES // frames, frames=frames)
    return replace(recipe, synthesis=synthesis)


_ROWS: Mapping[str, Recipe] = {
    "frame": small(FRAME),
    "g": small(OPEN),
    "g-dm": judged(),
    "g-mposer": small(WITH_PRIOR),
    "g-dm-smplify": replace(judged(), labels=LabelConfig(fit=True)),
    "g-dm-published": judged(weight=0.5, rate=1e-4),
    "dm-concat": judged(pooling="concat"),
    "dm-attention-2x512": judged(attention_units=512),
    "dm-attention-3x1024": judged(attention_layers=3),
    "dm-attention-3x512": judged(attention_layers=3, attention_units=512),
    "convolutional": encoded(ConvolutionalConfig(features=WIDTH)),
    "attention": encoded(AttentionConfig(features=WIDTH, hidden=256)),
    "transformer": encoded(TransformerConfig(features=WIDTH, hidden=256)),
    "one-direction": encoded(EncoderConfig(features=WIDTH, hidden=224)),
    "t-32": window_recipe(32),
    "t-64": window_recipe(64),
}
ABLATIONS = {row: replace(recipe, name=f"ablation-{row}") for row, recipe in _ROWS.items()}
"""What each row trains."""
