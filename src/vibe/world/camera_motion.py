"""How the camera turned, and on which path it went, read off the background: from key frame to key frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray as Array
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, RotationSpline, Slerp

from vibe.records import Background
from vibe.rotations import continuous, quaternions_from_rotmat
from vibe.world.background import BEGUN, MISSED, STOOD, TRUSTED, TURNED
from vibe.world.key_views import KeyView, view_from_key

NEAR = 0.25
"""Seconds from a frame that tells something within which the camera's rotation is sure."""
TRAVELS = 0.25
"""Share of the frames that a path must explain better than rotations for the camera to travel."""
UNLIKE = 0.004
"""Median distance of the background from where a rotation alone has it, in longer sides of the picture, from which
something is wrong with a camera that does not travel."""


TREMBLING = 0.5
"""Seconds over which a camera's rotation is smoothed to that of a steady one."""


@dataclass(frozen=True)
class CameraMotion:
    """How the camera of each frame of a clip is turned, and on which path it went."""

    R_cam0_cam: Float[Array, "frame 3 3"]
    """From the camera of a frame to that of the first one; the identity throughout for a camera that stands."""
    still: bool
    """Whether the camera stands: nothing that was seen of the background says otherwise."""
    parallax_px: float
    """Median distance of the background's points from where rotation alone has them, pixels: evidence that the camera
    travels or zooms, or that the focal length is another one; 0 for a camera that stands."""
    travels: bool
    """Whether that is more than a camera shows that only turns."""
    path_cam0: Float[Array, "frame 3"]
    """Places of the camera from the first one's, in the axes of the first one, in a unit that is not known; where the
    path is not known it rests. Zero throughout for a camera that does not travel."""
    sure: Bool[Array, "frame"]
    """Whether the background was seen near this frame."""
    begins: tuple[int, ...]
    """Frames with which a scene begins. Each scene's camera begins as that of the first did, for want of better."""
    notes: tuple[str, ...]
    """What went wrong or is only supposed, a sentence each."""


def standing_camera(frames: int) -> CameraMotion:
    """Of a camera of which nothing is known, and which is taken to stand."""
    eye, nowhere = np.tile(np.eye(3), (frames, 1, 1)), np.zeros((frames, 3))
    return CameraMotion(eye, True, 0.0, False, nowhere, np.zeros(frames, bool), (0,), ())


def held_still(seen: CameraMotion) -> CameraMotion:
    """Of a camera of which somebody says that it stands in each scene."""
    frames = len(seen.sure)
    return replace(standing_camera(frames), sure=np.ones(frames, bool), begins=seen.begins)


def steadied(seen: CameraMotion, timestamps: Float[Array, "frame"]) -> Float[Array, "frame 3 3"] | None:
    """R_steady_cam: from the camera to one beside it that turns without trembling; None for one that does not turn.

    In its axes a person moves as people do, whatever the hand that holds the camera does; they stay in front of it.
    """
    if seen.still or len(timestamps) < 2:
        return None
    steady = np.empty_like(seen.R_cam0_cam)
    for start, stop in zip(seen.begins, [*seen.begins[1:], len(timestamps)], strict=True):
        quaternions = continuous(quaternions_from_rotmat(seen.R_cam0_cam[start:stop]))
        interval = float(np.median(np.diff(timestamps[start:stop]))) if stop - start > 1 else 1.0
        smooth = gaussian_filter1d(quaternions, TREMBLING / interval, axis=0, mode="nearest")
        steady[start:stop] = Rotation.from_quat(smooth).as_matrix()
    return steady.mT @ seen.R_cam0_cam


def solve_rotations(
    background: Background, timestamps: Float[Array, "frame"], K_px: Float[Array, "3 3"], size_px: tuple[int, int]
) -> CameraMotion:
    """The camera's rotation in every frame, with its intrinsic matrix and the picture's size (width, height)."""
    # In one piece: whether the camera travels is asked of all key frames before the rotations of any are chained.
    K_px, turned = np.asarray(K_px, float), np.flatnonzero(background.kinds == TURNED)
    mine = {int(key): turned[background.keys[turned] == key] for key in np.unique(background.keys[turned])}
    views: dict[int, KeyView] = {}
    for key, samples in mine.items():
        before = int(background.keys[key])
        linked = background.kinds[key] == TURNED and before in views
        seen = (views[before], int(np.searchsorted(mine[before], key))) if linked else None
        views[key] = view_from_key(background, samples, K_px, size_px, seen)
    explained = sum(len(mine[key]) for key, view in views.items() if view.travels)
    travels = explained > TRAVELS * len(background.frames)
    turns, places = _chained(background, mine, views, travels)
    begins = tuple(int(each) for each in background.frames[background.kinds == BEGUN]) or (0,)
    left = float(np.median(np.concatenate([view.parallax_px for view in views.values()]))) if views else 0.0
    R_cam0_cam, path_cam0 = _between(background, turns, places, timestamps, begins)
    sure, still = _sure(background, timestamps), not len(turned)
    zooms = sum(len(mine[key]) for key, view in views.items() if view.zooms) > TRAVELS * len(turned)
    unlike = not travels and left > UNLIKE * max(size_px)
    notes = _notes(sure, still, zooms, unlike)
    return CameraMotion(R_cam0_cam, still, left, travels, path_cam0, sure, begins, notes)


