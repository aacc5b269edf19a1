"""Whose hand was read, and what becomes of it."""

from dataclasses import replace

import numpy as np
import performers
import pytest
import torch

from vibe.arrays import as_numpy
from vibe.body import load_body, pose_joints, rest_joints
from vibe.body.hands import hand_points, hand_rotmat, hand_skeleton, relaxed_rotmat
from vibe.cameras import default_camera, project
from vibe.distortion import distort
from vibe.inference.hands import add_fingers, seen_skeleton
from vibe.records import HandReadings, Track
from vibe.rotations import rotvec_from_rotmat
from vibe.skeletons import BLAZEPOSE, SMPL

FRAMES = 25


@pytest.fixture(scope="module")
def body():
    return as_numpy(load_body(detail="low"))


@pytest.fixture(scope="module")
def camera():
    return as_numpy(default_camera(performers.WIDTH, performers.HEIGHT))


@pytest.fixture(scope="module")
def motion(body):
    return performers.performer(body, torch.arange(FRAMES))


def bent() -> np.ndarray:
    """A hand half closed."""
    angles = np.zeros(21, np.float32)
    angles[:12] = 0.8
    return angles


@pytest.fixture(scope="module")
def readings(motion, body, camera):
    """What a perfect reader sees of the left hand, which is half closed."""
    R_cam_joint, _ = pose_joints(body, motion.smpl.rotmat, motion.smpl.betas)
    skeleton, wrist = hand_skeleton(body, motion.smpl.betas, "left"), SMPL.index("left_wrist")
    rotmat = np.tile(hand_rotmat(skeleton, bent()), (FRAMES, 1, 1, 1))
    places = hand_points(seen_skeleton(skeleton), R_cam_joint[:, wrist], rotmat)
    points_px = project(places + motion.joints_cam[:, wrist, None], camera.K_px)
    sure = np.full(FRAMES, 0.95, np.float32)
    return HandReadings(motion.frames, points_px, places.astype(np.float32), sure, 1 - sure)


@pytest.fixture(scope="module")
def track(motion, readings):
    landmarks = np.zeros((FRAMES, 33, 8), np.float32)
    for name, point in (("index", 5), ("pinky", 17), ("wrist", 0)):
        landmarks[:, BLAZEPOSE.index(f"left_{name}"), :2] = readings.points_px[:, point]
    return Track(motion.frames, motion.box_px, motion.keypoints_px, landmarks)


def test_a_hand_that_was_read_is_bent_as_it_was_and_the_other_hangs(motion, track, readings, camera, body):
    (found,) = add_fingers([motion], [track], readings, camera, body)
    truth = rotvec_from_rotmat(hand_rotmat(hand_skeleton(body, motion.smpl.betas, "left"), bent())).ravel()
    off = np.abs(found.left_hand_pose - truth)
    assert off[3:-3].mean() < 0.1
    other = rotvec_from_rotmat(relaxed_rotmat(body)[15:]).ravel()
    np.testing.assert_allclose(found.right_hand_pose, np.tile(other, (FRAMES, 1)), atol=0.05)
    assert found.hand_confidence[:, 0].min() > 0.7 and not found.hand_confidence[:, 1].any()


def test_a_lens_that_bends_the_picture_bends_no_hand(motion, track, readings, camera, body):
    lens = replace(camera, distortion=np.array([-0.25, 0.08, 0.0, 0.0]))
    (plain,) = add_fingers([motion], [track], readings, camera, body)
    middle = camera.K_px[:2, 2]
    places = np.concatenate([(readings.points_px - middle) / camera.K_px[0, 0], np.ones((FRAMES, 21, 1))], -1)
    seen = project(distort(places, lens), lens.K_px).astype(np.float32)
    landmarks = track.landmarks.copy()
    for name, point in (("index", 5), ("pinky", 17), ("wrist", 0)):
        landmarks[:, BLAZEPOSE.index(f"left_{name}"), :2] = seen[:, point]
    assert np.abs(seen - readings.points_px).max() > 1
    (found,) = add_fingers(
        [motion], [replace(track, landmarks=landmarks)], replace(readings, points_px=seen), lens, body
    )
    np.testing.assert_allclose(found.left_hand_pose, plain.left_hand_pose, atol=0.03)


def test_nothing_but_the_wrist_and_what_hangs_on_it_moves(motion, track, readings, camera, body):
    (found,) = add_fingers([motion], [track], readings, camera, body)
    still = [place for place, name in enumerate(SMPL) if name not in ("left_hand", "right_hand")]
    np.testing.assert_allclose(found.joints_cam[:, still], motion.joints_cam[:, still], atol=1e-4)
    changed = np.abs(found.smpl.rotmat - motion.smpl.rotmat).max((0, 2, 3)) > 1e-4
    assert {name for name, moved in zip(SMPL, changed, strict=True) if moved} <= {
        "left_wrist",
        "left_hand",
        "right_hand",
    }
    rest = rest_joints(body, motion.smpl.betas)
    joints = pose_joints(body, found.smpl.rotmat, motion.smpl.betas)[1] - rest[0] + motion.smpl.pelvis[:, None]
    np.testing.assert_allclose(found.joints_cam, joints, atol=1e-4)


@pytest.mark.parametrize("wrong", ["side", "place"])
def test_another_s_hand_or_the_other_one_is_not_taken(wrong, motion, track, readings, camera, body):
    if wrong == "side":
        readings = replace(readings, right=readings.presence)
    else:
        readings = replace(readings, points_px=readings.points_px + 300)
    assert add_fingers([motion], [track], readings, camera, body)[0].left_hand_pose is None
    assert add_fingers([motion], [replace(track, landmarks=None)], readings, camera, body)[0] is motion
