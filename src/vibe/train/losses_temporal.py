"""Losses of what the paper compares with: past and future (Kanazawa et al. 2019), shuffled order (Sun et al. 2019)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from vibe.records import GeneratorOutput


def meet(predicted: GeneratorOutput, truth: GeneratorOutput, offset: int) -> tuple[GeneratorOutput, GeneratorOutput]:
    """What was predicted `offset` frames ahead (back where negative) and the truth at those frames, one beside the
    other; raises ValueError if the clip is too short for it."""
    frames = truth.betas.shape[-2]
    if abs(offset) >= frames:
        raise ValueError(f"a clip of {frames} frames has none {offset} frames away: take longer clips")
    now = slice(max(-offset, 0), frames - max(offset, 0))
    then = slice(max(offset, 0), frames + min(offset, 0))
    return _cut(predicted, now), _cut(truth, then)


def _cut(theta: GeneratorOutput, part: slice) -> GeneratorOutput:
    return GeneratorOutput(theta.rotmat[..., part, :, :, :], theta.betas[..., part, :], theta.pred_cam[..., part, :])


def best_camera(
    points: Float[Tensor, "*b point 3"], keypoints: Float[Tensor, "*b point 2"], confidence: Float[Tensor, "*b point"]
) -> Float[Tensor, "*b 3"]:
    """The weak camera s, tx, ty that best shows points at 2D keypoints (half crop sides), in the sense of least
    squares weighted by confidence.

    Past and future poses are compared with 2D evidence through it, as nobody says how the camera will move. Points
    without any spread or confidence leave s at 0.01.
    """
    weight = confidence[..., None] / confidence.sum(-1)[..., None, None].clamp_min(1e-6)
    middle, middle_2d = (weight * points[..., :2]).sum(-2), (weight * keypoints).sum(-2)
    apart, apart_2d = points[..., :2] - middle[..., None, :], keypoints - middle_2d[..., None, :]
    spread = (weight * apart.square()).sum((-2, -1)).clamp_min(1e-6)
    scale = ((weight * apart * apart_2d).sum((-2, -1)) / spread).clamp_min(0.01)[..., None]
    return torch.cat([scale, middle_2d / scale - middle], -1)


def hallucination_loss(
    hallucinated: Float[Tensor, "*b time feature"], latent: Float[Tensor, "*b time feature"]
) -> Float[Tensor, ""]:
    """Mean distance between what is made up from single frames and what the encoder makes of the whole clip.

    Only the hallucinator learns from it: the encoder is not to forget what a single frame can't show.
    """
    return (hallucinated - latent.detach()).square().sum(-1).add(1e-8).sqrt().mean()


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
