"""How fingers bend, and how they hang where nothing is known of them."""

import numpy as np
import pytest

from vibe.arrays import as_numpy
from vibe.body import load_body, vertices
from vibe.body.hands import ARMS, FINGERS, SIDES, hand_rotmat, hand_skeleton, relaxed, relaxed_rotmat, with_fingers
from vibe.body.outfit import dressed
from vibe.body.pose import pose_joints
from vibe.rotations import rotmat_from_rotvec
from vibe.skeletons import SMPLH


@pytest.fixture(scope="module")
def body():
    return as_numpy(load_body(detail="low"))


def test_the_skin_of_a_relaxed_body_is_that_of_fingers_that_are_relaxed_in_every_shape_and_pose(body):
    random = np.random.default_rng(0)
    betas = random.standard_normal((3, 10), np.float32)
    rotmat = rotmat_from_rotvec(0.4 * random.standard_normal((3, 24, 3), np.float32))
    rotmat[:, ARMS:] = np.eye(3)
    fingers = np.broadcast_to(relaxed_rotmat(body), (3, 30, 3, 3))
    for each in (body, dressed(body)):
        whole = vertices(with_fingers(each), np.concatenate([rotmat[:, :ARMS], fingers], 1), betas)
        np.testing.assert_allclose(vertices(relaxed(each), rotmat, betas), whole, rtol=0, atol=3e-4)
    assert relaxed(body).J_template is body.J_template and relaxed(relaxed(body)).hands is None


@pytest.mark.parametrize("side", SIDES)
def test_all_fingers_bend_towards_the_palm_and_a_hand_is_the_other_s_mirror_image(body, side):
    rotmat = np.tile(np.eye(3, dtype=np.float32), (len(SMPLH), 1, 1))
    bent = np.zeros(21, np.float32)
    bent[: 3 * FINGERS.index("thumb")] = 0.7
    first = ARMS + 15 * SIDES.index(side)
    rotmat[first : first + 15] = hand_rotmat(hand_skeleton(body, np.zeros(10, np.float32), side), bent)
    fingered = with_fingers(body)
    joints = pose_joints(fingered, rotmat, np.zeros(10, np.float32))[1]
    moved = joints - pose_joints(fingered, np.eye(3, dtype=np.float32)[None].repeat(52, 0), np.zeros(10, np.float32))[1]
    for finger in FINGERS[:4]:
        assert moved[SMPLH.index(f"{side}_{finger}3"), 1] < -0.015  # in the T-pose palms look down
    flip = np.array([1.0, -1.0, -1.0])
    left, right = relaxed_rotmat(body).reshape(2, 15, 3, 3)
    np.testing.assert_allclose(left, right * flip[:, None] * flip, atol=1e-3)
