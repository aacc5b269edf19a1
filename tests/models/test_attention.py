from dataclasses import replace

import pytest
import torch

from vibe.models.attention import AttentionConfig, AttentionEncoder, OrderConfig, OrderRecovery, places

SMALL = AttentionConfig(features=12, hidden=16, heads=4)
SET = replace(SMALL, kernel=1, positions=False)


def test_without_places_and_convolutions_a_track_is_a_set_of_frames() -> None:
    encoder, features, order = AttentionEncoder(SET).eval(), torch.randn(2, 9, 12), torch.randperm(9)
    torch.testing.assert_close(encoder(features)[:, order], encoder(features[:, order]))


@pytest.mark.parametrize("config", [replace(SET, positions=True), replace(SET, kernel=3)], ids=["places", "width 3"])
def test_places_and_convolutions_each_make_order_matter(config: AttentionConfig) -> None:
    encoder, features = AttentionEncoder(config).eval(), torch.randn(2, 9, 12)
    assert (encoder(features).flip(1) - encoder(features.flip(1))).abs().max() > 1e-2


def test_every_frame_attends_to_every_other() -> None:
    encoder, features = AttentionEncoder(SMALL).eval(), torch.randn(1, 40, 12, requires_grad=True)
    (gradient,) = torch.autograd.grad(encoder(features)[0, 0].square().sum(), features)
    assert (gradient.abs().sum(-1) > 0).all()


def test_long_tracks_are_read_in_windows_that_each_give_up_half_of_what_they_share() -> None:
    config = replace(SMALL, window=16, overlap=8)
    encoder, features = AttentionEncoder(config).eval(), torch.randn(41, 12)
    whole = encoder(features)
    torch.testing.assert_close(whole[:12], encoder(features[:16])[:12])
    torch.testing.assert_close(whole[12:20], encoder(features[8:24])[4:12])
    torch.testing.assert_close(whole[36:], encoder(features[32:])[4:])


@pytest.mark.parametrize("frames", [1, 2, 15, 16, 17, 24, 25, 100])
@pytest.mark.parametrize("overlap", [0, 7, 15])
def test_windows_answer_every_frame_once(frames: int, overlap: int) -> None:
    config = replace(SET, window=16, overlap=overlap)
    features = torch.randn(frames, 12)
    encoder = AttentionEncoder(config).eval()
    torch.nn.init.zeros_(encoder.widen.weight)
    torch.nn.init.zeros_(encoder.widen.bias)
    assert torch.equal(encoder(features), features)


def test_leading_axes_are_free() -> None:
    encoder, features = AttentionEncoder(SMALL).eval(), torch.randn(2, 3, 9, 12)
    torch.testing.assert_close(encoder(features)[1, 2], encoder(features[1, 2]))
    order = OrderRecovery(OrderConfig(12, 16)).eval()
    assert order(features).shape == (2, 3, 9, 9)
    torch.testing.assert_close(order(features)[1, 2], order(features[1, 2]))


@pytest.mark.parametrize("change", [{"kernel": 2}, {"heads": 5}, {"overlap": 256}])
def test_sizes_that_do_not_fit_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="has to be odd"):
        AttentionEncoder(replace(SMALL, **change))


def test_order_recovery_does_not_know_the_order_it_was_given() -> None:
    network, latent, order = OrderRecovery(OrderConfig(12, 16)).eval(), torch.randn(2, 9, 12), torch.randperm(9)
    torch.testing.assert_close(network(latent)[:, order], network(latent[:, order]))


def test_each_place_has_a_code_of_its_own() -> None:
    codes = places(3000, torch.empty(64))
    apart = (codes @ codes.mT).fill_diagonal_(0)
    torch.testing.assert_close(codes.square().sum(-1), torch.full((3000,), 32.0))
    assert apart.max() < 31.9
