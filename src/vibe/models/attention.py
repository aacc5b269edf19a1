"""Self-attention over time: the encoder of Sun et al., "Human Mesh Recovery from Monocular Images via a
Skeleton-Disentangled Representation", with the order of shuffled frames; and a transformer, which the paper names as
future work (section 5).

In the former attention relates frames however far apart, convolutions relate neighbours. That it knows motion and not
only poses is enforced without labels: frames are shuffled, and from their latent vectors `OrderRecovery` must put them
back. The structure is the paper's; sizes that it leaves open are ours. The transformer's layers are normed before they
read (Xiong et al. 2020); its attention is local and knows only how far apart two frames are, by rotary positions (Su
et al. 2021): a track may be of any length, and where it starts does not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class AttentionConfig:
    """Sizes of the attention encoder."""

    features: int = 2048
    """Width of the input and of the output."""
    hidden: int = 512
    """Width inside."""
    heads: int = 8
    """Attention heads; divides `hidden`."""
    layers: int = 2
    """Blocks of attention and convolution."""
    kernel: int = 3
    """Frames that a convolution sees; odd. With 1 only attention relates frames."""
    dropout: float = 0.1
    positions: bool = True
    """Tell the frames their places; without, and with `kernel` 1, a track is a set of frames."""
    residual: bool = True
    """Add the input to the output."""
    window: int = 256
    """Longer tracks are read in windows of so many frames."""
    overlap: int = 128
    """Frames that neighbouring windows share; each gives up half of them."""
    kind: Literal["attention"] = "attention"
    """Its name in a recipe."""


class AttentionEncoder(nn.Module):
    """Self-attention and convolutions over time in turn."""

    def __init__(self, config: AttentionConfig) -> None:
        super().__init__()
        if config.kernel % 2 == 0 or config.hidden % config.heads or not 0 <= config.overlap < config.window:
            raise ValueError(
                f"kernel {config.kernel} has to be odd, {config.heads} heads divide {config.hidden} units, and the"
                f" overlap {config.overlap} be less than the window {config.window}"
            )
        self.config, self.residual = config, config.residual
        self.narrow = nn.Linear(config.features, config.hidden)
        sizes = config.hidden, config.heads, config.kernel, config.dropout
        self.blocks = nn.Sequential(*[_Block(*sizes) for _ in range(config.layers)])
        self.widen = nn.Linear(config.hidden, config.features)

    def forward(self, features: Float[Tensor, "*b time feature"]) -> Float[Tensor, "*b time feature"]:
        frames, window, overlap = features.shape[-2], self.config.window, self.config.overlap
        flat = features.reshape(-1, *features.shape[-2:])
        pieces = []
        for start in range(0, max(frames - overlap, 1), window - overlap):
            stop = min(start + window, frames)
            first = start + overlap // 2 if start else 0
            last = frames if stop == frames else stop - (overlap - overlap // 2)
            pieces.append(self._window(flat[:, start:stop])[:, first - start : last - start])
        latent = torch.cat(pieces, 1).reshape(features.shape)
        return latent + features if self.residual else latent

    def _window(self, features: Float[Tensor, "b time feature"]) -> Float[Tensor, "b time feature"]:
        hidden = self.narrow(features)
        if self.config.positions:
            hidden = hidden + places(features.shape[1], hidden)
        return self.widen(self.blocks(hidden))


class _Block(nn.Module):
    """Self-attention, then two convolutions where a transformer has its feed-forward layers; each added and normed."""

    def __init__(self, hidden: int, heads: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.attention = TemporalSelfAttention(hidden, heads)
        self.attention_norm = nn.LayerNorm(hidden)
        self.convolutions = nn.ModuleList(nn.Conv1d(hidden, hidden, kernel, padding="same") for _ in range(2))
        self.convolution_norm = nn.LayerNorm(hidden)
        self.drop = nn.Dropout(dropout)

    def forward(self, hidden: Float[Tensor, "b time n"]) -> Float[Tensor, "b time n"]:
        hidden = self.attention_norm(hidden + self.drop(self.attention(hidden)))
        first, second = self.convolutions
        near = second(self.drop(first(hidden.mT).relu())).mT
        return self.convolution_norm(hidden + self.drop(near))


class TemporalSelfAttention(nn.Module):
    """Multi-head attention of all frames to all frames."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.read = nn.Linear(width, 3 * width)
        self.write = nn.Linear(width, width)

    def forward(self, hidden: Float[Tensor, "b time n"]) -> Float[Tensor, "b time n"]:
        query, key, value = self.read(hidden).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.write(functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(-2))


@dataclass(frozen=True)
class OrderConfig:
    """Sizes of the order recovery."""

    features: int = 2048
    """Width of the encoder's latent vectors."""
    hidden: int = 256
    heads: int = 4
    """Attention heads; divides `hidden`."""
    layers: int = 2
    dropout: float = 0.1


class OrderRecovery(nn.Module):
    """Tells from latent vectors in any order where in time each belongs.

    It doesn't know in which place a vector was given: shuffling its input shuffles its answers, no more.
    """

    def __init__(self, config: OrderConfig) -> None:
        super().__init__()
        self.narrow = nn.Linear(config.features, config.hidden)
        blocks = [_Block(config.hidden, config.heads, 1, config.dropout) for _ in range(config.layers)]
        self.blocks = nn.Sequential(*blocks)
        self.place = nn.Linear(config.hidden, config.hidden)

    def forward(self, latent: Float[Tensor, "*b time feature"]) -> Float[Tensor, "*b time time"]:
        """Logits: for each frame as given (row), of each place in time (column)."""
        hidden = self.blocks(self.narrow(latent.reshape(-1, *latent.shape[-2:])))
        logits = hidden @ self.place(places(latent.shape[-2], hidden)).mT / math.sqrt(hidden.shape[-1])
        return logits.reshape(*latent.shape[:-1], -1)


def places(frames: int, like: Float[Tensor, "*b n"]) -> Float[Tensor, "frames n"]:
    """Sines and cosines of the frame's number, wave lengths from 2 pi to 20,000 pi frames; in width, type and device
    like another tensor."""
    return waves(frames, like).flatten(-2)[:, : like.shape[-1]]


def waves(frames: int, like: Float[Tensor, "*b n"]) -> Float[Tensor, "frames half 2"]:
    """Sine and cosine of each wave length in each frame."""
    width = like.shape[-1]
    rates = 10_000.0 ** -(torch.arange(0, width, 2, dtype=torch.float64) / width)
    angles = torch.arange(frames, dtype=torch.float64)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], -1).to(like.dtype).to(like.device)


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
