import pytest
import roma
import torch

from vibe.models.mposer import MPoser, MPoserConfig

SMALL = MPoserConfig(hidden=16, layers=2)


def turned(*shape: int) -> torch.Tensor:
    return roma.rotvec_to_rotmat(0.3 * torch.randn(*shape, 3))


def test_each_time_step_has_32_numbers_and_comes_back_as_rotations() -> None:
    made = MPoser(SMALL)(turned(2, 7, 23))
    assert made.z.shape == made.latent.log_variance.shape == (2, 7, 32)
    torch.testing.assert_close(made.rotmat @ made.rotmat.mT, torch.eye(3).expand(2, 7, 23, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(made.rotmat), torch.ones(2, 7, 23), atol=1e-5, rtol=0)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_leading_axes_are_free_and_any_length_is_read(bidirectional: bool) -> None:
    prior = MPoser(MPoserConfig(hidden=16, layers=1, bidirectional=bidirectional))
    rotmat = turned(3, 2, 5, 23)
    whole = prior(rotmat)
    torch.testing.assert_close(prior(rotmat[1, 0]).rotmat, whole.rotmat[1, 0])
    torch.testing.assert_close(prior(rotmat[1, 0]).z, whole.z[1, 0])
    assert prior(rotmat[0, 0, :1]).rotmat.shape == (1, 23, 3, 3)


def test_with_one_direction_nothing_depends_on_what_comes_later() -> None:
    prior, rotmat = MPoser(SMALL), turned(9, 23)
    whole, first = prior(rotmat), prior(rotmat[:4])
    torch.testing.assert_close(first.z, whole.z[:4])
    torch.testing.assert_close(first.rotmat, whole.rotmat[:4])


def test_with_both_directions_the_past_knows_the_future() -> None:
    prior, rotmat = MPoser(MPoserConfig(hidden=16, bidirectional=True)), turned(9, 23)
    assert (prior(rotmat[:4]).z - prior(rotmat).z[:4]).abs().max() > 1e-4


def test_the_hands_can_be_left_out() -> None:
    prior, rotmat = MPoser(MPoserConfig(joints=21, hidden=16)), turned(5, 23)
    made = prior(rotmat)
    assert made.rotmat.shape == (5, 21, 3, 3)
    torch.testing.assert_close(prior(rotmat[:, :21]).z, made.z)


def test_a_body_with_its_root_is_refused() -> None:
    with pytest.raises(ValueError, match="without the root"):
        MPoser(SMALL)(turned(5, 24))
    with pytest.raises(ValueError, match="got 21 rotations a frame, the prior reads 23"):
        MPoser(SMALL)(turned(5, 21))


def test_the_same_seed_draws_the_same_sample_and_no_seed_takes_the_mean() -> None:
    prior, rotmat = MPoser(SMALL), turned(5, 23)
    one, again, other = (prior(rotmat, torch.Generator().manual_seed(seed)).z for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    made = prior(rotmat)
    assert torch.equal(made.z, made.latent.mean)


def test_a_saved_mposer_is_the_same_mposer() -> None:
    prior, twin, rotmat = MPoser(SMALL), MPoser(SMALL), turned(5, 23)
    twin.load_state_dict(prior.state_dict())
    assert torch.equal(prior(rotmat).rotmat, twin(rotmat).rotmat)
