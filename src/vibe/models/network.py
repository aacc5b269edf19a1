"""The networks that can be run: put together from their parts, and read from their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vibe import assets
from vibe.body.keypoint_regressor import SMPL_VERTICES
from vibe.body.record import Body
from vibe.errors import damaged
from vibe.models.encoders import AnyEncoderConfig, build_encoder, encoder_config
from vibe.models.generator import VIBE
from vibe.models.gru import EncoderConfig
from vibe.models.keypoint_embedding import EmbeddingConfig, KeypointEmbedding
from vibe.models.regressor import Regressor, RegressorConfig
from vibe.records import Weights

WIDTH = 384


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the keypoint network's three parts."""

    embedding: EmbeddingConfig = EmbeddingConfig(features=WIDTH)
    encoder: AnyEncoderConfig | None = EncoderConfig(features=WIDTH, hidden=224, bidirectional=True)
    regressor: RegressorConfig = RegressorConfig(features=WIDTH, hidden=384, dropout=0.0, activation="relu")


@dataclass(frozen=True)
class Network:
    """A network ready to run, with what it reads and what it may be used for."""

    model: VIBE
    evidence: Literal["keypoints", "images"]
    """What the model reads; of images, the features."""
    window: int
    """Frames of keypoints that are read at a time, twice those of the windows that the model was trained on; features
    are read as a stream."""
    body: str
    """Whose betas it gives: open or smpl."""
    about: Weights
    extractor: Callable[[Any], Tensor] | None = None
    """Makes features of crops (`vibe.features.extractor`); None where keypoints or features are there already."""


def knows_shapes(network: Network, body: Body) -> bool:
    """Whether the network's betas mean shapes of this body."""
    kind = "smpl" if len(body.v_template) == SMPL_VERTICES else body.origin.name.split("-")[0]
    return network.body == kind


def build_network(config: NetworkConfig) -> VIBE:
    """The keypoint network with fresh parameters."""
    return VIBE(KeypointEmbedding(config.embedding), build_encoder(config.encoder), Regressor(config.regressor))


def load_network(path: Path | str | None = None, device: torch.device | str = "cpu") -> Network:
    """The network of a weights file (a path, a name, or the default), ready to run on evidence that is there.

    Raises FileNotFoundError or ValueError, which names what does not fit.
    """
    recipe = assets.load_recipe(path)
    tensors, about = assets.load_weights(path)
    images = recipe.get("evidence") == "images"
    with damaged(f"{assets.weights_path(path)} does not fit the network", "choose other weights", AssertionError):
        sizes = recipe if images else recipe["network"]
        _check_layers(sizes["encoder"], len(tensors))
        encoder, regressor = encoder_config(sizes["encoder"]), RegressorConfig(**sizes["regressor"])
        if images:
            window, build = 0, lambda: VIBE(nn.Identity(), build_encoder(encoder), Regressor(regressor))
            if encoder is None:  # the single-frame baseline's file holds its ResNet as well
                with torch.device("meta"):
                    head = Regressor(regressor).state_dict()
                tensors = {f"regressor.{name}": tensor for name, tensor in tensors.items() if name in head}
        else:
            config = NetworkConfig(EmbeddingConfig(**sizes["embedding"]), encoder, regressor)
            window, build = 2 * int(recipe["synthesis"]["frames"]), lambda: build_network(config)
            tensors = {name: tensor.float() for name, tensor in tensors.items()}
        model = _filled(build, tensors)
    model = model.to(device).eval().requires_grad_(False)
    return Network(model, "images" if images else "keypoints", window, str(recipe.get("body", "open")), about)


def _filled(build: Callable[[], VIBE], tensors: Mapping[str, Tensor]) -> VIBE:
    """A network with these parameters, whose sizes are compared before memory is taken; raises ValueError."""
    with torch.device("meta"):
        wanted = {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    differing = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    if differing:
        told = (
            f"{name} is {found.get(name, 'missing')}, expected {wanted.get(name, 'none')}" for name in differing[:4]
        )
        raise ValueError(f"{len(differing)} of its parameters have other sizes than its recipe says: {', '.join(told)}")
    model = build()
    model.load_state_dict(tensors)
    return model


def _check_layers(encoder: Any, tensors: int) -> None:
    """Raises ValueError for an encoder of more layers or blocks than there are tensors for."""
    for name in ("layers", "blocks"):
        count = encoder.get(name, 0) if isinstance(encoder, Mapping) else 0
        if not isinstance(count, int) or not 0 <= count <= tensors:
            raise ValueError(f"its recipe says {ascii(count)[:20]} {name}, and there are {tensors} parameters")
