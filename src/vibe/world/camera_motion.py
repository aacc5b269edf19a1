"""How the camera turned, read off the background: one rotation a frame from rays that a key frame shares with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.spatial.transform import Rotation, RotationSpline, Slerp

from vibe import cameras
from vibe.world.background import BEGUN, MISSED, STOOD, TRUSTED, TURNED, Background

ROUNDS = 6
"""How often a rotation is made of rays, each time with weights by the one before."""
AT_ONCE = 1000
"""Samples whose rotations are found together."""
NEAR = 0.25
"""Seconds from a frame that tells something within which the camera's rotation is sure."""
TRAVELS = 0.004
"""Median distance of the background from where a rotation alone has it, in longer sides of the picture, from which the
camera is said to travel, or to zoom."""


@dataclass(frozen=True)
class CameraMotion:
    """How the camera of each frame of a clip is turned."""

    R_cam0_cam: Float[Array, "frame 3 3"]
    """From the camera of a frame to that of the first one; the identity throughout for a camera that stands."""
    still: bool
    """Whether the camera stands: nothing that was seen of the background says otherwise."""
    parallax_px: float
    """Median distance of the background's points from where rotation alone has them, pixels: evidence that the camera
    travels or zooms, or that the focal length is another one; 0 for a camera that stands."""
    travels: bool
    """Whether that is more than a camera shows that only turns."""
    sure: Bool[Array, "frame"]
    """Whether the background was seen near this frame."""
    begins: tuple[int, ...]
    """Frames with which a scene begins. Each scene's camera begins as that of the first did, for want of better."""
    notes: tuple[str, ...]
    """What went wrong or is only supposed, a sentence each."""


def standing_camera(frames: int) -> CameraMotion:
    """Of a camera of which nothing is known, and which is taken to stand."""
    return CameraMotion(np.tile(np.eye(3), (frames, 1, 1)), True, 0.0, False, np.zeros(frames, bool), (0,), ())


def solve_rotations(
    background: Background, timestamps: Float[Array, "frame"], K_px: Float[Array, "3 3"], size_px: tuple[int, int]
) -> CameraMotion:
    """The camera's rotation in every frame, with its intrinsic matrix and the picture's size (width, height)."""
    turned = np.flatnonzero(background.kinds == TURNED)
    R_key_cam, parallax = np.tile(np.eye(3), (len(background.frames), 1, 1)), np.zeros(0)
    for some in np.array_split(turned, len(turned) // AT_ONCE + 1):
        R_key_cam[some], away = _turned(background, some, np.asarray(K_px, float), size_px)
        parallax = np.concatenate([parallax, away])
    turns = R_key_cam.copy()
    for sample, (kind, key) in enumerate(zip(background.kinds, background.keys, strict=True)):
        if kind in (STOOD, TURNED):
            turns[sample] = turns[key] @ R_key_cam[sample]
        elif kind in (MISSED, TRUSTED):
            turns[sample] = turns[sample - 1]
    begins = tuple(int(each) for each in background.frames[background.kinds == BEGUN]) or (0,)
    left = float(np.median(parallax)) if len(parallax) else 0.0
    sure, still, travels = _sure(background, timestamps), not len(turned), left > TRAVELS * max(size_px)
    R_cam0_cam = _between(background, turns, timestamps, begins)
    return CameraMotion(R_cam0_cam, still, left, travels, sure, begins, _notes(sure, still, travels))


def _turned(
    background: Background, samples: Int[Array, "sample"], K_px: Float[Array, "3 3"], size_px: tuple[int, int]
) -> tuple[Float[Array, "sample 3 3"], Float[Array, "sample"]]:
    """R_key_cam of some samples, and the median distance of their points from where it has them, pixels."""
    pairs, there, inliers = background.pairs_px(samples, max(size_px))
    middle = np.array(size_px) / 2
    R_key_cam, away = rotations_of_rays(pairs[..., 2:] + middle, pairs[..., :2] + middle, inliers, K_px)
    return R_key_cam, np.nanmedian(np.where(there, away, np.nan), axis=1)


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


def _between(
    background: Background, turns: Float[Array, "sample 3 3"], timestamps: Float[Array, "frame"], begins: Sequence[int]
) -> Float[Array, "frame 3 3"]:
    """The rotation of every frame, scene by scene."""
    out = np.tile(np.eye(3), (len(timestamps), 1, 1))
    told = background.kinds != MISSED
    for start, stop in zip(begins, [*begins[1:], len(timestamps)], strict=True):
        mine = told & (background.frames >= start) & (background.frames < stop)
        if mine.sum() > 1 and np.ptp(turns[mine], axis=0).any():
            out[start:stop] = _interpolated(timestamps[background.frames[mine]], turns[mine], timestamps[start:stop])
    return out


def _interpolated(
    times: Float[Array, "sample"], turns: Float[Array, "sample 3 3"], at: Float[Array, "frame"]
) -> Float[Array, "frame 3 3"]:
    """Rotations at some times by a smooth curve; straight where the samples are far apart or do not turn.

    A little behind the last sample the camera turns on as it did, farther behind it stands.
    """
    rotations = Rotation.from_matrix(turns)
    angle, gap = (rotations[:-1].inv() * rotations[1:]).magnitude(), np.diff(times)
    before = np.searchsorted(times, at, side="right").clip(1, len(times) - 1) - 1
    straight = (gap[before] > NEAR) | (angle[before] < 1e-6)
    found = RotationSpline(times, rotations)(at.clip(times[0], times[-1])).as_matrix()
    found[straight] = Slerp(times, rotations)(at[straight].clip(times[0], times[-1])).as_matrix()
    behind = (at > times[-1]) & (gap[-1] <= NEAR)
    seconds = (at[behind] - times[-1]).clip(max=gap[-1])
    speed = (rotations[-2].inv() * rotations[-1]).as_rotvec() / gap[-1]
    found[behind] = turns[-1] @ Rotation.from_rotvec(seconds[:, None] * speed).as_matrix()
    return found


def _sure(background: Background, timestamps: Float[Array, "frame"]) -> Bool[Array, "frame"]:
    """Whether a frame lies near one that tells something of its scene."""
    told = np.isin(background.kinds, (STOOD, TURNED))
    told[:-1] |= (background.kinds[:-1] == BEGUN) & told[1:]
    places = timestamps[background.frames[told]]
    if not len(places):
        return np.zeros(len(timestamps), bool)
    after = np.searchsorted(places, timestamps).clip(0, len(places) - 1)
    away = np.minimum(np.abs(places[after] - timestamps), np.abs(places[(after - 1).clip(0)] - timestamps))
    return away <= NEAR


def _notes(sure: Bool[Array, "frame"], still: bool, travels: bool) -> tuple[str, ...]:
    """What the user should know of it; nothing for a camera that stands and a background that is seen."""
    notes = []
    if len(sure) > 1 and sure.mean() < 0.9:
        share = "no frame" if not sure.any() else f"{sure.mean():.0%} of the frames"
        taken = "to stand" if still else "to go on as it was elsewhere"
        notes.append(f"the background could be followed in {share} only: the camera is taken {taken}")
    if travels:
        notes.append("the camera travels or zooms, or its lens is another one: its rotation is less sure")
    return tuple(notes)
