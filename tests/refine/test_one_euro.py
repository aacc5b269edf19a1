import pytest
import roma
import torch

from vibe.refine.one_euro import OneEuroFilter, one_euro_rotations
from vibe.refine.presets import PER_FRAME, PER_SECOND, OneEuro


def one_euro(x: torch.Tensor, times: torch.Tensor, settings: OneEuro = PER_FRAME) -> torch.Tensor:
    """All rows, one after the other."""
    stream = OneEuroFilter(settings)
    return torch.stack([stream.step(row, time) for row, time in zip(x, times.tolist(), strict=True)])


def test_what_does_not_move_is_left_alone():
    x = torch.randn(3).expand(20, 3)
    assert torch.equal(one_euro(x, torch.arange(20.0)), x)


def test_noise_fades_and_fast_motion_is_followed():
    times = torch.arange(300) / 30
    noisy = 0.01 * torch.randn(300, 8)
    assert one_euro(noisy, times, PER_SECOND)[100:].std() < 0.6 * noisy.std()
    swing = torch.sin(6 * times)[:, None]
    assert (one_euro(swing, times, PER_SECOND) - swing).abs().max() < 0.25


def test_seconds_and_frames_agree_at_thirty_frames_a_second():
    x = torch.randn(60, 4).cumsum(0) * 0.05
    frames = torch.arange(60, dtype=torch.float64)
    torch.testing.assert_close(one_euro(x, frames, PER_FRAME), one_euro(x, frames / 30, PER_SECOND))


def test_small_rotations_are_filtered_as_their_numbers_are():
    turn = 1e-3 * torch.randn(50, 24, 3, dtype=torch.float64).cumsum(0)
    frames = torch.arange(50, dtype=torch.float64)
    found = roma.rotmat_to_rotvec(one_euro_rotations(roma.rotvec_to_rotmat(turn), frames, PER_FRAME))
    expected = one_euro(turn, frames, PER_FRAME)
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()


def test_a_turn_through_pi_does_not_spin():
    times = torch.arange(90) / 30
    angle = torch.linspace(2.6, 3.7, 90) + 0.01 * torch.randn(90)
    turning = roma.rotvec_to_rotmat(angle[:, None] * torch.tensor([0.0, 1.0, 0.0]))
    found = one_euro_rotations(turning, times)
    assert roma.rotmat_geodesic_distance(found[1:], found[:-1]).max() < 0.05
    assert roma.rotmat_geodesic_distance(found, turning).max() < 0.25


def test_a_long_stream_stays_a_rotation():
    turn = 0.3 * torch.randn(1000, 3)
    found = one_euro_rotations(roma.rotvec_to_rotmat(turn), torch.arange(1000) / 30.0)
    torch.testing.assert_close(found.mT @ found, torch.eye(3).expand(1000, 3, 3), rtol=0, atol=1e-5)


def test_moments_that_do_not_increase_are_refused():
    with pytest.raises(ValueError, match="each has to be later"):
        one_euro(torch.zeros(3, 2), torch.tensor([0.0, 1.0, 1.0]), OneEuro())


def test_nothing_gives_nothing():
    assert one_euro_rotations(torch.zeros(0, 4, 3, 3), torch.zeros(0)).shape == (0, 4, 3, 3)
