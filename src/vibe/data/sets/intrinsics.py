"""A camera's intrinsic matrix, from points in its frame and where they are in its pictures."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

WORST_PX = 10.0
"""Root mean square of what is left, above which the points and the pixels are not of one camera."""


def fit_intrinsics(points: Float[ndarray, "*b 3"], pixels: Float[ndarray, "*b 2"]) -> Float[ndarray, "3 3"] | None:
    """Focal lengths and principal point by least squares, pixels; None if no pinhole camera without skew fits.

    Points behind the camera, and what is NaN, are passed over. Where the lens distorts, this pinhole comes nearer to
    the pixels than the lens's own focal length does.
    """
    points, pixels = points.reshape(-1, 3), pixels.reshape(-1, 2)
    seen = np.isfinite(points).all(1) & np.isfinite(pixels).all(1) & (points[:, 2] > 0)
    if seen.sum() < 3:
        return None
    rays, pixels = points[seen, :2] / points[seen, 2:], pixels[seen]
    K_px, left = np.eye(3), 0.0
    for axis in (0, 1):
        system = np.stack([rays[:, axis], np.ones(len(rays))], 1)
        found = np.linalg.lstsq(system, pixels[:, axis], rcond=None)[0]
        left += float(((system @ found - pixels[:, axis]) ** 2).mean())
        K_px[axis, axis], K_px[axis, 2] = found
    return K_px if left**0.5 <= WORST_PX and K_px[0, 0] > 0 and K_px[1, 1] > 0 else None
