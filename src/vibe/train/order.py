"""Motion without labels: frames are shuffled, and their order has to be recovered (Sun et al. 2019).

The shuffling is the adversary. The encoder reads shuffled frames, `model.attention.OrderRecovery` reads its latent
vectors, and both learn from `order_loss`, beside the generator's other losses on frames in their order.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def shuffle(
    features: Float[Tensor, "*b time feature"], seed: torch.Generator
) -> tuple[Float[Tensor, "*b time feature"], Int[Tensor, "*b time"]]:
    """Each track's frames in a random order of its own, and the place in time that each was taken from."""
    places = torch.rand(features.shape[:-1], generator=seed, device=seed.device).argsort(-1).to(features.device)
    return features.take_along_dim(places[..., None], -2), places


def order_loss(logits: Float[Tensor, "*b time time"], places: Int[Tensor, "*b time"]) -> Float[Tensor, ""]:
    """Mean cross entropy of the frames' places in time; the logarithm of their number for who guesses."""
    return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), places.flatten())


def order_accuracy(logits: Float[Tensor, "*b time time"], places: Int[Tensor, "*b time"]) -> Float[Tensor, "*b"]:
    """Share of each track's frames that are put in their place."""
    return (logits.argmax(-1) == places).float().mean(-1)
