"""Irregular surfaces without pictures: plaster, folds, clouds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def fractal(points: Float[ndarray, "*b n"], seed: int) -> Float[ndarray, "*b"]:
    """Smooth noise of unit variance or so, waves in random directions; the longest are a few units long."""
    rng = np.random.default_rng(seed)
    points = points.astype(np.float32)
    total = np.zeros(points.shape[:-1], np.float32)
    for octave in range(11):
        direction = (rng.normal(size=points.shape[-1]) * 1.4**octave).astype(np.float32)
        total += np.sin(points @ direction + np.float32(rng.uniform(0, 2 * np.pi))) * np.float32(0.83**octave)
    return total / np.float32(1.25)
