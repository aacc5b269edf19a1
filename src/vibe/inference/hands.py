"""Whose the hands are that were read in a clip, and everybody's fingers from them: angles within the joints' limits,
and the wrist's turn, from the places of a hand's 21 points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import roma
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from vibe import cameras
from vibe.arrays import as_numpy
from vibe.body.hands import (
    ANGLES,
    SIDES,
    HandSkeleton,
    angle_limits,
    hand_points,
    hand_rotmat,
    hand_skeleton,
    relaxed_angles,
)
from vibe.body.placed import joints_cam
from vibe.body.pose import pose_joints
from vibe.body.record import Body
from vibe.distortion import distort, undistort_px
from vibe.motion import Motion
from vibe.records import Camera, HandReadings, Track
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


RIGID = (0, 5, 9, 13, 17)
"""The wrist and the knuckles, which hardly move against each other."""
BONES_MM = (
    ((-19, 1, -4), (6, 2, 2), (-3, 4, 1), (-8, 11, -1)), ((-20, -2, 1), (5, 5, 1), (-4, 3, -1), (-7, 8, 0)),
    ((-18, -2, 5), (3, 4, -1), (0, 4, 0), (-7, 7, 3)), ((-19, -3, 2), (4, 3, 1), (-4, 2, 0), (-10, 7, 2)),
    ((-16, -10, 2), (12, 9, -4), (-7, 7, -8), (-12, 7, 3)),
)  # fmt: skip
"""What the bones between the hand model's points have over those of a left hand's `HandSkeleton.steps`: its wrist lies
farther in the hand, its tips before their ends. By least squares in 200 rendered pictures (`benchmarks/hands.py`)."""
MOST_TURN = 1.0
"""Radians about each axis by which the wrist may turn from where the body has it."""
ACROSS, ALONG = 0.008, 0.02
"""Metres by which points are off across and along the line of sight."""
TOGETHER = 3.0
"""So many points are off together, and count as one."""
ROBUST = 2.0
"""Errors from which an error of a point counts less than by its square."""
TURNED, PLAIN, SIZED = np.radians(25.0), 1.0, 0.05
"""By how much the body's wrist is off about each axis and fingers are from relaxed ones, radians, and the hand's size
by its distance."""
LARGEST = 0.3
"""Logarithm of the size."""
ROUNDS, STEP = 12, 1e-5
CHUNK = 256
"""Readings that are fitted at a time."""
WIDTH, NOTHING = 0.09, 0.05
"""Seconds of the bell that smooths over time, and the weight of what is taken where nothing is seen."""


def fit_hand(
    skeleton: HandSkeleton, places: Float[ndarray, "reading 21 3"], R_sight_wrist: Float[ndarray, "reading 3 3"]
) -> tuple[Float[ndarray, "reading 21"], Float[ndarray, "reading 3"], Float[ndarray, "reading"]]:
    """The angles of each reading, the turn of the wrist (axis-angle, in its own axes), and how far points are missed.

    `places` are metres, from anywhere, z along the line of sight, in the axes that the body's `R_sight_wrist` leads
    to; points are missed across the line of sight, metres in the mean. Each reading is by itself.
    """
    skeleton = replace(skeleton, steps=np.asarray(skeleton.steps, np.float64))
    parts = [
        _fitted(skeleton, *(each[first : first + CHUNK].astype(np.float64) for each in (places, R_sight_wrist)))
        for first in range(0, len(places), CHUNK)
    ]
    angles, turn, missed = (np.concatenate(each) for each in zip(*parts, strict=True))
    return angles, turn, missed


def seen_skeleton(skeleton: HandSkeleton) -> HandSkeleton:
    """The bones between the points that the hand model sees, of a hand with these."""
    mirror = [np.sign(skeleton.steps[1, 0, 0]), 1, 1]
    return replace(skeleton, steps=skeleton.steps + np.array(BONES_MM, np.float32) / 1000 * mirror)


def _fitted(skeleton: HandSkeleton, places: ndarray, R_wrist: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """The same of a few."""
    # Levenberg and Marquardt's steps of all hands at once, each with its own damping, by differences; what a joint
    # cannot do is never tried. Points are known well across the line of sight alone
    count, seen = len(places), places - places.mean(1, keepdims=True)
    bones, (low, high), relaxed = seen_skeleton(skeleton), angle_limits(), relaxed_angles()
    low, high = np.r_[low, [-MOST_TURN] * 3, -LARGEST], np.r_[high, [MOST_TURN] * 3, LARGEST]
    usual, known = np.r_[relaxed, [0] * 4], 1 / np.r_[[PLAIN] * ANGLES, [TURNED] * 3, SIZED] ** 2
    turn = rotvec_from_rotmat(np.swapaxes(R_wrist, 1, 2) @ _palm_turn(bones, R_wrist, seen) @ R_wrist)
    x = np.clip(np.concatenate([np.tile(relaxed, (count, 1)), turn, np.zeros((count, 1))], 1), low, high)

    def off(x: ndarray) -> ndarray:
        here = (slice(None), *[None] * (x.ndim - 2))
        turned = R_wrist[here] @ rotmat_from_rotvec(x[..., ANGLES : ANGLES + 3])
        points = hand_points(bones, turned, hand_rotmat(bones, x[..., :ANGLES]))
        points = (points - points.mean(-2, keepdims=True)) * np.exp(x[..., -1:, None])
        return (points - seen[here]) / (ACROSS, ACROSS, ALONG)

    def energy(x: ndarray, off: ndarray) -> ndarray:
        whole = 2 * ROBUST**2 * (1 / _weights(off)[..., 1:] - 1)
        return whole.sum((1, 2)) / TOGETHER + (known * np.square(x - usual)).sum(1)

    error = off(x)
    worth, damping = energy(x, error), np.full(count, 1e-2)
    for _ in range(ROUNDS):
        slope = ((off(x[:, None] + STEP * np.eye(len(usual))) - error[:, None]) / STEP).reshape(count, len(usual), -1)
        weighted = slope * (_weights(error) / TOGETHER).reshape(count, 1, -1)
        gradient = (weighted @ error.reshape(count, -1, 1))[..., 0] + known * (x - usual)
        curve = weighted @ np.swapaxes(slope, 1, 2) + np.diag(known)
        held = ((x <= low) & (gradient > 0)) | ((x >= high) & (gradient < 0))
        curve = np.where(held[:, :, None] | held[:, None], 0, curve) + held[:, None] * np.eye(len(usual))
        curve *= 1 + damping[:, None, None] * np.eye(len(usual))
        tried = np.clip(x - np.linalg.solve(curve, np.where(held, 0, gradient)[..., None])[..., 0], low, high)
        missed = off(tried)
        found = energy(tried, missed)
        better = found < worth
        x, error = np.where(better[:, None], tried, x), np.where(better[:, None, None], missed, error)
        worth, damping = np.minimum(found, worth), damping * np.where(better, 0.3, 8.0)
    away = ACROSS * np.linalg.norm(error[..., :2], axis=-1).mean(1)
    return x[:, :ANGLES].astype(np.float32), x[:, ANGLES:-1].astype(np.float32), away.astype(np.float32)


def _weights(off: Float[ndarray, "*b 21 3"]) -> Float[ndarray, "*b 21 3"]:
    """What a point's error counts across and along the line of sight, against its square."""
    across = np.square(off[..., :2]).sum(-1)
    return 1 / np.sqrt(1 + np.stack([across, across, off[..., 2] ** 2], -1) / ROBUST**2)


