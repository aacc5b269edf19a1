"""Where the fit may speak: joints that move no keypoint seen nearby in time keep what the network said."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from vibe import skeletons

SURE = 0.3
"""Confidence from which a keypoint counts as seen in full."""
FADE = 0.5
"""Seconds over which a correction fades away from the last frame in which the joint's keypoints were seen."""


def trust(keypoints_px: Float[Tensor, "time 17 3"]) -> Float[Tensor, "time 24"]:
    """How far each joint's correction rests on evidence: 1 where a keypoint that it moves is seen, 0 where none is.

    The first column, the pelvis's, tells whether anything of the person is seen.
    """
    sure = (keypoints_px[..., 2] / SURE).clamp(0, 1)
    return (sure[:, None] * _MOVES.to(sure)).amax(-1)


def reach(share: Float[Tensor, "time joint"], times: Float[Tensor, "time"]) -> Float[Tensor, "time joint"]:
    """1 where there is any evidence, fading over `FADE` seconds to an exact 0. Times in seconds."""
    most = (share > 0).to(share)
    for here, there, _, fade in _neighbours(times):
        most[here] = torch.maximum(most[here], fade.to(share) * (share[there] > 0))
    return most


def bridge(
    change: Float[Tensor, "time joint d"], share: Float[Tensor, "time joint"], times: Float[Tensor, "time"]
) -> Float[Tensor, "time joint d"]:
    """Changes as they are where `share` is 1; where it is less, the rest comes from the trusted frames nearby.

    Their mean, the nearest counting most, fades over `FADE` seconds; beyond it stands an exact 0. Times in seconds.
    """
    total, weight, most = torch.zeros_like(change), torch.zeros_like(share), torch.zeros_like(share)
    for here, there, lag, fade in _neighbours(times):
        faded = fade.to(share) * share[there]
        total[here] += (faded / lag**2)[..., None] * change[there]
        weight[here] += faded / lag**2
        most[here] = torch.maximum(most[here], faded)
    mean = total / weight.clamp_min(1e-9)[..., None] * most[..., None]
    return torch.lerp(mean, change, share[..., None])


def _neighbours(times: Float[Tensor, "time"]) -> Iterator[tuple[slice, slice, int, Float[Tensor, "n 1"]]]:
    """Frames, those so many before or after them, how many that is, and what is left of a change on the way."""
    for lag in range(1, len(times)):
        apart = times[lag:] - times[:-lag]
        if float(apart.min()) >= FADE:
            return
        fade = _step(1 - apart / FADE)[:, None]
        yield slice(lag, None), slice(None, -lag), lag, fade
        yield slice(None, -lag), slice(lag, None), lag, fade


def _step(part: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
    """From 0 to 1 without a kink."""
    part = part.clamp(0, 1)
    return part**2 * (3 - 2 * part)


def _moves() -> Float[Tensor, "24 17"]:
    """1 where the row's joint moves the column's keypoint: the joints above it, for the face the head as well."""
    table = torch.zeros(24, 17)
    for column, name in enumerate(skeletons.COCO):
        joint = skeletons.SMPL.index(name) if name in skeletons.LIMBS else skeletons.SMPL.index("head")
        joint = skeletons.SMPL_PARENTS[joint] if name in skeletons.LIMBS else joint
        while joint >= 0:
            table[joint, column] = 1
            joint = skeletons.SMPL_PARENTS[joint]
    return table


_MOVES = _moves()
