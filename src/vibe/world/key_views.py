"""What the frames after a key frame say beside it: how the camera turned since, and where it went if it did."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array

from vibe import cameras
from vibe.records import UNITS, Background
from vibe.world.background import SAME, SIDE
from vibe.world.travel import DEPTH, Path, Sightings, find_path, mean_cost, zoom_path

ROUNDS = 6
"""How often a rotation is made of rays, each time with weights by the one before."""
NOISE = 0.4
"""By how much a corner is off where it counts half, in pixels of the small picture."""
UNEXPLAINED, EXPLAINED = 1.0, 0.5
"""Mean cost of rotations alone from which another explanation is looked for, a path or a lens that zooms, and the share
of that cost at which it is believed."""
OFTEN = 0.3
"""Share of the frames in which a corner must be seen to help with a path."""
GOING = 5
"""Frames over which it is measured how a camera goes on."""
LINKS = 5
"""How many corners that are one make a link between two key frames."""
MOST = 20.0
"""How much larger or smaller a key frame's unit may be than that of the one before."""


@dataclass(frozen=True)
class KeyView:
    """Some frames beside their key frame."""

    R_turned: Float[Array, "sample 3 3"]
    """R_key_cam as if the camera had stayed where it was; its lens may have zoomed."""
    parallax_px: Float[Array, "sample"]
    """Median distance of the corners from where these have them."""
    path: Path | None
    """Where the camera went, in a unit of its own; None where rotations explain the frames."""
    travels: bool
    """Whether that path explains them much better than a lens that zooms."""
    zooms: bool
    """Whether all corners move away from the middle or towards it, near and far ones alike."""
    sightings: Sightings

    def depths_at(self, sample: int, later: Sightings) -> Float[Array, "corner"]:
        """How far the corners of a later view are from its key frame, which is the frame of this number here, in the
        unit of this path; NaN of those that are not seen here."""
        depths = np.full(len(later.rays), np.nan)
        if self.path is None:
            return depths
        moved = self.sightings.rays - self.path.nearness[:, None] * self.path.centres[sample]
        depth = (moved @ self.path.R_key_cam[sample])[:, 2] / self.path.nearness
        apart = np.linalg.norm(self.sightings.rays_cam[sample][:, None] - later.rays[:, :2], axis=-1)
        apart[~self.sightings.seen[sample] | (depth < DEPTH)] = np.inf
        nearest = apart.argmin(0)
        same = apart.min(0) < later.noise * SAME / NOISE
        depths[same] = depth[nearest[same]]
        return depths if same.sum() >= LINKS else np.full(len(depths), np.nan)

    def step_at(self, sample: int) -> Float[Array, "3"]:
        """How the camera goes on from the frame of this number to the next, in that one's axes and this path's unit."""
        if self.path is None:
            return np.zeros(3)
        first = max(sample - GOING, -1)
        start = self.path.centres[first] if first >= 0 else np.zeros(3)
        return self.path.R_key_cam[sample].T @ (self.path.centres[sample] - start) / (sample - first)

    def unit_after(self, before: KeyView, sample: int) -> float:
        """The unit of this path in that of a view whose frame of this number is the key frame here; 1 if unknown.

        Distances of corners that both have tell it, or else that a camera goes on as fast as it went.
        """
        if self.path is None or before.path is None:
            return 1.0
        depths = before.depths_at(sample, self.sightings)
        if not np.isnan(depths).all():
            return float(np.nanmedian(depths * self.path.nearness).clip(1 / MOST, MOST))
        last = min(GOING, len(self.path.centres)) - 1
        went = float(np.linalg.norm(self.path.centres[last])) / (last + 1)
        return float((np.linalg.norm(before.step_at(sample)) / max(went, 1e-9)).clip(1 / MOST, MOST))


def view_from_key(
    background: Background, samples: Int[Array, "sample"], K_px: Float[Array, "3 3"], size_px: tuple[int, int],
    before: tuple[KeyView, int] | None = None,
) -> KeyView:  # fmt: skip
    """How the camera of some samples of one key frame is turned and placed beside it; `before` is the view, and its
    frame's number there, in which the key frame is."""
    sightings, R_turned, parallax_px = sightings_of(background, samples, K_px, size_px)
    if before and before[0].path is not None:
        sightings = _continued(sightings, *before)
    standing = Path(R_turned, np.zeros((len(samples), 3)), np.ones(len(sightings.rays)))
    cost = mean_cost(standing, sightings)
    path, travels, zooms = None, False, False
    if cost > UNEXPLAINED:
        zoomed, path = zoom_path(standing, sightings), find_path(sightings, R_turned)
        flat = mean_cost(zoomed, sightings)
        travels = mean_cost(path, sightings) < EXPLAINED * flat
        zooms = flat < EXPLAINED * cost and not travels
        R_turned = zoomed.R_key_cam if zooms else R_turned
    return KeyView(R_turned, parallax_px, path, travels, zooms, sightings)


def _continued(sightings: Sightings, before: KeyView, sample: int) -> Sightings:
    """With what the view before says of the corners, and of how the camera goes on from its frame of this number."""
    depths, step = before.depths_at(sample, sightings), before.step_at(sample)
    if np.isnan(depths).all():
        return replace(sightings, step=step)
    unit = 1 / float(np.nanmean(1 / depths))
    return replace(sightings, known=unit / depths, step=step / unit)


def sightings_of(
    background: Background, samples: Int[Array, "sample"], K_px: Float[Array, "3 3"], size_px: tuple[int, int]
) -> tuple[Sightings, Float[Array, "sample 3 3"], Float[Array, "sample"]]:
    """The corners of a key frame in some samples, R_key_cam if the camera only turns, and what that leaves, pixels."""
    # In one piece: pairs of points become one table of corners and frames, and what is measured on the way.
    longer, middle = max(size_px), np.array(size_px) / 2
    pairs, there, inliers = pairs_px(background, samples, longer)
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


def pairs_px(
    background: Background, samples: Int[Array, "chosen"], longer_px: int
) -> tuple[Float[Array, "chosen pair 4"], Bool[Array, "chosen pair"], Bool[Array, "chosen pair"]]:
    """The pairs of some samples in pixels from the picture's middle, which of them are there, and which inliers."""
    starts = np.where(samples > 0, background.ends[samples - 1], 0)
    counts = background.ends[samples] - starts
    number = np.arange(counts.max(initial=0))
    there = number < counts[:, None]
    pairs = np.zeros((*there.shape, 4))
    pairs[there] = background.pairs[(starts[:, None] + number)[there]] * (longer_px / UNITS)
    return pairs, there, number < background.inliers[samples, None]


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
