"""Whose the hands are that were read in a clip, and everybody's fingers from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from vibe import cameras
from vibe.arrays import as_numpy
from vibe.body.hand_joints import SIDES, hand_rotmat, hand_skeleton, relaxed_angles
from vibe.body.placed import joints_cam
from vibe.body.pose import pose_joints
from vibe.body.record import Body
from vibe.distortion import distort, undistort_px
from vibe.motion import Motion
from vibe.records import Camera, HandReadings, Track
from vibe.refine.hand_fit import fit_hand, over_time
from vibe.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from vibe.skeletons import BLAZEPOSE, SMPL

FARTHEST = 1.0
"""Distance of a reading from the palm that the pose model sees, in palms, up to which it may be that hand's."""
OTHER_SIDE = 0.15
"""Probability of the side under which it is the other hand, or one seen edge-on, whose fingers are not known."""
MOST_SCALE = 1.6
"""By how much a hand may be larger or smaller than the model has it, which does not know its size."""
MISSED = 0.008
"""Metres across the line of sight by which points of a hand are missed on the mean where its fit is worth 0.6 of a
perfect one."""


def add_fingers(
    people: Sequence[Motion], tracks: Sequence[Track], readings: HandReadings, camera: Camera, body: Body
) -> tuple[Motion, ...]:
    """The people with the fingers that were read, relaxed where nothing was; as they are where no hand of theirs was.

    Wrists turn a little, as the hands do. Motions, tracks and body belong together; the motions hold NumPy's arrays.
    """
    owners = _owners([as_numpy(track) for track in tracks], readings)
    camera, body = as_numpy(camera), as_numpy(body)
    found = []
    for number, motion in enumerate(people):
        hands = [readings.at(owners == 2 * number + side) for side in (0, 1)]
        seen = any(len(hand.frames) for hand in hands)
        found.append(_with_fingers(motion, hands, camera, body) if seen else motion)
    return tuple(found)


def _owners(tracks: Sequence[Track], readings: HandReadings) -> Int[ndarray, "reading"]:
    """Twice the number of the person, and 1 more for a right hand; -1 of nobody's. A hand is read once a frame."""
    palm = (2 * readings.points_px[:, 5] + readings.points_px[:, 17]) / 3
    size = np.linalg.norm(readings.points_px[:, 9] - readings.points_px[:, 0], axis=-1).clip(1)
    nearest, owners = np.full(len(palm), np.inf), np.full(len(palm), -1)
    for number, track in enumerate(tracks):
        if (landmarks := track.landmarks) is None or not len(track.frames):
            continue
        row = np.searchsorted(track.frames, readings.frames).clip(max=len(track.frames) - 1)
        # who was not seen in a frame has places there that are no evidence
        here = (track.frames[row] == readings.frames) & track.keypoints_px[row, :, 2].any(1)
        for right, side in enumerate(SIDES):
            index, pinky = (landmarks[row, BLAZEPOSE.index(f"{side}_{name}"), :2] for name in ("index", "pinky"))
            likely = readings.right if right else 1 - readings.right
            away = np.linalg.norm(palm - (2 * index + pinky) / 3, axis=-1) / size
            cost = np.where(here & (away < FARTHEST), away + 1 - likely, np.inf)
            owners = np.where(cost < nearest, 2 * number + right, owners)
            nearest = np.minimum(cost, nearest)
    likely = np.where(owners % 2 == 1, readings.right, 1 - readings.right)
    owners[likely < OTHER_SIDE] = -1
    order = np.argsort(-readings.presence, kind="stable")
    _, first = np.unique(np.stack([owners, readings.frames])[:, order], axis=1, return_index=True)
    once = np.full(len(owners), -1)
    once[order[first]] = owners[order[first]]
    return once


def _with_fingers(motion: Motion, hands: Sequence[HandReadings], camera: Camera, body: Body) -> Motion:
    """One motion with what was read of its left and right hand."""
    rotmat = motion.smpl.rotmat.copy()
    R_cam_joint, _ = pose_joints(body, rotmat, motion.smpl.betas)
    poses, sure = [], []
    for right, (side, seen) in enumerate(zip(SIDES, hands, strict=True)):
        skeleton, wrist = hand_skeleton(body, motion.smpl.betas, side), SMPL.index(f"{side}_wrist")
        angles = np.tile(relaxed_angles(), (len(motion), 1))
        sure.append(np.zeros(len(motion), np.float32))
        if len(seen.frames):
            row = np.searchsorted(motion.frames, seen.frames)
            away = np.linalg.norm(motion.joints_cam[row, wrist], axis=-1)
            straight = replace(seen, points_px=undistort_px(seen.points_px, camera))
            places, R_sight_cam = places_sight(straight, camera, away)
            fitted, turn, missed = fit_hand(skeleton, places, R_sight_cam @ R_cam_joint[row, wrist])
            side_sure = seen.right if right else 1 - seen.right
            weight = seen.presence * side_sure * np.exp(-((missed / MISSED) ** 2) / 2)
            values, base = np.concatenate([fitted, turn], 1), np.append(relaxed_angles(), [0, 0, 0])
            mixed, sure[-1] = over_time(values, weight, motion.times[row], motion.times, base)
            angles, turns = np.split(mixed.astype(np.float32), [-3], axis=1)
            rotmat[:, wrist] = rotmat[:, wrist] @ rotmat_from_rotvec(turns)
        poses.append(rotvec_from_rotmat(hand_rotmat(skeleton, angles)).reshape(len(motion), -1))
    rotmat[:, SMPL.index("left_hand") :] = np.eye(3)
    smpl = replace(motion.smpl, rotmat=rotmat)
    joints = joints_cam(replace(motion, smpl=smpl).smpl_shaped, body)
    return replace(
        motion,
        smpl=smpl,
        joints_cam=joints,
        joints_px=cameras.project(distort(joints, camera), camera.K_px),
        left_hand_pose=poses[0],
        right_hand_pose=poses[1],
        hand_confidence=np.stack(sure, 1).astype(np.float32),
    )


def places_sight(
    seen: HandReadings, camera: Camera, away: Float[ndarray, "reading"]
) -> tuple[Float[ndarray, "reading 21 3"], Float[ndarray, "reading 3 3"]]:
    """The points of hands at some distances from the camera, metres, z along the line of sight to each, and
    R_sight_cam. `camera` is of NumPy's arrays.

    Across the line of sight they are as the picture has them; the model tells how they lie along it.
    """
    middle_px = np.pad(seen.points_px.mean(1), ((0, 0), (0, 2)), constant_values=1).astype(np.float32)
    R_sight_cam = cameras.crop_view(torch.from_numpy(middle_px), torch.from_numpy(camera.K_px).float())[0].numpy()
    rays = cameras.rays(seen.points_px, camera.K_px) @ np.swapaxes(R_sight_cam, 1, 2)
    across = rays[..., :2] / rays[..., 2:] * away[:, None, None]
    across, places = (each - each.mean(1, keepdims=True) for each in (across, seen.places))
    scale = np.square(across).sum((1, 2)) / (across * places[..., :2]).sum((1, 2)).clip(1e-6)
    along = scale.clip(1 / MOST_SCALE, MOST_SCALE)[:, None] * places[..., 2]
    return np.dstack([across * (1 + along / away[:, None])[..., None], along]), R_sight_cam
