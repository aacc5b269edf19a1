from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from vibe.models.attention import TransformerConfig, TransformerEncoder, attend, turn

SMALL = TransformerConfig(features=12, hidden=16, heads=2, layers=2, reach=3)


def encoder(config: TransformerConfig = SMALL) -> TransformerEncoder:
    made = TransformerEncoder(config).eval()
    torch.nn.init.normal_(made.widen.weight, std=0.3)
    return made


def seen_by(network: TransformerEncoder, frame: int, frames: int) -> list[int]:
    features = torch.randn(1, frames, 12, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(features)[0, frame].square().sum(), features)
    return gradient[0].abs().sum(-1).nonzero()[:, 0].tolist()


def test_each_layer_adds_its_reach_to_both_sides() -> None:
    assert seen_by(encoder(), 15, 31) == list(range(9, 22))


def test_a_causal_one_does_not_look_ahead() -> None:
    assert seen_by(encoder(replace(SMALL, causal=True)), 15, 31) == list(range(9, 16))


@pytest.mark.parametrize("causal", [False, True])
def test_where_a_track_begins_does_not_matter(causal: bool) -> None:
    network, features = encoder(replace(SMALL, causal=causal)), torch.randn(3000, 12)
    torch.testing.assert_close(network(features)[2950:2970], network(features[2900:])[50:70], rtol=0, atol=1e-5)


@pytest.mark.parametrize("block", [1, 7, 50, 256])
@pytest.mark.parametrize(("back", "ahead"), [(0, 0), (4, 0), (4, 4), (100, 100)])
def test_blocks_change_nothing_about_attention(block: int, back: int, ahead: int) -> None:
    query, key, value = torch.randn(3, 2, 4, 50, 8)
    apart = torch.arange(50) - torch.arange(50)[:, None]
    mask = (apart >= -back) & (apart <= ahead)
    plain = ((query @ key.mT) / 8**0.5).masked_fill(~mask, -torch.inf).softmax(-1) @ value
    torch.testing.assert_close(attend(query, key, value, back, ahead, block), plain)
    torch.testing.assert_close(functional.scaled_dot_product_attention(query, key, value, mask), plain)


def test_turned_vectors_know_only_how_far_apart_they_are() -> None:
    vector = torch.randn(8)
    turned = turn(vector.expand(20_000, 8))
    torch.testing.assert_close(turned.norm(dim=-1), vector.norm().expand(20_000))
    torch.testing.assert_close(turned[5] @ turned[9], turned[19_990] @ turned[19_994], rtol=1e-5, atol=1e-5)


def test_untrained_the_answer_is_the_input_at_any_length() -> None:
    for frames in (1, 5, 700):
        features = torch.randn(2, 3, frames, 12)
        assert torch.equal(TransformerEncoder(SMALL)(features), features)
    assert not TransformerEncoder(replace(SMALL, residual=False))(torch.randn(5, 12)).any()


def test_leading_axes_are_free() -> None:
    network, features = encoder(), torch.randn(2, 3, 9, 12)
    torch.testing.assert_close(network(features)[1, 2], network(features[1, 2]))


@pytest.mark.parametrize("change", [{"heads": 16}, {"heads": 3}, {"reach": -1}])
def test_sizes_that_do_not_fit_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="even multiple"):
        TransformerEncoder(replace(SMALL, **change))
