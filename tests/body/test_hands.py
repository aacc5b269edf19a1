"""Fingers of the open body: their skin and joints, how they bend, and how they hang where nothing is known of them."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch

from vibe.arrays import as_numpy
from vibe.body.hands import (
    ARMS,
    FINGERS,
    SIDES,
    hand_rotmat,
    hand_skeleton,
    read_hands,
    relaxed,
    relaxed_rotmat,
    smplh_rotmat,
    with_fingers,
)
from vibe.body.lbs import vertices
from vibe.body.load import load_body
from vibe.body.outfit import dressed
from vibe.body.pose import joints, pose_joints
from vibe.rotations import rotmat_from_rotvec
from vibe.skeletons import SMPLH, SMPLH_PARENTS, mirrored


@pytest.mark.parametrize("detail", ["full", "low"])
def test_with_fingers_at_rest_the_surface_is_that_of_hands_at_rest(detail):
    torch.manual_seed(0)
    body = load_body(detail=detail)
    rotmat, betas = roma.rotvec_to_rotmat(0.5 * torch.randn(3, 24, 3)), torch.randn(3, 10)
    rotmat[:, 22:] = torch.eye(3)
    fingers = torch.zeros(3, 45)
    posed = vertices(with_fingers(body), smplh_rotmat(rotmat, fingers, fingers), betas)
    torch.testing.assert_close(posed, vertices(body, rotmat, betas), rtol=0, atol=1e-6)


def test_a_finger_moves_its_own_skin_and_nothing_else():
    body = with_fingers(load_body())
    rest = torch.eye(3).expand(52, 3, 3).clone()
    bent = rest.clone()
    bent[SMPLH.index("left_index1")] = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, -1.0]))
    moved = (vertices(body, bent, torch.zeros(10)) - body.v_template).norm(dim=-1) > 1e-6
    own = body.weights[:, [SMPLH.index(f"left_index{bone}") for bone in (1, 2, 3)]].sum(1) > 0
    assert moved.any() and not (moved & ~own).any()


def test_fingers_stand_in_smplh_s_order_and_mirror_each_other():
    body = with_fingers(load_body())
    assert [SMPLH[parent] for parent in SMPLH_PARENTS[22:26]] == [
        "left_wrist",
        "left_index1",
        "left_index2",
        "left_wrist",
    ]
    assert SMPLH[SMPLH_PARENTS[37]] == "right_wrist" and len(SMPLH) == len(SMPLH_PARENTS) == 52
    flipped = body.J_template[mirrored(SMPLH)] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(flipped, body.J_template, rtol=0, atol=1e-4)
    lengths = joints(body, torch.eye(3).expand(52, 3, 3), torch.zeros(10))[22:].diff(dim=0).norm(dim=-1)
    assert (lengths[0::3] > 0.015).all() and (lengths[0::3] < 0.05).all()


def test_a_body_of_another_name_has_no_fingers():
    body = load_body()
    assert read_hands("another", len(body.v_template)) is None
    assert read_hands(body.origin.name, 7) is None
    with pytest.raises(ValueError, match="open body"):
        with_fingers(replace(body, hands=None))


def test_the_shares_of_a_hand_are_whole():
    hands = load_body().hands
    total = np.asarray(hands.share).sum(1)
    np.testing.assert_allclose(total[total > 0], 1, atol=1e-6)


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
