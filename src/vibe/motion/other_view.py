"""A result of several views as another of its cameras sees it, at the frames of that one's video."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.cameras import BOX_MARGIN, project, weak_from_translation
from vibe.distortion import distort
from vibe.motion.record import Motion, Result
from vibe.motion.resample import neighbours, rotations_between, straight_between
from vibe.records import SmplParams, View, World

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
    rotmat = np.concatenate([(R @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1).astype(np.float32)
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
