"""The generator: evidence, temporal encoder, regressor (the paper, section 3.1), also over tracks of any length."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe.models.gru import GRUEncoder
from vibe.models.regressor import Regressor, fold_iterations
from vibe.records import GeneratorOutput, Observation


class VIBE(nn.Module):
    """Composed of parts that are passed in; one class for training and for inference.

    `embedding` makes one feature vector a frame: of keypoints, or nn.Identity where the evidence is ResNet-50's
    features already.
    """

    def __init__(self, embedding: nn.Module, encoder: nn.Module, regressor: Regressor) -> None:
        super().__init__()
        self.embedding = embedding
        self.encoder = encoder
        self.regressor = regressor

    def forward(self, evidence: Observation | Float[Tensor, "*b time feature"]) -> GeneratorOutput:
        return self.regressor(self.encoder(self.embedding(evidence)))


@torch.no_grad()
def run_generator(
    network: VIBE, features: Callable[[slice], Float[Tensor, "*b part feature"]], frames: int, chunk: int = 512
) -> Iterator[GeneratorOutput]:
    """The generator's answer for whole tracks, `chunk` frames at a time, the same as `network(features)`.

    Features are asked for when it is their turn, unless the encoder looks ahead: a bidirectional GRU then goes through
    the track once a layer and direction; any other encoder reads all frames at once, and only what follows is cut.
    Raises ValueError if `chunk` is not positive.
    """
    if chunk < 1:
        raise ValueError(f"{chunk} frames at a time is too few: give 1 or more")
    regress, encoder, state = fold_iterations(network.regressor), network.encoder, None
    if isinstance(encoder, nn.Identity) or (isinstance(encoder, GRUEncoder) and encoder.streams):
        for first in range(0, frames, chunk):
            piece = network.embedding(features(slice(first, min(first + chunk, frames))))
            if isinstance(encoder, GRUEncoder):
                piece, state = encoder.step(piece, state)
            yield regress(piece)
        return
    given = network.embedding(features(slice(0, frames)))
    if isinstance(encoder, GRUEncoder):
        units = read_both_ways(encoder.gru, given.reshape(-1, *given.shape[-2:]), chunk)
        units = units.reshape(*given.shape[:-1], -1)
        for part, piece in zip(units.split(chunk, -2), given.split(chunk, -2), strict=True):
            yield regress(encoder.answer(part, piece))
    else:
        yield from map(regress, encoder(given).split(chunk, -2))


def read_both_ways(gru: nn.GRU, features: Float[Tensor, "b time feature"], chunk: int) -> Float[Tensor, "b time unit"]:
    """What a bidirectional GRU gives for whole tracks, with the inner products of only `chunk` frames in memory."""
    starts = range(0, features.shape[1], chunk)
    for layer in range(gru.num_layers):
        units = features.new_empty(*features.shape[:2], 2, gru.hidden_size)
        for side, suffix in enumerate(("", "_reverse")):
            names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            weights: list[Tensor] = [gru.get_parameter(f"{name}_l{layer}{suffix}") for name in names]
            state = features.new_zeros(1, len(features), gru.hidden_size)
            for start in reversed(starts) if suffix else starts:
                turned = [1] if suffix else []
                piece = features[:, start : start + chunk].flip(turned)
                answer, state = torch.gru(piece, state, weights, True, 1, 0.0, False, False, True)
                units[:, start : start + chunk, side] = answer.flip(turned)
        features = units.flatten(-2)
    return features
