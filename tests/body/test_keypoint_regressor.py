"""Point sets without vertices."""

from dataclasses import replace

import numpy as np
import pytest
import roma
import torch

from open_body.build import ABOVE
from vibe.arrays import as_numpy, as_tensors
from vibe.body import Body, joints, joints_and_keypoints, keypoints, load_body, rest_joints, vertices
from vibe.body.keypoint_regressor import fold_regressors
from vibe.skeletons import COCO, SMPL, index, mirrored


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


def at_rest(body: Body) -> torch.Tensor:
    return keypoints(body, torch.eye(3).expand(24, 3, 3), torch.zeros(10))


def test_they_are_the_regressor_on_skinned_vertices(body):
    rotmat, betas = roma.random_rotmat((2, 2, 24)), torch.randn(2, 1, 10)
    expected = body.regressors["coco17"] @ vertices(body, rotmat, betas)
    assert (keypoints(body, rotmat, betas) - expected).abs().max() < 1e-5


def test_they_are_so_with_pose_blend_shapes_too(body):
    double = body.to(dtype=torch.float64)
    posedirs = 1e-3 * torch.randn(len(body.v_template), 3, 207, dtype=torch.float64)
    skin = double.weights, double.v_template, double.shapedirs, posedirs
    rows = torch.nn.functional.pad(double.regressors["coco17"], (0, 24))
    arrays = (as_numpy(each) for each in (rows, *skin, double.J_template, double.J_shapedirs))
    soft = replace(double, posedirs=posedirs, marks={"coco17": as_tensors(fold_regressors(*arrays))})
    rotmat, betas = roma.random_rotmat(24, dtype=torch.float64), torch.randn(10, dtype=torch.float64)
    expected = soft.regressors["coco17"] @ vertices(soft, rotmat, betas)
    torch.testing.assert_close(keypoints(soft, rotmat, betas), expected)


@pytest.mark.parametrize("points", ["coco17", "spin49", "h36m17", "common14"])
def test_both_levels_of_detail_give_the_same(body, points):
    low = load_body(detail="low")
    rotmat, betas = roma.random_rotmat((3, 24)), torch.randn(3, 10)
    assert len(low.v_template) < len(body.v_template) / 3
    coarse, fine = (joints_and_keypoints(some, rotmat, betas, points) for some in (low, body))
    assert coarse[1].shape == (3, int(points[-2:]), 3)
    for one, other in zip(coarse, fine, strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_hips_knees_and_other_limb_keypoints_follow_their_joints_in_every_pose_and_shape(body):
    names = [name for name in COCO if name in SMPL]
    rotmat = roma.rotvec_to_rotmat(0.6 * torch.randn(300, 24, 3))
    posed, found = joints_and_keypoints(body, rotmat, torch.randn(300, 10))
    apart_mm = 1000 * (found[:, index(COCO, names)] - posed[:, index(SMPL, names)]).norm(dim=-1).mean(0)
    for name, distance_mm in zip(names, apart_mm.tolist(), strict=True):
        assert abs(distance_mm - 1000 * ABOVE.get(name.split("_")[1], 0.0)) < 4, (name, distance_mm)


def test_a_shoulder_keypoint_lies_above_the_joint_of_a_stretched_arm_and_outside_that_of_a_hanging_one(body):
    rotmat = torch.eye(3).repeat(2, 24, 1, 1)
    rotmat[1, SMPL.index("left_shoulder")] = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, -torch.pi / 2]))
    posed, found = joints_and_keypoints(body, rotmat, torch.zeros(10))
    offset = (found - posed[:, index(SMPL, ["left_shoulder"])])[:, COCO.index("left_shoulder")]
    torch.testing.assert_close(offset, torch.tensor([[0, 0.013, 0], [0.013, 0, 0]]), atol=2e-3, rtol=0)


def test_the_face_lies_on_the_skin_as_a_face_does(body):
    nose, left_eye, right_eye, left_ear, right_ear = at_rest(body)[:5]
    front = body.v_template[(body.weights[:, SMPL.index("head")] > 0.5)]
    assert nose[2] == front[:, 2].max()
    for eye, ear, sign in ((left_eye, left_ear, 1), (right_eye, right_ear, -1)):
        assert 0.025 < sign * eye[0] < 0.037  # half the distance between pupils
        assert 0.02 < eye[1] - nose[1] < 0.06 and 0.01 < nose[2] - eye[2] < 0.05
        assert 0.06 < sign * ear[0] < 0.09 and 0.07 < eye[2] - ear[2] < 0.12


def test_left_and_right_mirror_each_other(body):
    flip = torch.tensor([-1.0, 1.0, 1.0])
    assert (at_rest(body)[mirrored(COCO)] * flip - at_rest(body)).abs().max() < 1e-4


def test_leading_axes_are_free_and_betas_broadcast(body):
    rotmat, betas = roma.random_rotmat((2, 5, 24)), torch.randn(2, 1, 10)
    many = keypoints(body, rotmat, betas)
    torch.testing.assert_close(many[1, 4], keypoints(body, rotmat[1, 4], betas[1, 0]))
    torch.testing.assert_close(joints_and_keypoints(body, rotmat, betas)[0], joints(body, rotmat, betas))


def test_of_no_frames_there_are_no_keypoints(body):
    nothing = torch.zeros(0, 24, 3, 3)
    assert keypoints(body, nothing, torch.zeros(10)).shape == (0, 17, 3)
    assert keypoints(as_numpy(body), nothing.numpy(), np.zeros(10, np.float32), "spin49").shape == (0, 49, 3)


def test_gradients_are_those_of_finite_differences():
    body = load_body(detail="low").to(dtype=torch.float64)
    rotvec = (0.5 * torch.randn(24, 3, dtype=torch.float64)).requires_grad_()
    betas = torch.randn(10, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, b: keypoints(body, roma.rotvec_to_rotmat(v), b)[8:11], (rotvec, betas))


def test_a_body_without_them_says_so(body):
    still = torch.eye(3).expand(24, 3, 3), torch.zeros(10)
    with pytest.raises(ValueError, match="no points 'coco17'.*it has none.*coco_regressor"):
        keypoints(replace(body, marks={}), *still)
    with pytest.raises(ValueError, match="no points 'body25'.*it has coco17, spin49, h36m17, .*common14"):
        keypoints(body, *still, "body25")


def test_no_vertex_is_touched(body):
    bare = replace(body, v_template=torch.full_like(body.v_template, torch.nan))
    rotmat, betas = roma.random_rotmat(24), torch.randn(10)
    assert keypoints(bare, rotmat, betas).isfinite().all() and rest_joints(bare, betas).isfinite().all()
