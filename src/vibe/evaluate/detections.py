"""Frozen imitation of the shipped keypoint detector, for whole clips: the open benchmark's noisy evidence.

The numbers were fitted to `benchmarks/detector_noise.md` once (exchanges and what is unseen: set by hand) and never
change, whatever training makes of noise: other numbers are another benchmark. Random numbers come from numpy's
RandomState, whose streams numpy keeps for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array

from vibe import skeletons

SURE_OF_TRUTH = 0.95
"""Confidence of the clean keypoints."""
GROUPS = [0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8]
"""Which number of nose, eyes, ears, shoulders, elbows, wrists, hips, knees and ankles is each keypoint's."""
BIAS_MM = (13.0, 10.5, 13.5, 13.0, 14.0, 14.5, 13.5, 11.5, 9.5)
"""What stays for seconds: the spread of the clips' medians, less what the steady offsets make of it."""
DRIFT_MM = (5.0, 4.3, 4.4, 5.7, 9.8, 9.0, 7.6, 9.3, 8.9)
"""What wanders within half a second."""
JITTER_MM = (3.2, 3.2, 2.1, 2.9, 5.2, 4.9, 3.0, 3.8, 4.2)
"""What changes from frame to frame."""
SURE = (2.6, 2.9, 2.0, 2.0, 1.1, 1.2, 1.45, 1.3, 1.15)
"""Logit of the confidence at its median."""
MOOD, WAVER = 0.4, 0.3
"""Deviation of the logit that all keypoints share for seconds, and each one's from frame to frame."""
HIDDEN = 4.5
"""By how much the logit falls, on average, where a limb is guessed wrong."""
ARMS, LEGS = ((7, 9), (8, 10)), ((13, 15), (14, 16))
ASTRAY_MM = {7: 65.0, 8: 65.0, 9: 100.0, 10: 100.0, 13: 45.0, 14: 45.0, 15: 45.0, 16: 45.0}
"""Deviation along x and y of the keypoints of a limb that is guessed wrong, as where the body hides it."""
SLOW, QUICK = 60, 15
"""Frames, at 30 a second, between two independent values of what stays and of what wanders."""
MOST_BLANK = 12
"""Frames for which nobody is seen, at most: the product fills such gaps, so that every frame is scored."""
MIRRORED = skeletons.mirrored(skeletons.COCO)
LIMBS = (*ARMS, *LEGS)
FACE, UPPER, LOWER = (0, 1, 2, 3, 4), (5, 6, 7, 8, 9, 10), (11, 12, 13, 14, 15, 16)
ALL = tuple(range(17))


def detect(
    keypoints_px: Float[Array, "time 17 2"], metre_px: Float[Array, "time 17"], random: np.random.RandomState
) -> Float[Array, "time 17 3"]:
    """What the detector would say of true keypoints at 30 frames a second: x, y, confidence.

    `metre_px` is the length of a metre in the picture at each keypoint. The first and the last frame are never blank.
    """
    frames = len(keypoints_px)
    astray = spells(frames, 0.0130, 40, ARMS, random) | spells(frames, 0.0060, 40, LEGS, random)
    steady = wander(frames, SLOW, 34, random).reshape(frames, 17, 2) * _each(BIAS_MM)[:, None]
    drift = wander(frames, QUICK, 34, random).reshape(frames, 17, 2) * _each(DRIFT_MM)[:, None]
    jitter = random.standard_normal((frames, 17, 2)) * _each(JITTER_MM)[:, None]
    size = np.array([ASTRAY_MM.get(joint, 0.0) for joint in range(17)])
    away = wander(frames, SLOW, 34, random).reshape(frames, 17, 2) * size[:, None]
    error_mm = steady + drift + jitter + away * astray[..., None]
    seen = keypoints_px + error_mm / 1000 * metre_px[..., None]
    swapped = spells(frames, 0.0020, 16, (ALL, UPPER, LOWER), random)
    seen = np.where(swapped[..., None], seen[:, MIRRORED], seen)
    logit = _each(SURE) + MOOD * wander(frames, SLOW, 1, random) + WAVER * random.standard_normal((frames, 17))
    logit -= astray * HIDDEN * (1 + 0.4 * wander(frames, SLOW, 17, random))
    missing = spells(frames, 0.0040, 16, (*LIMBS, FACE), random) | spells(
        frames, 0.0020, 40, (LOWER, LOWER[2:]), random
    )
    missing |= _held_short(spells(frames, 0.0020, MOST_BLANK, (ALL,), random))
    return np.concatenate([seen, ((1 / (1 + np.exp(-logit))) * ~missing)[..., None]], -1)


def wander(frames: int, period: int, width: int, random: np.random.RandomState) -> Float[Array, "{frames} {width}"]:
    """Smooth noise of unit variance at every moment, independent after two periods."""
    knots = random.standard_normal((frames // period + 3, width))
    time = np.arange(frames) / period + random.random_sample()
    first = time.astype(int)
    angle = (time - first)[:, None] * np.pi / 2
    return np.cos(angle) * knots[first] + np.sin(angle) * knots[first + 1]


def spells(
    frames: int, rate: float, longest: int, groups: Sequence[tuple[int, ...]], random: np.random.RandomState
) -> Bool[Array, "{frames} 17"]:
    """True for one of the groups of keypoints during each spell; spells begin at `rate` a frame."""
    inside = np.zeros((frames + longest, 17), bool)
    for start in np.flatnonzero(random.random_sample(frames + longest) < rate):
        group, length = random.randint(len(groups)), random.randint(1, longest + 1)
        inside[start : start + length, list(groups[group])] = True
    return inside[longest:]


def _held_short(blank: Bool[Array, "time 17"]) -> Bool[Array, "time 17"]:
    """Spells that run into each other cut at `MOST_BLANK`; nothing at the ends."""
    run = 0
    for frame in range(len(blank)):
        run = run + 1 if blank[frame, 0] else 0
        if run > MOST_BLANK:
            blank[frame], run = False, 0
    blank[[0, -1]] = False
    return blank


def _each(numbers: Sequence[float]) -> Float[Array, "17"]:
    return np.array(numbers)[GROUPS]
