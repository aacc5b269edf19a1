"""What the frames after a key frame say beside it: how the camera turned since, and where it went if it did."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from vibe import cameras
from vibe.world.background import SIDE, Background
from vibe.world.travel import Path, Sightings, find_path, mean_cost, zoom_path

ROUNDS = 6
"""How often a rotation is made of rays, each time with weights by the one before."""
NOISE = 0.4
"""By how much a corner is off where it counts half, in pixels of the small picture."""
UNEXPLAINED, EXPLAINED = 1.0, 0.5
"""Mean cost of rotations alone from which another explanation is looked for, a path or a lens that zooms, and the share
of that cost at which it is believed."""
OFTEN = 0.3
"""Share of the frames in which a corner must be seen to help with a path."""
SAME, LINKS = 1.5, 5
"""Pixels of the small picture up to which corners of two key frames are one, and how many make a link."""
MOST = 5.0
"""How much larger or smaller a key frame's unit may be than that of the one before."""


@dataclass(frozen=True)
class KeyView:
    """Some frames beside their key frame."""

    R_turned: Float[Array, "sample 3 3"]
    """R_key_cam as if the camera had stayed where it was; its lens may have zoomed."""
    parallax_px: Float[Array, "sample"]
    """Median distance of the corners from where these have them."""
    path: Path | None
    """Where the camera went, if that explains the frames much better; in a unit of its own."""
    zooms: bool
    """Whether all corners move away from the middle or towards it, near and far ones alike."""
    sightings: Sightings

    def unit_after(self, before: KeyView, sample: int) -> float:
        """The unit of this path in that of a view whose frame of this number is the key frame here; 1 if unknown."""
        if self.path is None or before.path is None:
            return 1.0
        rays, path = before.sightings.rays, before.path
        moved = rays - path.nearness[:, None] * path.centres[sample]
        depth = (moved @ path.R_key_cam[sample])[:, 2] / path.nearness
        apart = np.linalg.norm(before.sightings.rays_cam[sample][:, None] - self.sightings.rays[:, :2], axis=-1)
        one, other = np.nonzero((apart < self.sightings.noise * SAME / NOISE) & before.sightings.seen[sample][:, None])
        if len(one) < LINKS:
            return 1.0
        return float(np.median(depth[one] * self.path.nearness[other]).clip(1 / MOST, MOST))


def view_from_key(
    background: Background, samples: Int[Array, "sample"], K_px: Float[Array, "3 3"], size_px: tuple[int, int]
) -> KeyView:
    """How the camera of some samples of one key frame is turned and placed beside it."""
    sightings, R_turned, parallax_px = sightings_of(background, samples, K_px, size_px)
    standing = Path(R_turned, np.zeros((len(samples), 3)), np.ones(len(sightings.rays)))
    cost = mean_cost(standing, sightings)
    path, zooms = None, False
    if cost > UNEXPLAINED:
        zoomed, found = zoom_path(standing, sightings), find_path(sightings, R_turned)
        flat = mean_cost(zoomed, sightings)
        path = found if mean_cost(found, sightings) < EXPLAINED * flat else None
        zooms = flat < EXPLAINED * cost and path is None
        R_turned = zoomed.R_key_cam if zooms else R_turned
    return KeyView(R_turned, parallax_px, path, zooms, sightings)


def sightings_of(
    background: Background, samples: Int[Array, "sample"], K_px: Float[Array, "3 3"], size_px: tuple[int, int]
) -> tuple[Sightings, Float[Array, "sample 3 3"], Float[Array, "sample"]]:
    """The corners of a key frame in some samples, R_key_cam if the camera only turns, and what that leaves, pixels."""
    # In one piece: pairs of points become one table of corners and frames, and what is measured on the way.
    longer, middle = max(size_px), np.array(size_px) / 2
    pairs, there, inliers = background.pairs_px(samples, longer)
    R_turned, away = rotations_of_rays(pairs[..., 2:] + middle, pairs[..., :2] + middle, inliers, K_px)
    parallax_px = np.nanmedian(np.where(there, away, np.nan), axis=1)
    starts, corner = np.unique(pairs[there][:, :2], axis=0, return_inverse=True)
    seen = np.zeros((len(samples), len(starts)), bool)
    rays_cam = np.zeros((*seen.shape, 2))
    row = np.nonzero(there)[0]
    seen[row, corner.ravel()] = True
    rays_cam[row, corner.ravel()] = cameras.rays(pairs[there][:, 2:] + middle, K_px)[:, :2]
    often = seen.sum(0) >= max(2, OFTEN * len(samples))
    noise = NOISE * longer / SIDE / float(K_px[0, 0])
    sightings = Sightings(cameras.rays(starts[often] + middle, K_px), rays_cam[:, often], seen[:, often], noise)
    return sightings, R_turned, parallax_px


def rotations_of_rays(
    points_px: Float[Array, "*b point 2"], to_px: Float[Array, "*b point 2"], counted: Bool[Array, "*b point"],
    K_px: Float[Array, "3 3"],
) -> tuple[Float[Array, "*b 3 3"], Float[Array, "*b point"]]:  # fmt: skip
    """The rotations that lay the rays of pixels on those of others, and how far from there each is seen, pixels.

    Kabsch's, of the points that count, again and again with weights that fall with the distance: what lies within twice
    the median decides (Geman and McClure's weights).
    """
    rays, rays_to = _rays(points_px, K_px), _rays(to_px, K_px)
    weights = counted.astype(float)
    for _ in range(ROUNDS):
        u, _, vt = np.linalg.svd(np.einsum("...ni,...nj,...n->...ij", rays_to, rays, weights))
        u[..., 2] *= np.linalg.det(u @ vt)[..., None]
        R_to = u @ vt
        away = np.linalg.norm(_seen(rays_to @ R_to, K_px) - points_px, axis=-1)
        scale = 2 * np.nanmedian(np.where(counted, away, np.nan), axis=-1, keepdims=True)
        weights = counted / (1 + (away / (scale + 1e-9)) ** 2) ** 2
    return R_to, away


def _rays(points_px: Float[Array, "*b point 2"], K_px: Float[Array, "3 3"]) -> Float[Array, "*b point 3"]:
    """Unit vectors through pixels."""
    rays = cameras.rays(points_px, K_px)
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def _seen(rays: Float[Array, "*b point 3"], K_px: Float[Array, "3 3"]) -> Float[Array, "*b point 2"]:
    """The pixels of rays."""
    return cameras.project(rays, K_px)
