"""Temporal convolutions with a look at past and future, after Kanazawa et al., "Learning 3D Human Dynamics from Video".

Their encoder reads a few frames on either side; regressors of change tell from its latent vector how the pose was a
moment ago and will be in a moment; a hallucinator makes such a latent vector out of a single picture's features.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vibe.models.regressor import POSE
from vibe.records import GeneratorOutput
from vibe.rotations import rotmat_from_6d, rotmat_to_6d


@dataclass(frozen=True)
class ConvolutionalConfig:
    """Sizes of the convolutional encoder; the defaults are those of the paper."""

    features: int = 2048
    """Width of the input, of the output and of every layer."""
    blocks: int = 3
    """Residual blocks of two convolutions each."""
    kernel: int = 3
    """Frames that one convolution sees; odd."""
    groups: int = 32
    """Groups of channels that are normalised together; divides `features`."""
    kind: Literal["convolutional"] = "convolutional"
    """Its name in a recipe."""


class ConvolutionalEncoder(nn.Module):
    """Residual blocks of convolutions over time, zeros beyond both ends; by default a frame sees six on each side."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        if config.kernel % 2 == 0 or config.features % config.groups:
            raise ValueError(
                f"kernel {config.kernel} has to be odd, and {config.groups} groups divide {config.features} features"
            )
        self.blocks = nn.Sequential(*[_Block(config) for _ in range(config.blocks)])

    def forward(self, features: Float[Tensor, "*b time feature"]) -> Float[Tensor, "*b time feature"]:
        flat = features.reshape(-1, *features.shape[-2:]).mT
        return self.blocks(flat).mT.reshape(features.shape)


class _Block(nn.Module):
    """Norm, ReLU, convolution, twice; added to the input."""

    def __init__(self, config: ConvolutionalConfig) -> None:
        super().__init__()
        self.norms = nn.ModuleList(_FrameNorm(config.groups, config.features) for _ in range(2))
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.features, config.features, config.kernel, padding="same") for _ in range(2)
        )

    def forward(self, features: Float[Tensor, "b feature time"]) -> Float[Tensor, "b feature time"]:
        hidden = features
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            hidden = convolution(norm(hidden).relu())
        return features + hidden


class _FrameNorm(nn.GroupNorm):
    """Group norm of each frame by itself: over time it would let every frame see all others and the track's length."""

    def forward(self, input: Float[Tensor, "b feature time"]) -> Float[Tensor, "b feature time"]:
        frames = super().forward(input.mT.flatten(0, 1))
        return frames.unflatten(0, (input.shape[0], -1)).mT


@dataclass(frozen=True)
class DynamicsConfig:
    """Sizes of the regressors of change; the defaults are those of the paper."""

    features: int = 2048
    hidden: int = 1024
    iterations: int = 3
    dropout: float = 0.5
    offsets: tuple[int, ...] = (-5, 5)
    """Frames into the future, or into the past where negative; a regressor each."""


class Dynamics(nn.Module):
    """How the pose was and will be, told from the present latent vector and the present answer."""

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.offsets = tuple(config.offsets)
        self.regressors = nn.ModuleDict({f"{offset:+d}": _Change(config) for offset in config.offsets})

    def forward(self, latent: Float[Tensor, "*b time feature"], present: GeneratorOutput) -> dict[int, GeneratorOutput]:
        """By offset, the parameters that many frames from each frame; shape and camera stay the present ones."""
        pose = rotmat_to_6d(present.rotmat).flatten(-2)
        moved = {
            offset: self.regressors[f"{offset:+d}"](latent, pose).unflatten(-1, (-1, 6)) for offset in self.offsets
        }
        return {offset: replace(present, rotmat=rotmat_from_6d(other)) for offset, other in moved.items()}


class _Change(nn.Module):
    """Starts from the present pose and adds a correction in each iteration; untrained, it adds nothing."""

    def __init__(self, config: DynamicsConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.features + POSE, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.hidden)
        self.decpose = nn.Linear(config.hidden, POSE)
        nn.init.zeros_(self.decpose.weight)
        nn.init.zeros_(self.decpose.bias)
        self.drop = nn.Dropout(config.dropout)
        self.iterations = config.iterations

    def forward(
        self, latent: Float[Tensor, "*b time feature"], pose: Float[Tensor, "*b time 144"]
    ) -> Float[Tensor, "*b time 144"]:
        width = latent.shape[-1]
        steady = functional.linear(latent, self.fc1.weight[:, :width], self.fc1.bias)
        from_pose = self.fc1.weight[:, width:]
        for _ in range(self.iterations):
            hidden = self.drop((steady + functional.linear(pose, from_pose)).relu())
            pose = pose + self.decpose(self.drop(self.fc2(hidden).relu()))
        return pose


@dataclass(frozen=True)
class HallucinatorConfig:
    """Sizes of the hallucinator; the defaults are those of the paper."""

    features: int = 2048
    hidden: int = 2048
    kind: Literal["hallucinator"] = "hallucinator"
    """Its name in a recipe."""


class Hallucinator(nn.Module):
    """Two linear layers and a residual: what the encoder might have said, from each frame alone."""

    def __init__(self, config: HallucinatorConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.features, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.features)

    def forward(self, features: Float[Tensor, "*b time feature"]) -> Float[Tensor, "*b time feature"]:
        return features + self.fc2(torch.relu(self.fc1(features)))
