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

    Features are asked for when it is their turn, unless the encoder looks ahead: then it reads all frames at once, and
    only what follows is cut.
    """
    regress, encoder, state = fold_iterations(network.regressor), network.encoder, None
    if isinstance(encoder, nn.Identity) or (isinstance(encoder, GRUEncoder) and encoder.streams):
        for first in range(0, frames, chunk):
            piece = network.embedding(features(slice(first, min(first + chunk, frames))))
            if isinstance(encoder, GRUEncoder):
                piece, state = encoder.step(piece, state)
            yield regress(piece)
        return
    given = network.embedding(features(slice(0, frames)))
    yield from map(regress, encoder(given).split(chunk, -2))
