"""Motions at other moments than their frames, and without what is faster than somebody moves."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.rotations import interpolate

NEAR = 0.05
"""Intervals by which a timestamp may miss an even moment and still be taken for it, as rounded timestamps do."""

TWICE = (2**0.5 - 1) ** 0.25
"""By which the cut-off of a filter of second order is divided, so that half the power is left of what runs twice."""


def neighbours(
    place: Float[ndarray, "time"], moments: Float[ndarray, "moment"]
) -> tuple[Int[ndarray, "moment"], Int[ndarray, "moment"], Float[ndarray, "moment"]]:
    """Rows of the frames around each moment, and the share of the way from one to the other; 0 or 1 on a frame.

    `place` is where the frames are, in the moments' unit, which is one frame of the scene.
    """
    before = (np.searchsorted(place, moments + NEAR, side="right") - 1).clip(0, max(len(place) - 2, 0))
    after = (before + 1).clip(max=len(place) - 1)
    part = ((moments - place[before]) / (place[after] - place[before]).clip(1e-9)).clip(0, 1)
    part = np.where(np.abs(moments - place[before]) <= NEAR, 0.0, part)
    return before, after, np.where(np.abs(moments - place[after]) <= NEAR, 1.0, part)


def rotations_between(
    rotmat: Float[ndarray, "time *b 3 3"],
    before: Int[ndarray, "moment"],
    after: Int[ndarray, "moment"],
    part: Float[ndarray, "moment"],
) -> Float[ndarray, "moment *b 3 3"]:
    """Rotations between rows, at constant speed; as they are where the share is 0 or 1."""
    wide = (slice(None), *[None] * (rotmat.ndim - 3))
    turned = np.where((part == 1)[(*wide, None, None)], rotmat[after], rotmat[before])
    inside = (part > 0) & (part < 1)
    share = part[inside].astype(np.float32)[wide]
    turned[inside] = interpolate(rotmat[before[inside]], rotmat[after[inside]], share)
    return turned


def straight_between(
    numbers: Float[ndarray, "time axis"],
    before: Int[ndarray, "moment"],
    after: Int[ndarray, "moment"],
    part: Float[ndarray, "moment"],
) -> Float[ndarray, "moment axis"]:
    """Numbers between rows, along a straight line."""
    share = part.astype(np.float32)[:, None]
    return (1 - share) * numbers[before] + share * numbers[after]


def low_pass(numbers: Float[ndarray, "time *axis"], cutoff_hz: float, fps: float) -> Float[ndarray, "time *axis"]:
    """Zero-lag Butterworth filter of fourth order, whose gain at the cut-off is 0.71 (Winter 2009, section 2.2).

    Raises ValueError for a cut-off that the frame rate does not allow.
    """
    from scipy.signal import butter, sosfiltfilt

    if not 0 < cutoff_hz < TWICE * fps / 2:
        raise ValueError(
            f"a cut-off of {cutoff_hz:g} Hz: at {fps:g} frames a second give more than 0 and less than "
            f"{TWICE * fps / 2:.1f} Hz with --cutoff"
        )
    if len(numbers) < 2:
        return numbers
    sections = butter(2, cutoff_hz / TWICE, fs=fps, output="sos")
    # a start and an end in rest over the filter's memory, as far as the motion is long
    pad = min(len(numbers) - 1, round(2 * fps / cutoff_hz))
    return sosfiltfilt(sections, numbers.astype(np.float64), axis=0, padlen=pad).astype(numbers.dtype)


def low_pass_rotations(
    rotmat: Float[ndarray, "time joint 3 3"], cutoff_hz: float, fps: float
) -> Float[ndarray, "time joint 3 3"]:
    """The rotations nearest to the filtered matrices; errors as of `low_pass`."""
    left, _, right = np.linalg.svd(low_pass(rotmat.astype(np.float64), cutoff_hz, fps))
    left[..., -1] *= np.linalg.det(left @ right)[..., None]
    return (left @ right).astype(rotmat.dtype)
