"""A camera that travels: its rotation with its path and the corners' distances, all at once (bundle adjustment).

Near things pass a travelling camera faster than far ones do. Where a rotation alone is made of that, the path goes into
it, by degrees. Nothing here knows a length: paths and distances are in a unit of their own, near the corners' distance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array
from scipy.spatial.transform import Rotation

ROUNDS, ENOUGH = 20, 1e-4
"""Steps of Levenberg and Marquardt at most, and the share of the cost that a step must save for another one."""
DAMPING, FASTER, SLOWER = 1e-3, 0.2, 5.0
"""Of the first step, and by what it is multiplied after a step that saves cost and after one that does not."""
FRAMES = 12
"""Frames of which the corners' distances are found; the others are then laid on them one by one."""
STARTS, SLOPE = ((1, 1.0), (1, 0.0), (0, 1.0), (0, -1.0)), 0.7
"""Scenes to start from: along which axis of the picture corners are nearer, if at all, and by how much at the rim."""
WELL = 0.65
"""Mean cost below which no other start is tried."""

ALIKE, KNOWN = 1e-3, 100.0
"""Price of the squared difference of a corner's nearness from 1, in squared corners' errors, which holds the unit; and
from what the key frame before says of it. Far from there it grows as the logarithm."""
NEAREST, FARTHEST = 20.0, 0.01
"""Bounds of the nearness, which is one over the depth."""
ALL, AHEAD = slice(6), [0, 1, 2, 5]
"""What may change in a frame: the rotation and the place, or of this only the part along the line of sight."""
DEPTH = 1e-3
"""Depth below which a point is held in front of the camera."""


@dataclass(frozen=True)
class Path:
    """A camera's frames beside a key frame, and how near the key frame's corners are to that."""

    R_key_cam: Float[Array, "sample 3 3"]
    centres: Float[Array, "sample 3"]
    """Places of the camera in the key frame's axes, from its own."""
    nearness: Float[Array, "corner"]
    """One over the depth in the key frame."""


@dataclass(frozen=True)
class Sightings:
    """The corners of a key frame, and where they are in other frames."""

    rays: Float[Array, "corner 3"]
    """In the key frame, at z = 1."""
    rays_cam: Float[Array, "sample corner 2"]
    """x and y in each frame, at z = 1."""
    seen: Bool[Array, "sample corner"]
    noise: float
    """By how much a corner is off in these units where it counts half."""
    known: Float[Array, "corner"] | None = None
    """Nearness as the key frame before has it, 1 on the mean; NaN of corners that it does not tell of."""
    step: Float[Array, "3"] | None = None
    """How the camera went on from frame to frame where the key frame before ends, in that unit, in this one's axes."""

    @property
    def nearness(self) -> Float[Array, "corner"]:
        """Of the corners as they are thought to be."""
        return np.ones(len(self.rays)) if self.known is None else np.where(np.isnan(self.known), 1.0, self.known)

    @property
    def price(self) -> Float[Array, "corner"] | float:
        """Of the squared difference from that."""
        return ALIKE if self.known is None else np.where(np.isnan(self.known), ALIKE, KNOWN)

    def of(self, samples: Array) -> Sightings:
        """Those of some frames."""
        return replace(self, rays_cam=self.rays_cam[samples], seen=self.seen[samples])


def find_path(sightings: Sightings, R_key_cam: Float[Array, "sample 3 3"]) -> Path:
    """The path of a camera from rotations that would hold if it stood; `mean_cost` says how well it explains it.

    Started from the distances and the speed that the key frame before has, if any, and from scenes that are nearer
    below, all alike far away and nearer on one side; the best end is taken.
    """
    count = len(R_key_cam)
    some = np.unique(np.linspace(0, count - 1, min(FRAMES, count)).round().astype(int))
    chosen, best, least = sightings.of(some), None, np.inf
    for nearness, step in _starts(sightings):
        end = _fitted(Path(R_key_cam[some], (some[:, None] + 1) * step, nearness), chosen)
        if (cost := mean_cost(end, chosen)) < least:
            best, least = end, cost
        if least < WELL:
            break
    assert best is not None, "the costs are numbers"
    nearest = np.abs(np.arange(count)[:, None] - some).argmin(1)
    centres = np.stack([np.interp(np.arange(count), some, each) for each in best.centres.T], -1)
    R_start = best.R_key_cam[nearest] @ (R_key_cam[some][nearest].mT @ R_key_cam)
    return _fitted(Path(R_start, centres, best.nearness), sightings, corners=False)


def _starts(sightings: Sightings) -> Iterator[tuple[Float[Array, "corner"], Float[Array, "3"]]]:
    """Scenes to start from: how near the corners may be, and how far the camera may go from frame to frame."""
    if sightings.step is not None:
        yield _filled(sightings), sightings.step
    for axis, sign in STARTS:
        aside = sign * sightings.rays[:, axis]
        yield (1 + SLOPE * aside / max(np.abs(aside).max(), 1e-6)).clip(FARTHEST, NEAREST), np.zeros(3)


def _filled(sightings: Sightings) -> Float[Array, "corner"]:
    """What is known of the corners' nearness; of others it is that of those around."""
    if sightings.known is None:
        return sightings.nearness
    told = ~np.isnan(sightings.known)
    share = (np.linalg.norm(sightings.rays[:, None] - sightings.rays[None, told], axis=-1) + 1e-3) ** -2
    return share @ sightings.known[told] / share.sum(1)


def refined(path: Path, sightings: Sightings) -> Path:
    """The path that explains the frames best near another one."""
    return _fitted(path, sightings)


