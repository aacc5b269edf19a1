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
