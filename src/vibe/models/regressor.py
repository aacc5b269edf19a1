"""The iterative regressor: a latent vector to SMPL parameters and camera (the paper, section 3.1, after HMR)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vibe import rotations
from vibe.records import GeneratorOutput
from vibe.skeletons import SMPL

POSE, SHAPE, CAMERA = len(SMPL) * 6, 10, 3
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"none": lambda x: x, "relu": functional.relu}


@dataclass(frozen=True)
class RegressorConfig:
    """Sizes of the regressor; the defaults are those of the published model."""

    features: int = 2048
    hidden: int = 1024
    iterations: int = 3
    dropout: float = 0.5
    activation: Literal["none", "relu"] = "none"
    """Between the layers; the published model has none."""


class Regressor(nn.Module):
    """Starts from the mean parameters and adds a correction in each iteration."""

    init_pose: Tensor
    init_shape: Tensor
    init_cam: Tensor

    def __init__(self, config: RegressorConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.features + POSE + SHAPE + CAMERA, config.hidden)
        self.fc2 = nn.Linear(config.hidden, config.hidden)
        self.decpose = nn.Linear(config.hidden, POSE)
        self.decshape = nn.Linear(config.hidden, SHAPE)
        self.deccam = nn.Linear(config.hidden, CAMERA)
        for decoder in (self.decpose, self.decshape, self.deccam):
            nn.init.xavier_uniform_(decoder.weight, gain=0.01)
        self.drop = nn.Dropout(config.dropout)
        self.activation = ACTIVATIONS[config.activation]
        self.linear = config.activation == "none"
        """Whether nothing but dropout keeps it from being one affine map."""
        self.iterations = config.iterations
        self.register_buffer("init_pose", torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0] * len(SMPL))[None])
        self.register_buffer("init_shape", torch.zeros(1, SHAPE))
        self.register_buffer("init_cam", torch.tensor([[0.9, 0.0, 0.0]]))

    def forward(self, features: Float[Tensor, "*b time feature"]) -> GeneratorOutput:
        width = features.shape[-1]
        from_features, from_state = self.fc1.weight.split([width, POSE + SHAPE + CAMERA], 1)
        steady = functional.linear(features, from_features, self.fc1.bias)
        start = torch.cat([self.init_pose, self.init_shape, self.init_cam], -1)
        state = start.expand(*features.shape[:-1], -1)
        for _ in range(self.iterations):
            hidden = self.drop(self.activation(steady + functional.linear(state, from_state)))
            hidden = self.drop(self.activation(self.fc2(hidden)))
            state = state + torch.cat([self.decpose(hidden), self.decshape(hidden), self.deccam(hidden)], -1)
        return theta(state)


def fold_iterations(regressor: Regressor) -> Callable[[Float[Tensor, "*b time feature"]], GeneratorOutput]:
    """The same answers at a twentieth of the sums; the regressor itself where it has an activation or trains.

    Without an activation an iteration adds D(W x + V s + b) + d to the state s, so that all of them together are affine
    in the features x. Worth its price from some hundred frames on.
    """
    if not regressor.linear or regressor.training:
        return regressor
    decoders = (regressor.decpose, regressor.decshape, regressor.deccam)
    width = regressor.fc1.in_features - POSE - SHAPE - CAMERA
    decode = torch.cat([decoder.weight for decoder in decoders])
    change = decode @ regressor.fc2.weight
    offset = change @ regressor.fc1.bias + decode @ regressor.fc2.bias
    offset = offset + torch.cat([decoder.bias for decoder in decoders])
    from_features, from_state = (change @ part for part in regressor.fc1.weight.split([width, len(change)], 1))
    bias = torch.cat([regressor.init_pose, regressor.init_shape, regressor.init_cam], -1)[0]
    weight = torch.zeros_like(from_features)
    for _ in range(regressor.iterations):
        weight = weight + from_state @ weight + from_features
        bias = bias + from_state @ bias + offset
    return lambda features: theta(functional.linear(features, weight, bias))


def theta(state: Float[Tensor, "*b time 157"]) -> GeneratorOutput:
    """Pose in 6D, shape and camera side by side, as a record."""
    pose, betas, pred_cam = state.split([POSE, SHAPE, CAMERA], -1)
    return GeneratorOutput(rotations.rotmat_from_6d(pose.unflatten(-1, (-1, 6))), betas, pred_cam)
