import roma
import torch

from vibe import rotations


def test_there_and_back_changes_nothing() -> None:
    rotmat = roma.random_rotmat(50)
    torch.testing.assert_close(rotations.rotmat_from_6d(rotations.rotmat_to_6d(rotmat)), rotmat, atol=1e-6, rtol=0)


def test_the_length_of_the_columns_does_not_matter() -> None:
    numbers = torch.randn(20, 6)
    scaled = (numbers.unflatten(-1, (3, 2)) * torch.tensor([2.0, 0.5])).flatten(-2)
    torch.testing.assert_close(rotations.rotmat_from_6d(scaled), rotations.rotmat_from_6d(numbers), atol=1e-5, rtol=0)


def test_quaternions_made_continuous_are_the_same_rotations_on_one_side_of_the_sphere() -> None:
    turning = roma.rotvec_to_unitquat(torch.linspace(0, 12, 50)[:, None, None] * torch.tensor([0.0, 0.6, 0.8]))
    flipped = turning * torch.randn(50, 1, 1).sign()
    found = rotations.continuous(flipped)
    assert ((found[1:] * found[:-1]).sum(-1) > 0).all()
    torch.testing.assert_close(roma.unitquat_to_rotmat(found), roma.unitquat_to_rotmat(turning))