def _palm_turn(
    bones: HandSkeleton, R_wrist: Float[ndarray, "reading 3 3"], seen: Float[ndarray, "reading 21 3"]
) -> Float[ndarray, "reading 3 3"]:
    """The rotation that brings the palm of a relaxed hand nearest to the one seen."""
    relaxed = hand_rotmat(bones, np.tile(relaxed_angles(), (len(seen), 1)))
    palms = [each[:, list(RIGID)] for each in (hand_points(bones, R_wrist, relaxed), seen)]
    here, there = (torch.from_numpy(each - each.mean(1, keepdims=True)).double() for each in palms)
    return roma.special_procrustes(there.mT @ here).numpy()  # pyright: ignore[reportAttributeAccessIssue]


def over_time(
    values: Float[ndarray, "reading n"], weight: Float[ndarray, "reading"], times: Float[ndarray, "reading"],
    moments: Float[ndarray, "time"], otherwise: Float[ndarray, "n"],
) -> tuple[Float[ndarray, "time n"], Float[ndarray, "time"]]:  # fmt: skip
    """Readings at some times smoothed and carried over to other moments, and how sure they are there.

    A third of a second from the nearest one there is nothing of them left but `otherwise`.
    """
    first = np.searchsorted(times, moments - 4 * WIDTH)
    count = np.searchsorted(times, moments + 4 * WIDTH) - first
    index = first[:, None] + np.arange(max(int(count.max(initial=0)), 1))
    inside = index < (first + count)[:, None]
    index = index.clip(max=len(times) - 1)
    share = weight[index] * inside * np.exp(-(((times[index] - moments[:, None]) / WIDTH) ** 2) / 2)
    whole = share.sum(1)
    mixed = np.einsum("tk,tkn->tn", share, values[index]) + NOTHING * otherwise
    return mixed / (whole + NOTHING)[:, None], share.max(1)
