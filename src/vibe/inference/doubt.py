"""Stretches of a motion that are not to be trusted, and what is to blame."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray
from scipy.ndimage import binary_closing, binary_opening

from vibe.motion import Motion
from vibe.records import Camera
from vibe.refine.energies_paper import axis_angle, load_mixture, mixture_energy

DOUBTFUL = 0.12
"""Metres: mean over the joints of how far they may be off in space, from which a frame is not to be trusted. On
rendered clips of subjects that weights are trained on it is reached in 3 % of the frames, whose error is twice the
usual one."""
HIDDEN, FEWEST_HIDDEN = 0.3, 5
"""Confidence below which a keypoint is not seen, and how many must not be."""
FEWEST_OUTSIDE = 3
"""Joints outside the picture."""
FAST = 1.0
"""Metres per second of the mean joint about the pelvis, as one in twenty frames has them."""
UNUSUAL = 120.0
"""Energy under the mixture of free motion capture, as one in ten frames has it."""
LONGEST_HOLE, SHORTEST = 0.3, 0.2
"""Seconds between doubtful frames that are no end of a stretch, and of one that is worth a word."""
CAUSES = ("hidden", "cut", "fast", "unusual", "unclear")


@dataclass(frozen=True)
class Doubt:
    """A stretch of one motion that is not to be trusted."""

    start: float
    """Seconds in the video."""
    end: float
    cause: str
    """hidden: too few keypoints are seen; cut: by the picture's border; fast: limbs are, so that they blur; unusual:
    poses are unlike the motion that all was learnt from; unclear: what was seen can be read in several ways."""


def doubtful_stretches(motion: Motion, camera: Camera) -> list[Doubt]:
    """Where the standard deviations are large, in order; none where they are not known."""
    if motion.joints_std is None or len(motion) < 2:
        return []
    off = np.sqrt((motion.joints_std[:, 1:, [0, 0, 1]] ** 2).sum(-1)).mean(1)
    rate = 1 / float(np.median(np.diff(motion.times)))
    hole, least = (1 + round(seconds * rate) for seconds in (LONGEST_HOLE, SHORTEST))
    # both keep what reaches to the first or the last frame
    doubtful = np.pad((off > DOUBTFUL) | (motion.confidence == 0), hole)
    doubtful = binary_opening(binary_closing(doubtful, np.ones(hole)), np.ones(least))[hole:-hole]
    causes, found = np.argmax([*_causes(motion, camera), np.ones(len(motion), bool)], 0), []
    ends = np.flatnonzero((np.diff(doubtful.astype(int)) != 0) | (np.diff(motion.times) > LONGEST_HOLE)) + 1
    for rows in np.split(np.arange(len(motion)), ends):
        if doubtful[rows[0]]:
            (most, _), *_ = Counter(causes[rows].tolist()).most_common()
            found.append(Doubt(float(motion.times[rows[0]]), float(motion.times[rows[-1]]), CAUSES[most]))
    return found


def _causes(motion: Motion, camera: Camera) -> list[Bool[ndarray, "time"]]:
    """Whether each of `CAUSES` but the last applies to each frame."""
    about = motion.joints_cam - motion.joints_cam[:, :1]
    speed = np.linalg.norm(np.gradient(about, motion.times, axis=0), axis=-1).mean(1)
    energy = mixture_energy(axis_angle(torch.from_numpy(motion.smpl.rotmat)), load_mixture()).numpy()
    inside = ((motion.joints_px >= 0) & (motion.joints_px <= [camera.width, camera.height])).all(-1)
    return [
        (motion.keypoints_px[..., 2] < HIDDEN).sum(1) >= FEWEST_HIDDEN,
        (~inside).sum(1) >= FEWEST_OUTSIDE,
        speed > FAST,
        energy > UNUSUAL,
    ]
