"""Shape and skin."""

from dataclasses import replace

import pytest
import roma
import torch

from vibe.body import Body, joints, lbs, load_body, rest_joints, rest_vertices, vertices
from vibe.body.pose import mirror_rotmat
from vibe.skeletons import SMPL


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body(detail="low")


def test_no_rotation_leaves_the_shaped_template(body):
    betas = torch.randn(3, 10)
    rotmat = torch.eye(3).expand(3, 24, 3, 3)
    torch.testing.assert_close(vertices(body, rotmat, betas), rest_vertices(body, betas), atol=1e-6, rtol=0)


def test_skinning_is_the_weighted_mean_of_what_each_joint_would_do_alone(body):
    rotmat, betas = roma.random_rotmat(24), torch.randn(10)
    rest, skin = rest_joints(body, betas), rest_vertices(body, betas)
    expected = torch.zeros_like(skin)
    R_world, posed = [rotmat[0]], joints(body, rotmat, betas)
    for joint, parent in list(enumerate(body.parents))[1:]:
        R_world.append(R_world[parent] @ rotmat[joint])
    for joint in range(24):
        alone = (skin - rest[joint]) @ R_world[joint].mT + posed[joint]
        expected += body.weights[:, joint, None] * alone
    torch.testing.assert_close(vertices(body, rotmat, betas), expected, atol=1e-5, rtol=0)


def test_turning_the_root_turns_the_skin_about_the_pelvis(body):
    rotmat, betas, turn = roma.random_rotmat(24), torch.randn(10), roma.random_rotmat(())
    pelvis = rest_joints(body, betas)[0]
    before = vertices(body, rotmat, betas)
    after = vertices(body, torch.cat([(turn @ rotmat[0])[None], rotmat[1:]]), betas)
    torch.testing.assert_close(after, (before - pelvis) @ turn.mT + pelvis, atol=1e-5, rtol=0)


def test_leading_axes_are_free_and_betas_broadcast(body):
    rotmat, betas = roma.random_rotmat((2, 3, 24)), torch.randn(2, 1, 10)
    many = vertices(body, rotmat, betas)
    torch.testing.assert_close(many[1, 2], vertices(body, rotmat[1, 2], betas[1, 0]))
    torch.testing.assert_close(vertices(body, rotmat[0], betas[0, 0]), many[0])
    assert vertices(body, rotmat[:, :0], betas).shape == (2, 0, len(body.v_template), 3)


def test_a_mirrored_pose_gives_the_mirrored_surface(body):
    rotmat, betas = roma.random_rotmat(24), torch.randn(10)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    apart = torch.cdist(body.v_template * flip, body.v_template, compute_mode="donot_use_mm_for_euclid_dist")
    other = apart.argmin(1)
    assert apart.amin(1).max() < 1e-4
    expected = vertices(body, rotmat, betas)[other] * flip
    assert (vertices(body, mirror_rotmat(rotmat), betas) - expected).abs().max() < 1e-3


def test_a_pose_that_bends_the_elbow_moves_no_vertex_of_the_legs(body):
    rotmat = torch.eye(3).repeat(24, 1, 1)
    rotmat[SMPL.index("left_elbow")] = roma.rotvec_to_rotmat(torch.tensor([0.0, -2.0, 0.0]))
    moved = (vertices(body, rotmat, torch.zeros(10)) - body.v_template).norm(dim=-1)
    assert moved[body.v_template[:, 1] < -0.4].max() < 1e-6
    assert moved.max() > 0.2


def test_pose_blend_shapes_are_linear_in_the_rotations_less_the_identity(body):
    posedirs = torch.randn(len(body.v_template), 3, 207) * 1e-3
    soft = replace(body, posedirs=posedirs)
    still = torch.eye(3).repeat(24, 1, 1)
    torch.testing.assert_close(vertices(soft, still, torch.zeros(10)), body.v_template, atol=1e-6, rtol=0)
    bent = still.clone()
    bent[23] = roma.random_rotmat(())
    moved = replace(body, v_template=body.v_template + posedirs[..., -9:] @ (bent[23] - still[23]).flatten())
    expected = vertices(moved, bent, torch.zeros(10))
    torch.testing.assert_close(vertices(soft, bent, torch.zeros(10)), expected, atol=1e-5, rtol=0)


def test_a_long_clip_is_its_frames_one_by_one_with_pose_blend_shapes_too(body):
    frames = 2 * lbs.MANY + lbs.FEW + 1
    soft = replace(body, posedirs=1e-3 * torch.randn(len(body.v_template), 3, 207))
    rotmat, betas = roma.random_rotmat((frames, 24)), torch.randn(frames, 10)
    found = vertices(soft, rotmat, betas)
    assert found.is_contiguous()
    for frame in (0, lbs.FEW - 1, lbs.FEW, lbs.MANY - 1, lbs.MANY, frames - 1):
        torch.testing.assert_close(found[frame], vertices(soft, rotmat[frame], betas[frame]), atol=1e-5, rtol=0)


def test_gradients_are_those_of_finite_differences():
    vertex = torch.tensor([0, 100, 2000])
    body = load_body(detail="low").to(dtype=torch.float64)
    body = replace(body, v_template=body.v_template[vertex], shapedirs=body.shapedirs[vertex],
                   posedirs=1e-2 * torch.randn(3, 3, 207, dtype=torch.float64),
                   weights=body.weights[vertex])  # fmt: skip
    rotvec = (0.5 * torch.randn(2, 24, 3, dtype=torch.float64)).requires_grad_()
    betas = torch.randn(1, 10, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, b: vertices(body, roma.rotvec_to_rotmat(v), b), (rotvec, betas))
