"""Fingers of the open body."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch

from vibe.body.hands import read_hands, smplh_rotmat, with_fingers
from vibe.body.lbs import vertices
from vibe.body.load import load_body
from vibe.body.pose import joints
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
