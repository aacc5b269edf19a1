import pytest
import roma
import torch

from vibe.models.priors import MPoser, MPoserConfig

SMALL = MPoserConfig(hidden=16, layers=2)


def turned(*shape: int) -> torch.Tensor:
    return roma.rotvec_to_rotmat(0.3 * torch.randn(*shape, 3))


def test_each_time_step_has_32_numbers_and_comes_back_as_rotations() -> None:
    rotmat, latent = MPoser(SMALL)(turned(2, 7, 23))
    assert latent.mean.shape == latent.log_variance.shape == (2, 7, 32)
    torch.testing.assert_close(rotmat @ rotmat.mT, torch.eye(3).expand(2, 7, 23, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotmat), torch.ones(2, 7, 23), atol=1e-5, rtol=0)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_leading_axes_are_free_and_any_length_is_read(bidirectional: bool) -> None:
    prior = MPoser(MPoserConfig(hidden=16, layers=1, bidirectional=bidirectional))
    rotmat = turned(3, 2, 5, 23)
    whole, latent = prior(rotmat)
    torch.testing.assert_close(prior(rotmat[1, 0])[0], whole[1, 0])
    torch.testing.assert_close(prior.encode(rotmat[1, 0]).mean, latent.mean[1, 0])
    assert prior(rotmat[0, 0, :1])[0].shape == (1, 23, 3, 3)


def test_with_one_direction_nothing_depends_on_what_comes_later() -> None:
    prior, rotmat = MPoser(SMALL), turned(9, 23)
    (whole, latent), (first, its) = prior(rotmat), prior(rotmat[:4])
    torch.testing.assert_close(its.mean, latent.mean[:4])
    torch.testing.assert_close(first, whole[:4])


def test_with_both_directions_the_past_knows_the_future() -> None:
    prior, rotmat = MPoser(MPoserConfig(hidden=16, bidirectional=True)), turned(9, 23)
    assert (prior.encode(rotmat[:4]).mean - prior.encode(rotmat).mean[:4]).abs().max() > 1e-4


def test_the_hands_can_be_left_out() -> None:
    prior, rotmat = MPoser(MPoserConfig(joints=21, hidden=16)), turned(5, 23)
    made, latent = prior(rotmat)
    assert made.shape == (5, 21, 3, 3)
    torch.testing.assert_close(prior.encode(rotmat[:, :21]).mean, latent.mean)


def test_a_body_with_its_root_is_refused() -> None:
    with pytest.raises(AssertionError, match="without the root"):
        MPoser(SMALL)(turned(5, 24))
    with pytest.raises(AssertionError, match="without the root"):
        MPoser(SMALL)(turned(5, 21))


def test_the_same_seed_draws_the_same_sample_and_no_seed_takes_the_mean() -> None:
    prior, rotmat = MPoser(SMALL), turned(5, 23)
    one, again, other = (prior(rotmat, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)
    made, latent = prior(rotmat)
    assert torch.equal(made, prior.decode(latent.mean))


def test_a_saved_mposer_is_the_same_mposer() -> None:
    prior, twin, rotmat = MPoser(SMALL), MPoser(SMALL), turned(5, 23)
    twin.load_state_dict(prior.state_dict())
    assert torch.equal(prior(rotmat)[0], twin(rotmat)[0])
