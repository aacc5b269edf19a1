"""How the camera turned, read off the background: one rotation a frame from rays that a key frame shares with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray as Array
from scipy.spatial.transform import Rotation, RotationSpline, Slerp

from vibe.world.background import BEGUN, MISSED, STOOD, TRUSTED, TURNED, Background

KEPT = 0.8
"""Share of the rays, those that fit best, of which a rotation is made."""
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
    sure: Bool[Array, "frame"]
    """Whether the background was seen near this frame."""
    begins: tuple[int, ...]
    """Frames with which a scene begins. Each scene's camera begins as that of the first did, for want of better."""
    notes: tuple[str, ...]
    """What went wrong or is only supposed, a sentence each."""


def solve_rotations(
    background: Background, timestamps: Float[Array, "frame"], K_px: Float[Array, "3 3"], size_px: tuple[int, int]
) -> CameraMotion:
    """The camera's rotation in every frame, with its intrinsic matrix and the picture's size (width, height)."""
    # In one piece: the chain over key frames is a single pass, and all that is told of it is counted on the way.
    middle, longer = np.array(size_px) / 2, max(size_px)
    to_ray = np.linalg.inv(np.asarray(K_px, float))
    turns, parallax = np.tile(np.eye(3), (len(background.frames), 1, 1)), []
    for sample, (kind, key) in enumerate(zip(background.kinds, background.keys, strict=True)):
        if kind in (STOOD, TRUSTED, MISSED):
            turns[sample] = turns[key] if kind == STOOD else turns[sample - 1]
        elif kind == TURNED:
            pairs, inliers = background.pairs_px(sample, longer)
            rays_key, rays = (_rays(each + middle, to_ray) for each in (pairs[:, :2], pairs[:, 2:]))
            R_key_cam = rotation_between(rays[:inliers], rays_key[:inliers])
            turns[sample] = turns[key] @ R_key_cam
            away = np.linalg.norm(pairs[:, 2:] + middle - _seen(rays_key @ R_key_cam, K_px), axis=1)
            parallax.append(float(np.median(away)))
    still = not len(parallax)
    begins = tuple(int(each) for each in background.frames[background.kinds == BEGUN]) or (0,)
    left = float(np.median(parallax)) if parallax else 0.0
    R_cam0_cam = _between(background, turns, timestamps, begins)
    sure = _sure(background, timestamps)
    return CameraMotion(R_cam0_cam, still, left, sure, begins, _notes(background, sure, left / longer, still))


def rotation_between(
    rays: Float[Array, "ray 3"], rays_to: Float[Array, "ray 3"], kept: float = KEPT
) -> Float[Array, "3 3"]:
    """The rotation that lays unit vectors on others (Kabsch), once more without those that fit worst."""
    R_to = _kabsch(rays, rays_to)
    away = np.linalg.norm(rays_to - rays @ R_to.T, axis=1)
    best = np.argsort(away, kind="stable")[: max(3, round(kept * len(rays)))]
    return _kabsch(rays[best], rays_to[best])


def _kabsch(rays: Float[Array, "ray 3"], rays_to: Float[Array, "ray 3"]) -> Float[Array, "3 3"]:
    u, _, vt = np.linalg.svd(rays_to.T @ rays)
    return u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt


def _rays(points_px: Float[Array, "point 2"], to_ray: Float[Array, "3 3"]) -> Float[Array, "point 3"]:
    """Unit vectors through pixels."""
    rays = np.concatenate([points_px, np.ones((len(points_px), 1))], 1) @ to_ray.T
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def _seen(rays: Float[Array, "point 3"], K_px: Float[Array, "3 3"]) -> Float[Array, "point 2"]:
    """The pixels of rays."""
    image = rays @ np.asarray(K_px, float).T
    return image[:, :2] / image[:, 2:].clip(min=1e-3)


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


def _notes(background: Background, sure: Bool[Array, "frame"], parallax: float, still: bool) -> tuple[str, ...]:
    """What the user should know of it; nothing for a camera that stands and a background that is seen."""
    notes = []
    if len(sure) > 1 and sure.mean() < 0.9:
        share = "no frame" if not sure.any() else f"{sure.mean():.0%} of the frames"
        taken = "to stand" if still else "to go on as it was elsewhere"
        notes.append(f"the background could be followed in {share} only: the camera is taken {taken}")
    if not still and parallax > TRAVELS:
        notes.append("the camera travels or zooms, or its lens is another one: its rotation is less sure")
    return tuple(notes)