def _chained(
    background: Background, mine: Mapping[int, Int[Array, "_"]], views: Mapping[int, KeyView], travels: bool
) -> tuple[Float[Array, "sample 3 3"], Float[Array, "sample 3"]]:
    """Rotation and place of the camera in every sample, over the key frames, from views of some samples each."""
    # In one piece: rotations, places and units are handed from one key frame to the next in the same order.
    turns, places = np.tile(np.eye(3), (len(background.kinds), 1, 1)), np.zeros((len(background.kinds), 3))
    units: dict[int, float] = {}
    for sample, (kind, key) in enumerate(zip(background.kinds.tolist(), background.keys.tolist(), strict=True)):
        if kind in (MISSED, TRUSTED):
            turns[sample], places[sample] = turns[sample - 1], places[sample - 1]
        elif kind == STOOD:
            turns[sample], places[sample] = turns[key], places[key]
        elif kind == TURNED:
            view, number = views[key], int(np.searchsorted(mine[key], sample))
            path = view.path if travels else None
            turns[sample] = turns[key] @ (path.R_key_cam if path else view.R_turned)[number]
            places[sample] = places[key]
            if path:
                if key not in units:
                    units[key] = _unit(background, key, mine, views, units)
                places[sample] += units[key] * turns[key] @ path.centres[number]
    return turns, places


def _unit(
    background: Background, key: int, mine: Mapping[int, Int[Array, "_"]], views: Mapping[int, KeyView],
    units: Mapping[int, float],
) -> float:  # fmt: skip
    """The unit of a key frame's path in that of the first one; where nothing links it, that of the path before."""
    before = int(background.keys[key])
    if background.kinds[key] == TURNED and before in units:
        return units[before] * views[key].unit_after(views[before], int(np.searchsorted(mine[before], key)))
    return list(units.values())[-1] if units else 1.0


def _between(
    background: Background, turns: Float[Array, "sample 3 3"], places: Float[Array, "sample 3"],
    timestamps: Float[Array, "frame"], begins: Sequence[int],
) -> tuple[Float[Array, "frame 3 3"], Float[Array, "frame 3"]]:  # fmt: skip
    """Rotation and place of the camera in every frame, scene by scene."""
    R_cam0_cam, path_cam0 = np.tile(np.eye(3), (len(timestamps), 1, 1)), np.zeros((len(timestamps), 3))
    told = background.kinds != MISSED
    for start, stop in zip(begins, [*begins[1:], len(timestamps)], strict=True):
        mine = told & (background.frames >= start) & (background.frames < stop)
        times, at = timestamps[background.frames[mine]], timestamps[start:stop]
        if mine.sum() > 1 and np.ptp(turns[mine], axis=0).any():
            R_cam0_cam[start:stop] = _interpolated(times, turns[mine], at)
            path_cam0[start:stop] = np.stack([np.interp(at, times, each) for each in places[mine].T], -1)
    return R_cam0_cam, path_cam0


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


def _notes(sure: Bool[Array, "frame"], still: bool, zooms: bool, unlike: bool) -> tuple[str, ...]:
    """What the user should know of it; nothing for a camera that stands and a background that is seen."""
    notes = []
    if len(sure) > 1 and sure.mean() < 0.9:
        share = "no frame" if not sure.any() else f"{sure.mean():.0%} of the frames"
        taken = "to stand" if still else "to go on as it was elsewhere"
        notes.append(f"the background could be followed in {share} only: the camera is taken {taken}")
    if zooms:
        notes.append("the lens zooms, or the camera travels before a wall: distances change with it")
    elif unlike:
        notes.append("the background moves as no turning camera shows it: the camera's rotation is less sure")
    return tuple(notes)
