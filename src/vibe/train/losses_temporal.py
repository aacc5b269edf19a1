"""Networks and losses of what the paper compares with: past and future (Kanazawa et al. 2019), shuffled order (Sun et
al. 2019). The networks train beside the generator, teach its encoder, and are not part of the weights that ship."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from vibe.arrays import converted
from vibe.models.attention import OrderConfig, OrderRecovery
from vibe.models.convolutional import Dynamics, DynamicsConfig, Hallucinator, HallucinatorConfig
from vibe.records import GeneratorOutput

Record = TypeVar("Record")


@dataclass(frozen=True)
class TemporalConfig:
    """Weight of each loss, 0 for none, and sizes of its network; their `features` follow the generator's."""

    order: float = 0.0
    """Cross entropy of the places in time of frames that were shuffled before the encoder read them."""
    dynamics: float = 0.0
    """The generator's own losses, of the poses some frames ago and ahead, told from the present latent vector."""
    hallucination: float = 0.0
    """Distance of latent vectors made up from single frames to those that the encoder makes of the clip."""
    order_recovery: OrderConfig = OrderConfig()
    past_future: DynamicsConfig = DynamicsConfig()
    hallucinator: HallucinatorConfig = HallucinatorConfig()


def build_heads(config: TemporalConfig, features: int) -> nn.ModuleDict | None:
    """The networks of the losses that have a weight, with fresh parameters; None if no loss has."""
    kinds = {
        "order": (config.order, OrderRecovery, config.order_recovery),
        "dynamics": (config.dynamics, Dynamics, config.past_future),
        "hallucinator": (config.hallucination, Hallucinator, config.hallucinator),
    }
    made = {name: head(replace(sizes, features=features)) for name, (weight, head, sizes) in kinds.items() if weight}
    return nn.ModuleDict(made) if made else None


def temporal_losses(
    heads: nn.ModuleDict, encoder: nn.Module, features: Float[Tensor, "batch time feature"],
    latent: Float[Tensor, "batch time feature"], output: GeneratorOutput,
    shifted: Callable[[GeneratorOutput, int], dict[str, Float[Tensor, ""]]], config: TemporalConfig,
    seed: torch.Generator,
) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
    """Each term times its weight.

    `features` are what the encoder read, `latent` and `output` what it and the regressor made of them. `shifted` gives
    the losses of parameters that are meant for frames so many later.
    """
    terms: dict[str, Tensor] = {}
    if "order" in heads:
        shuffled, places = shuffle(features, seed)
        terms["order"] = config.order * order_loss(heads["order"](encoder(shuffled)), places)
    if "dynamics" in heads:
        for offset, moved in heads["dynamics"](latent, output).items():
            terms |= {f"{name}{offset:+d}": config.dynamics * term for name, term in shifted(moved, offset).items()}
    if "hallucinator" in heads:
        terms["hallucination"] = config.hallucination * hallucination_loss(heads["hallucinator"](features), latent)
    return terms


def meet(predicted: GeneratorOutput, truth: Record, offset: int) -> tuple[GeneratorOutput, Record]:
    """What was predicted `offset` frames ahead (back where negative) and the truth at those frames, one beside the
    other; both are records of tensors [batch, time, ...]. Raises ValueError if the clip is too short for it."""
    frames = predicted.betas.shape[1]
    if abs(offset) >= frames:
        raise ValueError(f"a clip of {frames} frames has none {offset} frames away: take longer clips")
    now = slice(max(-offset, 0), frames - max(offset, 0))
    then = slice(max(offset, 0), frames + min(offset, 0))
    return converted(predicted, lambda tensor: tensor[:, now]), converted(truth, lambda tensor: tensor[:, then])


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
