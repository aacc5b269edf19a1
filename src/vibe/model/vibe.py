"""The generator: evidence, temporal encoder, regressor (the paper, section 3.1)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from vibe.records import Observation, Theta


class VIBE(nn.Module):
    """Composed of parts that are passed in; one class for training and for inference.

    `embedding` makes one feature vector a frame: of keypoints, or nn.Identity where the evidence is ResNet-50's
    features already.
    """

    def __init__(self, embedding: nn.Module, encoder: nn.Module, regressor: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding
        self.encoder = encoder
        self.regressor = regressor

    def forward(self, evidence: Observation | Float[Tensor, "*b time feature"]) -> Theta:
        return self.regressor(self.encoder(self.embedding(evidence)))
