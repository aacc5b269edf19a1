"""Self-attention over time and the order of shuffled frames, after Sun et al., "Human Mesh Recovery from Monocular
Images via a Skeleton-Disentangled Representation".

Attention relates frames however far apart, convolutions relate neighbours. That the encoder knows motion and not only
poses is enforced without labels: frames are shuffled, and from their latent vectors `OrderRecovery` must put them back.
The structure is the paper's; sizes that it leaves open are ours.
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
