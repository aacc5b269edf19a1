"""The keypoint network: put together from its parts, read from its file, run over a track."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import roma
import torch
from torch import Tensor

from vibe import assets
from vibe.body.mirror import mirror_rotmat
from vibe.model.encoder import EncoderConfig, GRUEncoder
from vibe.model.regressor import Regressor, RegressorConfig
from vibe.model.vibe import VIBE
from vibe.observe.keypoints import EmbeddingConfig, KeypointEmbedding, mirror
from vibe.records import Observation, Theta, Weights

WIDTH = 384


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of the keypoint network's three parts."""

    embedding: EmbeddingConfig = EmbeddingConfig(features=WIDTH)
    encoder: EncoderConfig = EncoderConfig(features=WIDTH, hidden=224, bidirectional=True)
    regressor: RegressorConfig = RegressorConfig(features=WIDTH, hidden=384, dropout=0.0, activation="relu")


def build_network(config: NetworkConfig) -> VIBE:
    """The network with fresh parameters."""
    return VIBE(KeypointEmbedding(config.embedding), GRUEncoder(config.encoder), Regressor(config.regressor))


def load_network(path: Path | str | None = None) -> tuple[VIBE, Weights]:
    """The network of a weights file (a path, a shipped name, or the default), ready to run, and its licence.

    Raises FileNotFoundError or ValueError, which names what does not fit.
    """
    sizes = assets.load_recipe(path).get("network")
    tensors, weights = assets.load_weights(path)
    try:
        network = build_network(_config(sizes))
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except (TypeError, KeyError, RuntimeError) as error:
        raise ValueError(f"{assets.weights_path(path)} does not fit the keypoint network: {error}") from error
    return network.eval().requires_grad_(False), weights


def _config(sizes: Any) -> NetworkConfig:
    """Sizes from a recipe's plain values."""
    return NetworkConfig(
        EmbeddingConfig(**sizes["embedding"]), EncoderConfig(**sizes["encoder"]), RegressorConfig(**sizes["regressor"])
    )


def lift(network: VIBE, observation: Observation, window: int = 1024, overlap: int = 256) -> Theta:
    """The network's answer for a track of any length, averaged with that for the mirrored evidence.

    Tracks longer than `window` are read in windows that share `overlap` frames, half of which each side gives up.
    """
    frames = observation.box.shape[-2]
    pieces = []
    for start in range(0, max(frames - overlap, 1), window - overlap):
        stop = min(start + window, frames)
        part = Observation(observation.keypoints[..., start:stop, :, :], observation.box[..., start:stop, :])
        first = start + overlap // 2 if start else 0
        last = frames if stop == frames else stop - overlap // 2
        pieces.append([value[first - start : last - start] for value in _both_sides(network, part)])
    return Theta(*(torch.cat(parts) for parts in zip(*pieces, strict=True)))


def _both_sides(network: VIBE, observation: Observation) -> tuple[Tensor, Tensor, Tensor]:
    """Rotations, betas and camera, each the mean of the straight and the mirrored reading."""
    other = mirror(observation)
    both = network(
        Observation(torch.stack([observation.keypoints, other.keypoints]), torch.stack([observation.box, other.box]))
    )
    rotmat = cast(Tensor, roma.special_procrustes(both.rotmat[0] + mirror_rotmat(both.rotmat[1])))
    flipped = both.pred_cam[1] * both.pred_cam.new_tensor([1.0, -1.0, 1.0])
    return rotmat, both.betas.mean(0), (both.pred_cam[0] + flipped) / 2
