"""What a run changes: generator, its average, discriminator, prior, with their optimisers; and what it learns from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from vibe import assets
from vibe.errors import damaged
from vibe.features.resnet import HEAD
from vibe.models.discriminator import MotionDiscriminator
from vibe.models.encoders import begin_at_input
from vibe.models.generator import VIBE
from vibe.models.priors import Prior, load_prior
from vibe.models.regressor import CAMERA, POSE, SHAPE
from vibe.records import GeneratorOutput
from vibe.rotations import rotmat_to_6d
from vibe.train.checkpoints import Stateful
from vibe.train.losses import build_heads
from vibe.train.recipes import GeneratorRecipe
from vibe.train.trainer import on_plateau


@dataclass(frozen=True)
class TrainState:
    """All on one device."""

    network: VIBE
    average: VIBE
    """Moving average of the network's parameters, which ships."""
    discriminator: MotionDiscriminator | None
    prior: Prior | None
    """Frozen; gradients go through it to the motion."""
    optimisers: Mapping[str, Optimizer]
    """Of the `network` and of the `discriminator`."""
    plateaus: Mapping[str, ReduceLROnPlateau]
    """Schedules of theirs that wait for the score; none where rates follow the cosine."""
    heads: nn.ModuleDict | None = None
    """Networks of the temporal losses, which learn with the generator."""

    @property
    def learners(self) -> nn.Module:
        """The generator, with the heads that share its optimiser."""
        return self.network if self.heads is None else nn.ModuleList([self.network, self.heads])

    def parts(self) -> dict[str, Stateful]:
        """All that changes in a run, by the names in its checkpoints."""
        parts: dict[str, Stateful] = {"network": self.network, "average": self.average}
        if self.discriminator is not None:
            parts["discriminator"] = self.discriminator
        if self.heads is not None:
            parts["heads"] = self.heads
        parts |= {f"optimiser of {name}": optimiser for name, optimiser in self.optimisers.items()}
        return parts | {f"plateau of {name}": each for name, each in self.plateaus.items()}


def build_train_state(recipe: GeneratorRecipe, build: Callable[[], VIBE], device: torch.device) -> TrainState:
    """All networks fresh by the seed, or from the recipe's start; raises FileNotFoundError, ValueError for weights."""
    torch.manual_seed(recipe.seed)
    network = build()
    if recipe.start is not None:
        load_start(network, recipe.start)
    network = network.to(device)
    discriminator = MotionDiscriminator(recipe.discriminator).to(device) if recipe.adversarial.weight else None
    heads = build_heads(recipe.temporal, len(network.regressor.get_parameter("fc1.weight")[0]) - POSE - SHAPE - CAMERA)
    learners = [*network.parameters(), *([] if heads is None else heads.to(device).parameters())]
    optimisers: dict[str, Optimizer] = {
        "network": torch.optim.AdamW(learners, lr=recipe.rate, weight_decay=recipe.decay, fused=True)
    }
    if discriminator is not None:
        optimisers["discriminator"] = torch.optim.Adam(
            discriminator.parameters(), lr=recipe.adversarial.rate, weight_decay=recipe.adversarial.decay, fused=True
        )
    prior = load_prior(recipe.prior.weights, device).model if recipe.prior.weight else None
    for part in () if prior is None else prior.modules():
        if isinstance(part, nn.RNNBase):
            part.train()  # cuDNN finds no gradient otherwise; without dropout both modes compute the same
    waiting = optimisers if recipe.schedule == "plateau" else {}
    return TrainState(
        network=network, average=copy.deepcopy(network).requires_grad_(False), discriminator=discriminator,
        prior=prior, optimisers=optimisers, heads=heads,
        plateaus={name: on_plateau(optimiser) for name, optimiser in waiting.items()},
    )  # fmt: skip


def input_weights(recipe: GeneratorRecipe) -> dict[str, Path]:
    """The weights files that a recipe reads, by what they are to it."""
    found = {"start": recipe.start, "prior": recipe.prior.weights if recipe.prior.weight else None}
    return {name: assets.weights_path(weights) for name, weights in found.items() if weights is not None}


def start_at_mean_pose(network: VIBE, rotmat: Float[Tensor, "frame 24 3 3"]) -> None:
    """The regressor begins at the mean of these poses, facing the camera."""
    mean = cast(Tensor, roma.special_procrustes(rotmat.mean(0)))
    mean[0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    network.regressor.get_buffer("init_pose").copy_(rotmat_to_6d(mean).flatten()[None])


def load_start(network: VIBE, weights: str) -> None:
    """Fill in the parts (embedding, encoder, regressor) that a weights file has, each whole; others are left fresh.

    So a generator begins from a single-frame model, which has no encoder: its own begins by handing on what it reads,
    and nothing that the model knew is lost. In the published one's file the regressor stands beside a ResNet. Raises
    ValueError if no part is there, or if one does not fit.
    """
    tensors, _ = assets.load_weights(weights)
    tensors = {f"regressor.{key}" if key.startswith(HEAD) else key: tensor for key, tensor in tensors.items()}
    found = []
    for name, part in network.named_children():
        own = {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items() if key.startswith(f"{name}.")}
        if not own:
            continue
        with damaged(f"the {name} of {weights} does not fit the recipe's network", "change the recipe, or --start"):
            part.load_state_dict({key: tensor.float() for key, tensor in own.items()})
        found.append(name)
    if "encoder" not in found:
        begin_at_input(network.encoder)
    if not found:
        raise ValueError(f"{weights} holds no part of a generator: start from weights that `vibe train open` made")


Predict = Callable[[Any], GeneratorOutput]
"""What the generator says of evidence, wherever that lies."""


@dataclass(frozen=True)
class Task:
    """What a run learns from, and how it is validated."""

    build: Callable[[], VIBE]
    """The generator with fresh parameters; its regressor begins at the mean pose of the material."""
    batch: Callable[[torch.Generator, float], Any]
    """Windows for one step, the same in every process: a record of tensors on the CPU that has `evidence`. Told what
    share of the steps is done."""
    motion: Callable[[torch.Generator], Float[Tensor, "real time 24 3 3"]]
    """As many windows of real motion."""
    losses: Callable[[GeneratorOutput, Any], dict[str, Float[Tensor, ""]]]
    """Each term, times its weight, of what the generator made of a process' share of the windows."""
    shifted_losses: Callable[[Any, GeneratorOutput, int], dict[str, Float[Tensor, ""]]]
    """The same of parameters meant for so many frames later (earlier where negative); windows, parameters, frames."""
    validate: Callable[[Predict], dict[str, float]]
    """Errors on what is never trained on, by name."""
    score: str
    """The error that decides which weights are the best, and that a plateau is told by."""
    data: Mapping[str, str]
    """Checksums of all that is read, by name."""
