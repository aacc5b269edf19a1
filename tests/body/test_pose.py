"""Forward kinematics."""

import pytest
import roma
import torch

from vibe.body import Body, joints, load_body, pose_joints, rest_joints
from vibe.body.pose import mirror_rotmat
from vibe.skeletons import SMPL, mirrored


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body(detail="low").to(dtype=torch.float64)


def random_pose(*leading: int) -> torch.Tensor:
    return roma.random_rotmat((*leading, 24), dtype=torch.float64)


def plain_kinematics(body, rotmat, betas):
    """One body, joint after joint."""
    rest = rest_joints(body, betas)
    R_world, posed = [rotmat[0]], [rest[0]]
    for joint, parent in list(enumerate(body.parents))[1:]:
        R_world.append(R_world[parent] @ rotmat[joint])
        posed.append(posed[parent] + R_world[parent] @ (rest[joint] - rest[parent]))
    return torch.stack(R_world), torch.stack(posed)


def test_walking_the_tree_level_by_level_equals_joint_after_joint(body):
    rotmat, betas = random_pose(), torch.randn(10, dtype=torch.float64)
    for fast, plain in zip(pose_joints(body, rotmat, betas), plain_kinematics(body, rotmat, betas), strict=True):
        torch.testing.assert_close(fast, plain)


def test_single_precision_costs_less_than_a_micrometre(body):
    rotmat, betas = random_pose(20), torch.randn(20, 10, dtype=torch.float64)
    coarse = joints(body.to(dtype=torch.float32), rotmat.float(), betas.float())
    assert (coarse - joints(body, rotmat, betas)).abs().max() < 1e-6


def test_no_rotation_leaves_the_rest_pose(body):
    betas = torch.randn(10, dtype=torch.float64)
    rotmat = torch.eye(3, dtype=torch.float64).expand(24, 3, 3)
    torch.testing.assert_close(joints(body, rotmat, betas), rest_joints(body, betas))


def test_bones_keep_their_length_in_every_pose(body):
    betas = torch.randn(10, dtype=torch.float64)
    parents = list(body.parents[1:])
    rest, posed = rest_joints(body, betas), joints(body, random_pose(30), betas)
    lengths = (posed[:, 1:] - posed[:, parents]).norm(dim=-1)
    torch.testing.assert_close(lengths, (rest[1:] - rest[parents]).norm(dim=-1).expand_as(lengths))


def test_turning_the_root_turns_everything_about_the_pelvis(body):
    rotmat, betas = random_pose(), torch.randn(10, dtype=torch.float64)
    turn = roma.random_rotmat(dtype=torch.float64)
    turned = torch.cat([(turn @ rotmat[0])[None], rotmat[1:]])
    before, after = joints(body, rotmat, betas), joints(body, turned, betas)
    torch.testing.assert_close(after, (before - before[0]) @ turn.mT + before[0])


def test_leading_axes_are_free_and_betas_broadcast(body):
    rotmat, betas = random_pose(2, 5), torch.randn(2, 1, 10, dtype=torch.float64)
    many = joints(body, rotmat, betas)
    assert many.shape == (2, 5, 24, 3)
    torch.testing.assert_close(many[1, 3], joints(body, rotmat[1, 3], betas[1, 0]))
    torch.testing.assert_close(joints(body, rotmat, betas[0, 0])[0], many[0])
    assert joints(body, rotmat[:, :0], betas).shape == (2, 0, 24, 3)


def test_the_open_body_is_symmetric_so_a_mirrored_pose_gives_mirrored_joints(body):
    rotmat, betas = random_pose(), torch.randn(10, dtype=torch.float64)
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    expected = joints(body, rotmat, betas)[mirrored(SMPL)] * flip
    assert (joints(body, mirror_rotmat(rotmat), betas) - expected).abs().max() < 1e-4  # stored in steps of 36 um


def test_gradients_are_those_of_finite_differences(body):
    rotvec = (0.5 * torch.randn(2, 24, 3, dtype=torch.float64)).requires_grad_()
    betas = torch.randn(1, 10, dtype=torch.float64, requires_grad=True)
    ends = [SMPL.index("left_hand"), SMPL.index("right_foot")]
    assert torch.autograd.gradcheck(lambda v, b: joints(body, roma.rotvec_to_rotmat(v), b)[:, ends], (rotvec, betas))
