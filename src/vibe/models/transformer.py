"""A transformer as temporal encoder, which the paper names as future work (section 5).

Layers are normed before they read (Xiong et al. 2020). Attention is local and knows only how far apart two frames are,
by rotary positions (Su et al. 2021): a track may be of any length, and where it starts does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vibe.models.attention import waves

BLOCK = 256
"""Frames that ask at once: bounds the memory of attention and changes nothing else."""


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of the transformer."""

    features: int = 2048
    """Width of the input and of the output."""
    hidden: int = 512
    """Width inside."""
    heads: int = 8
    """Attention heads; `hidden` is an even multiple of them."""
    layers: int = 4
    expand: int = 4
    """Width of the feed-forward layers, in times `hidden`."""
    reach: int = 32
    """Frames that a layer looks back and, unless causal, ahead."""
    causal: bool = False
    """Look back only."""
    dropout: float = 0.1
    residual: bool = True
    """Add the input to the output."""
    kind: Literal["transformer"] = "transformer"
    """Its name in a recipe."""


class TransformerEncoder(nn.Module):
    """Layers of local self-attention; untrained, its answer is the input (or zero without the residual)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        if config.hidden % (2 * config.heads) or config.reach < 0:
            raise ValueError(
                f"{config.hidden} units have to be an even multiple of {config.heads} heads, and the reach"
                f" {config.reach} not be negative"
            )
        self.residual = config.residual
        self.narrow = nn.Linear(config.features, config.hidden)
        self.layers = nn.Sequential(*[_Layer(config) for _ in range(config.layers)])
        self.norm = nn.LayerNorm(config.hidden)
        self.widen = nn.Linear(config.hidden, config.features)
        nn.init.zeros_(self.widen.weight)
        nn.init.zeros_(self.widen.bias)

    def forward(self, features: Float[Tensor, "*b time feature"]) -> Float[Tensor, "*b time feature"]:
        hidden = self.layers(self.narrow(features.reshape(-1, *features.shape[-2:])))
        latent = self.widen(self.norm(hidden)).reshape(features.shape)
        return latent + features if self.residual else latent


class _Layer(nn.Module):
    """Attention, then a feed-forward part; each reads its normed input and adds to it."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.heads, self.reach, self.causal = config.heads, config.reach, config.causal
        self.attention_norm = nn.LayerNorm(config.hidden)
        self.read = nn.Linear(config.hidden, 3 * config.hidden)
        self.write = nn.Linear(config.hidden, config.hidden)
        self.forward_norm = nn.LayerNorm(config.hidden)
        self.up = nn.Linear(config.hidden, config.expand * config.hidden)
        self.down = nn.Linear(config.expand * config.hidden, config.hidden)
        self.drop = nn.Dropout(config.dropout)

    def forward(self, hidden: Float[Tensor, "b time n"]) -> Float[Tensor, "b time n"]:
        read = self.read(self.attention_norm(hidden)).unflatten(-1, (3, self.heads, -1))
        query, key, value = read.permute(2, 0, 3, 1, 4)
        seen = attend(turn(query), turn(key), value, self.reach, 0 if self.causal else self.reach)
        hidden = hidden + self.drop(self.write(seen.transpose(1, 2).flatten(-2)))
        return hidden + self.drop(self.down(functional.gelu(self.up(self.forward_norm(hidden)))))


def turn(vectors: Float[Tensor, "*b time n"]) -> Float[Tensor, "*b time n"]:
    """Turn each pair of numbers by an angle that grows with time, at wave lengths from 2 pi to 20,000 pi frames.

    The dot product of two turned vectors depends on how far apart they are, not on where they are.
    """
    sin, cos = waves(vectors.shape[-2], vectors).unbind(-1)
    first, second = vectors[..., ::2], vectors[..., 1::2]
    return torch.stack([first * cos - second * sin, first * sin + second * cos], -1).flatten(-2)


def attend(
    query: Float[Tensor, "b head time n"], key: Float[Tensor, "b head time n"], value: Float[Tensor, "b head time n"],
    back: int, ahead: int, block: int = BLOCK,
) -> Float[Tensor, "b head time n"]:  # fmt: skip
    """Attention of each frame to those at most `back` frames before and `ahead` after it."""
    frames = torch.arange(query.shape[-2], device=query.device)
    answers = []
    for asking in frames.split(block):
        first, last = int(asking[0]), int(asking[-1])
        near = slice(max(first - back, 0), last + ahead + 1)
        apart = frames[near] - asking[:, None]
        seen = (apart >= -back) & (apart <= ahead)
        part = query[..., first : last + 1, :]
        answers.append(
            functional.scaled_dot_product_attention(part, key[..., near, :], value[..., near, :], attn_mask=seen)
        )
    return torch.cat(answers, -2)
