"""Motions at other moments than their frames, without what is faster than people move, and as other cameras see it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.body.pose import turn_root
from vibe.cameras import BOX_MARGIN, project, weak_from_translation
from vibe.motion.record import Motion, Result
from vibe.records import SmplParams, View, World
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


LONGEST_GAP = 0.55
"""Seconds between frames beyond which somebody is not shown."""


def seen_from(result: Result, place: int) -> Result:
    """Everybody in the frame of the view of that number, from 0, at the frames of its video; keypoints are left out.

    Raises ValueError where there is no such view.
    """
    if not 0 <= place < len(result.views):
        raise ValueError(f"the result has {len(result.views)} views: there is none with the number {place + 1}")
    view = result.views[place]
    clip = view.clip
    world = _world(result.world, view, len(clip.timestamps)) if result.world is not None else None
    people = tuple(_moved(motion, view).in_world(world) for motion in result.people)
    return replace(result, clip=clip, camera=view.camera, people=people, world=world)


def _world(world: World, view: View, frames: int) -> World:
    """The world about a camera that stands elsewhere; both stand still."""
    R_world_ref, R_ref_view = world.R_world_cam[0], view.R_view_ref.T
    R, t = R_world_ref @ R_ref_view, world.t_world_cam[0] - R_world_ref @ R_ref_view @ view.t_view_ref
    return replace(world, R_world_cam=np.tile(R, (frames, 1, 1)), t_world_cam=np.tile(t, (frames, 1)))


def _moved(motion: Motion, view: View) -> Motion:
    """One person at the frames of the view's video in which they are known."""
    from vibe.distortion import distort

    clip, times = view.clip, view.clip.timestamps - view.offset_s
    if not len(motion):
        return motion
    before, after, part = neighbours(motion.times * clip.fps, times * clip.fps)
    slack = 0.5 / clip.fps
    inside = (times >= motion.times[0] - slack) & (times <= motion.times[-1] + slack)
    inside &= motion.times[after] - motion.times[before] <= LONGEST_GAP
    rows = before[inside], after[inside], part[inside]
    frames, R, camera = np.flatnonzero(inside), view.R_view_ref, view.camera

    def between(points: Float[ndarray, "time *b 3"]) -> Float[ndarray, "frame *b 3"]:
        flat = straight_between(points.reshape(len(points), -1), *rows)
        return (flat.reshape(-1, *points.shape[1:]) @ R.T + view.t_view_ref).astype(np.float32)

    rotmat = rotations_between(motion.smpl.rotmat, *rows)
    rotmat = turn_root(R, rotmat).astype(np.float32)
    pelvis, joints = between(motion.smpl.pelvis), between(motion.joints_cam)
    transl = pelvis - (motion.smpl.pelvis - motion.transl)[:1]
    joints_px = project(distort(joints, camera), camera.K_px)
    low, high = joints_px.min(1), joints_px.max(1)
    box_px = np.concatenate([(low + high) / 2, (high - low) * BOX_MARGIN], -1)
    nearest = np.where(rows[2] < 0.5, rows[0], rows[1])
    return Motion(
        frames=frames,
        times=clip.timestamps[inside],
        box_px=box_px,
        smpl=SmplParams(rotmat, motion.smpl.betas, pelvis),
        transl=transl,
        pred_cam=weak_from_translation(distort(transl, camera), box_px, camera.K_px),
        joints_cam=joints,
        joints_px=joints_px,
        keypoints_px=np.zeros((len(frames), *motion.keypoints_px.shape[1:]), np.float32),
        confidence=motion.confidence[nearest],
        body=motion.body,
        contacts=None if motion.contacts is None else motion.contacts[nearest],
    )
