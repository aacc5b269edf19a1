from dataclasses import replace

import pytest
import roma
import torch

from vibe.models.convolutional import (
    ConvolutionalConfig,
    ConvolutionalEncoder,
    Dynamics,
    DynamicsConfig,
    Hallucinator,
    HallucinatorConfig,
)
from vibe.records import GeneratorOutput

SMALL = ConvolutionalConfig(features=12, groups=3)
CHANGE = DynamicsConfig(features=12, hidden=16)


def present(*lead: int) -> GeneratorOutput:
    rotmat = roma.random_rotmat(torch.Size((*lead, 24)))
    return GeneratorOutput(rotmat, torch.randn(*lead, 10), torch.randn(*lead, 3))


@pytest.mark.parametrize(("blocks", "reach"), [(1, 2), (2, 4), (3, 6)])
def test_each_block_widens_the_view_by_two_frames_so_that_three_see_thirteen(blocks: int, reach: int) -> None:
    encoder, features = ConvolutionalEncoder(replace(SMALL, blocks=blocks)), torch.randn(1, 31, 12)
    features.requires_grad_()
    (gradient,) = torch.autograd.grad(encoder(features)[0, 15].square().sum(), features)
    seen = gradient[0].abs().sum(-1).nonzero()[:, 0]
    assert seen.tolist() == list(range(15 - reach, 15 + reach + 1))


def test_the_answer_far_from_the_ends_does_not_depend_on_where_the_track_begins_or_how_long_it_is() -> None:
    encoder, features = ConvolutionalEncoder(SMALL), torch.randn(60, 12)
    torch.testing.assert_close(encoder(features)[20:30], encoder(features[10:45])[10:20])


def test_leading_axes_are_free() -> None:
    features = torch.randn(2, 3, 9, 12)
    for network in (ConvolutionalEncoder(SMALL), Hallucinator(HallucinatorConfig(12, 12))):
        whole = network(features)
        assert whole.shape == features.shape
        torch.testing.assert_close(whole[1, 2], network(features[1, 2]))


@pytest.mark.parametrize("change", [{"kernel": 2}, {"groups": 5}])
def test_sizes_that_do_not_fit_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="has to be odd"):
        ConvolutionalEncoder(replace(SMALL, **change))


def test_untrained_past_and_future_are_the_present() -> None:
    now = present(2, 5)
    moved = Dynamics(CHANGE)(torch.randn(2, 5, 12), now)
    assert list(moved) == [-5, 5]
    for then in moved.values():
        torch.testing.assert_close(then.rotmat, now.rotmat, rtol=0, atol=1e-5)
        assert torch.equal(then.betas, now.betas) and torch.equal(then.pred_cam, now.pred_cam)


def test_past_and_future_have_regressors_of_their_own_that_learn() -> None:
    network, latent, now, target = Dynamics(CHANGE), torch.randn(2, 5, 12), present(2, 5), present(2, 5)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(20):
        loss = (network(latent, now)[5].rotmat - target.rotmat).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    moved = network.eval()(latent, now)
    assert losses[-1] < 0.8 * losses[0]
    torch.testing.assert_close(moved[-5].rotmat, now.rotmat, rtol=0, atol=1e-5)
    torch.testing.assert_close(
        moved[5].rotmat @ moved[5].rotmat.mT, torch.eye(3).expand(2, 5, 24, 3, 3), atol=1e-5, rtol=0
    )


def test_the_hallucinator_reads_each_picture_by_itself() -> None:
    network, features = Hallucinator(HallucinatorConfig(12, 20)), torch.randn(7, 12)
    alone = torch.cat([network(frame[None]) for frame in features])
    torch.testing.assert_close(network(features), alone)
