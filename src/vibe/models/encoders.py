"""The temporal encoders by name: each reads [*b, time, feature] and answers the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from vibe.errors import damaged
from vibe.models.attention import AttentionConfig, AttentionEncoder, TransformerConfig, TransformerEncoder
from vibe.models.convolutional import ConvolutionalConfig, ConvolutionalEncoder, Hallucinator, HallucinatorConfig
from vibe.models.gru import EncoderConfig, GRUEncoder

AnyEncoderConfig = EncoderConfig | ConvolutionalConfig | HallucinatorConfig | AttentionConfig | TransformerConfig

ENCODERS: dict[str, tuple[type[AnyEncoderConfig], type[nn.Module]]] = {
    "gru": (EncoderConfig, GRUEncoder),
    "convolutional": (ConvolutionalConfig, ConvolutionalEncoder),
    "hallucinator": (HallucinatorConfig, Hallucinator),
    "attention": (AttentionConfig, AttentionEncoder),
    "transformer": (TransformerConfig, TransformerEncoder),
}
"""The config and the network of each name."""


def encoder_config(recipe: Mapping[str, Any] | None) -> AnyEncoderConfig | None:
    """The config that a recipe's plain values stand for, by their `kind`; a recipe without one has a GRU.

    None stands for no encoder: each frame by itself. Raises ValueError for a name or a field that there is not.
    """
    if recipe is None:
        return None
    if not isinstance(recipe, Mapping):
        raise ValueError(f"this is no recipe of an encoder: {ascii(recipe)[:40]}")
    kind = recipe.get("kind", "gru")
    if kind not in ENCODERS:
        raise ValueError(f"there is no encoder {kind!r}: choose one of {', '.join(ENCODERS)}")
    with damaged(f"this is no recipe of a {kind} encoder", "choose other weights"):
        return ENCODERS[kind][0](**recipe)


def begin_at_input(encoder: nn.Module) -> None:
    """Zero the layers that end the branches of a residual encoder: until it learns, it answers with its input."""
    end = None
    if isinstance(encoder, ConvolutionalEncoder):
        end = nn.ModuleList(block.get_submodule("convolutions.1") for block in encoder.blocks)
    elif isinstance(encoder, Hallucinator):
        end = encoder.fc2
    elif isinstance(encoder, GRUEncoder | AttentionEncoder | TransformerEncoder) and encoder.residual:
        end = encoder.linear if isinstance(encoder, GRUEncoder) else encoder.widen
    for parameter in [] if end is None else end.parameters():
        nn.init.zeros_(parameter)


def build_encoder(config: AnyEncoderConfig | None) -> nn.Module:
    """An encoder with fresh parameters; for None one that hands each frame's features on."""
    return nn.Identity() if config is None else ENCODERS[config.kind][1](config)
