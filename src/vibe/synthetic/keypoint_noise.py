"""A keypoint detector's errors, imitated: bias, drift, jitter, spikes, swaps, missing joints, honest confidences."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from vibe import skeletons


@dataclass(frozen=True)
class NoiseConfig:
    """Errors in millimetres at the joint's distance; one number for each of nose, eyes, ears, shoulders ... ankles.

    Near what `benchmarks/detector_noise.py` measures on rendered clips of the open body; sides are exchanged for longer
    and legs, limbs and people unseen more often than there, where nothing hides anybody.
    """

    bias_mm: tuple[float, ...] = (12.5, 11.0, 10.5, 12.5, 12.5, 11.0, 19.0, 13.5, 10.0)
    """Standard deviation of what stays the same through a window."""
    drift: float = 1.0
    """What wanders within half a second, over the bias."""
    jitter: float = 0.33
    """What changes from frame to frame, over the bias."""
    ends_mm: tuple[float, ...] = (12.5, 12.5, 12.0, 10.5, 22.0)
    """The same for little finger, index finger, thumb, heel and toes, beside the wrist's and ankle's error."""
    spread: float = 0.4
    """Deviation of the logarithm by which a whole window is better or worse than that."""
    spike: float = 0.005
    """Share of joint-frames at which a run of up to five wrong ones begins."""
    spike_mm: float = 120.0
    astray: float = 0.6
    """Share of the windows in which a limb is guessed wrong for a while, as where it is hidden; drawn twice."""
    astray_mm: float = 75.0
    swap: float = 0.05
    """Share of the windows with left and right exchanged for a while, in arms, legs or both."""
    lost: float = 0.1
    """Share of the windows in which one limb is not seen for a while."""
    cut: float = 0.08
    """Share of the windows in which the legs, or all below the chest, are not seen."""
    blank: float = 0.1
    """Share of the windows with a gap in which nobody is seen."""
    sure: tuple[float, ...] = (2.6, 2.9, 2.2, 2.1, 1.6, 1.8, 1.6, 1.5, 1.5)
    """Logit of the confidence of a joint without error."""
    doubt: float = 1.2
    """By how much the logit falls for each 100 mm of error."""
    vague: float = 0.5
    """Deviation of the logit that the error does not explain."""
    mood: float = 0.4
    """Deviation of the logit that a whole window shares."""
    hidden: float = 4.5
    """By how much the logit falls, on average, where a limb is guessed wrong."""
    outside: float = 3.0
    """By how much the logit falls outside the picture."""


SIDES = (0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8)
"""Which of the nine numbers belongs to each keypoint."""
CARRIERS = skeletons.index(skeletons.COCO, [*["left_wrist", "right_wrist"] * 3, *["left_ankle", "right_ankle"] * 2])
"""The keypoint beside which each of hands' and feet's points is."""
PAIRS = [min(pair) for pair in enumerate(skeletons.mirrored(skeletons.DETECTED27))]
"""The first of both sides, for each point."""
LIMBS = ((7, 9), (8, 10)) * 6 + ((13, 15), (14, 16), (5, 7, 9), (6, 8, 10), (0, 1, 2, 3, 4))
"""Arms behind the body are what the detector misses most."""
CUTS = ((13, 14, 15, 16), (15, 16), (11, 12, 13, 14, 15, 16), (9, 10, 11, 12, 13, 14, 15, 16))
SWAPS = (tuple(range(17)), (11, 12, 13, 14, 15, 16), (5, 6, 7, 8, 9, 10), (13, 14, 15, 16), (15, 16))


def imitate_detector(
    keypoints: Float[Tensor, "batch time 17 2"], metre: Float[Tensor, "batch time 17"],
    half_picture: Float[Tensor, "batch 2"], config: NoiseConfig, seed: torch.Generator,
) -> Float[Tensor, "batch time 17 3"]:  # fmt: skip
    """What a detector would say of true keypoints: x, y, confidence.

    `metre` is the length of a metre in the picture at each keypoint, in the unit of the keypoints.
    """
    batch, frames = keypoints.shape[:2]
    astray = _spans(batch, frames, config.astray, LIMBS, seed) | _spans(batch, frames, config.astray, LIMBS, seed)
    error = _errors(batch, frames, astray, config, seed)
    seen = keypoints + error * metre[..., None]
    swapped = _spans(batch, frames, config.swap, SWAPS, seed)
    mirrored = seen[:, :, skeletons.mirrored(skeletons.COCO)]
    wrong = torch.where(swapped[..., None], mirrored, seen)
    shift = (wrong - keypoints).norm(dim=-1) / metre
    logit = torch.tensor(config.sure)[list(SIDES)] - config.doubt * shift.clamp(max=0.3) / 0.1
    logit = logit - astray * config.hidden * (1 + torch.randn(batch, 1, 1, generator=seed))
    logit = logit + config.mood * torch.randn(batch, 1, 1, generator=seed)
    logit = logit + config.vague * torch.randn(batch, 1, 17, generator=seed)
    logit = logit + 0.3 * config.vague * torch.randn(batch, frames, 17, generator=seed)
    logit = logit - config.outside * (wrong.abs() > half_picture[:, None, None]).any(-1)
    missing = _spans(batch, frames, config.lost, LIMBS, seed)
    missing |= _spans(batch, frames, config.cut, CUTS, seed, whole=True)
    missing |= _spans(batch, frames, config.blank, (tuple(range(17)),), seed)
    return torch.cat([wrong, (logit.sigmoid() * ~missing)[..., None]], -1)


def bias(config: NoiseConfig) -> Float[Tensor, "27 1"]:
    """Standard deviation of each point's steady error, metres."""
    sizes = torch.tensor([*config.bias_mm, *config.ends_mm])
    return sizes[[*SIDES, *(len(config.bias_mm) + kind // 2 for kind in range(len(CARRIERS)))], None] / 1000


def steady_noise(batch: int, seed: torch.Generator) -> Float[Tensor, "batch 1 27 2"]:
    """Unit noise that stays through a window; half of its square is of both sides, as of hips marked low."""
    own, shared = torch.randn(2, batch, 1, len(PAIRS), 2, generator=seed)
    return (own + shared[:, :, PAIRS]) / 2**0.5


def imitate_ends(
    truth: Float[Tensor, "batch time 27 2"], detected: Float[Tensor, "batch time 17 3"],
    metre: Float[Tensor, "batch time 27"], config: NoiseConfig, seed: torch.Generator,
) -> Float[Tensor, "batch time 10 3"]:  # fmt: skip
    """The same of hands and feet: they go astray with the wrists and ankles, and are seen with them."""
    batch, frames, core = *truth.shape[:2], len(skeletons.COCO)
    count = len(CARRIERS)
    steady = steady_noise(batch, seed)[:, :, core:]
    jitter = config.jitter * torch.randn(batch, frames, count, 2, generator=seed)
    error = bias(config)[core:] * (steady + config.drift * _wandering(batch, frames, count, seed) + jitter)
    shift = detected[:, :, CARRIERS, :2] - truth[:, :, CARRIERS]
    logit = detected[:, :, CARRIERS, 2].clamp(1e-6, 1 - 1e-6).logit()
    logit = logit + config.vague * torch.randn(batch, 1, count, generator=seed)
    sure = logit.sigmoid() * (detected[:, :, CARRIERS, 2] > 0)
    return torch.cat([truth[:, :, core:] + shift + error * metre[:, :, core:, None], sure[..., None]], -1)


def _errors(
    batch: int, frames: int, astray: Bool[Tensor, "batch time 17"], config: NoiseConfig, seed: torch.Generator
) -> Float[Tensor, "batch time 17 2"]:
    """Bias, drift, jitter, spikes and limbs gone astray, in metres."""

    def normal(time: int) -> Tensor:
        return torch.randn(batch, time, 17, 2, generator=seed)

    size = bias(config)[:17] * torch.exp(config.spread * torch.randn(batch, 1, 1, 1, generator=seed))
    drift = _wandering(batch, frames, 17, seed)
    starts = torch.rand(batch, frames, 17, generator=seed) < config.spike
    spikes = torch.zeros(batch, frames, 17, dtype=torch.bool)
    for late in range(5):
        runs_on = torch.rand(batch, frames, 17, generator=seed) < 0.7**late
        spikes |= functional.pad(starts, (0, 0, late, 0))[:, :frames] & runs_on
    jump = normal(1) * config.spike_mm / 1000 + normal(frames) * config.spike_mm / 3000
    away = (normal(1) + 0.5 * drift) * config.astray_mm / 1000
    steady = size * (steady_noise(batch, seed)[:, :, :17] + config.drift * drift + config.jitter * normal(frames))
    return steady + jump * spikes[..., None] + away * astray[..., None]


def _wandering(batch: int, frames: int, points: int, seed: torch.Generator) -> Float[Tensor, "batch time point 2"]:
    """Unit noise that changes within a quarter of a second."""
    knots = torch.randn(batch, max(frames // 8, 2), points * 2, generator=seed)
    drift = functional.interpolate(knots.mT, size=frames, mode="linear", align_corners=True)
    return drift.mT.unflatten(-1, (points, 2))


def _spans(
    batch: int, frames: int, share: float, groups: tuple[tuple[int, ...], ...], seed: torch.Generator,
    whole: bool = False,
) -> Bool[Tensor, "batch time 17"]:  # fmt: skip
    """True for one group of joints in one span of time, in a share of the windows."""
    table = torch.zeros(len(groups), 17, dtype=torch.bool)
    for row, group in enumerate(groups):
        table[row, list(group)] = True
    chosen = table[torch.randint(len(groups), (batch,), generator=seed)]
    chosen &= torch.rand(batch, 1, generator=seed) < share
    ends = (torch.rand(batch, 2, generator=seed) * (frames + 1)).sort(-1).values
    time = torch.arange(frames)
    span = (time >= ends[:, :1]) & (time < ends[:, 1:])
    return (span | whole)[..., None] & chosen[:, None]
