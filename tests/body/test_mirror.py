import roma
import torch

from vibe.body.pose import mirror_quaternions, mirror_rotmat


def test_a_mirrored_pose_mirrored_again_is_itself() -> None:
    rotmat = roma.random_rotmat((4, 24))
    torch.testing.assert_close(mirror_rotmat(mirror_rotmat(rotmat)), rotmat)


def test_a_mirror_commutes_with_products() -> None:
    first, second = roma.random_rotmat((2, 24)), roma.random_rotmat((2, 24))
    torch.testing.assert_close(
        mirror_rotmat(first @ second), mirror_rotmat(first) @ mirror_rotmat(second), atol=1e-6, rtol=0
    )


def test_matrices_and_quaternions_see_the_same_mirror() -> None:
    quaternions = roma.random_unitquat((3, 24))
    torch.testing.assert_close(
        roma.unitquat_to_rotmat(mirror_quaternions(quaternions)),
        mirror_rotmat(roma.unitquat_to_rotmat(quaternions)),
        atol=1e-5,
        rtol=0,
    )