def zoom_path(standing: Path, sightings: Sightings) -> Path:
    """The path straight ahead before corners that are all alike far away: what a lens that zooms looks like."""
    return _fitted(standing, sightings, corners=False, moves=AHEAD)


def mean_cost(path: Path, sightings: Sightings) -> float:
    """Mean over the corners that are seen of log(1 + e^2), where e is the error in `Sightings.noise`."""
    return _cost(path, sightings) / max(1.0, float(sightings.seen.sum()))


def _cost(path: Path, sightings: Sightings) -> float:
    error, _ = _errors(path, sightings)
    return float((np.log1p((error**2).sum(-1)) * sightings.seen).sum())


def _errors(
    path: Path, sightings: Sightings
) -> tuple[Float[Array, "sample corner 2"], Float[Array, "sample corner 3"]]:
    """How far each corner is seen from where it should be, in noises, and its place in the frame's axes."""
    moved = sightings.rays - path.nearness[:, None] * path.centres[:, None]
    points = moved @ path.R_key_cam
    points[..., 2] = points[..., 2].clip(DEPTH)
    return (points[..., :2] / points[..., 2:] - sightings.rays_cam) / sightings.noise, points


def _fitted(path: Path, sightings: Sightings, corners: bool = True, moves: slice | list[int] = ALL) -> Path:
    """The path after Levenberg's and Marquardt's steps; without `corners`, these stay where they are."""
    damping, cost = DAMPING, _cost(path, sightings) + _prior(path, sightings)
    for _ in range(ROUNDS):
        equations = _Equations.of(path, sightings)
        while damping < 1e6:
            tried = equations.solved(path, damping, corners, moves)
            if (new := _cost(tried, sightings) + _prior(tried, sightings)) < cost:
                break
            damping *= SLOWER
        else:
            return path
        saved, path, cost, damping = cost - new, tried, new, damping * FASTER
        if saved < ENOUGH * cost:
            return path
    return path


def _prior(path: Path, sightings: Sightings) -> float:
    return float(np.log1p(sightings.price * (path.nearness - sightings.nearness) ** 2).sum())


@dataclass(frozen=True)
class _Equations:
    """Gauss and Newton's equations at a path: blocks of 6 of the frames, a number of each corner, what joins them."""

    frames: Float[Array, "sample 6 6"]
    frames_right: Float[Array, "sample 6"]
    corners: Float[Array, "corner"]
    corners_right: Float[Array, "corner"]
    joint: Float[Array, "sample corner 6"]

    @staticmethod
    def of(path: Path, sightings: Sightings) -> _Equations:
        """With weights that fall with the error (Cauchy's)."""
        # In one piece: the derivatives of one projection by what it depends on, in the order of the chain rule.
        error, points = _errors(path, sightings)
        weight = sightings.seen / (1 + (error**2).sum(-1))
        x, y, z = np.moveaxis(points, -1, 0)
        zero = np.zeros_like(z)
        by_point = np.stack([np.stack([1 / z, zero, -x / z**2], -1), np.stack([zero, 1 / z, -y / z**2], -1)], -2)
        by_point /= sightings.noise
        turned = np.stack(
            [np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2
        )  # of R exp(w) by w, at w = 0
        R_cam_key = np.swapaxes(path.R_key_cam, -1, -2)
        by_centre = -np.einsum("snij,sjk->snik", by_point, R_cam_key) * path.nearness[:, None, None]
        by_frame = np.concatenate([by_point @ turned, by_centre], -1)
        by_corner = -np.einsum("snij,sj->sni", by_point, np.einsum("sjk,sk->sj", R_cam_key, path.centres))
        weighted = by_frame * weight[..., None, None]
        beside = path.nearness - sightings.nearness
        price = sightings.price / (1 + sightings.price * beside**2)
        return _Equations(
            np.einsum("snia,snib->sab", weighted, by_frame),
            -np.einsum("snia,sni->sa", weighted, error),
            np.einsum("sni,sni,sn->n", by_corner, by_corner, weight) + price,
            -np.einsum("sni,sni,sn->n", by_corner, error, weight) - price * beside,
            np.einsum("snia,sni->sna", weighted, by_corner),
        )

    def solved(self, path: Path, damping: float, corners: bool, moves: slice | list[int]) -> Path:
        """The path after a step; the corners' numbers are put into the frames' equations (Schur's complement)."""
        count, own = len(self.frames), np.eye(6) * np.einsum("saa->sa", self.frames)[:, None]
        damped, right, free = (
            self.frames + damping * own + 1e-9 * np.eye(6),
            self.frames_right,
            self.corners * (1 + damping),
        )
        if corners:
            share = self.joint / free[:, None]
            whole = -np.einsum("sna,tnb->satb", share, self.joint)
            whole[np.arange(count), :, np.arange(count)] += damped
            right = right - np.einsum("sna,n->sa", share, self.corners_right)
            step = np.linalg.solve(whole.reshape(6 * count, 6 * count), right.reshape(-1)).reshape(count, 6)
            nearer = (self.corners_right - np.einsum("sna,sa->n", self.joint, step)) / free
        else:
            step, nearer = np.zeros((count, 6)), np.zeros(len(free))
            step[:, moves] = np.linalg.solve(damped[:, moves][..., moves], right[:, moves, None])[..., 0]
        R_key_cam = path.R_key_cam @ Rotation.from_rotvec(step[:, :3]).as_matrix()
        nearness = (path.nearness + nearer).clip(FARTHEST, NEAREST)
        return Path(R_key_cam, path.centres + step[:, 3:], nearness)
