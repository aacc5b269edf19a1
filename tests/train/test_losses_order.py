import math

import pytest
import torch

from vibe.models.attention import AttentionConfig, AttentionEncoder, OrderConfig, OrderRecovery
from vibe.train.losses import order_loss, shuffle


def seed(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def test_the_places_put_shuffled_frames_back() -> None:
    features = torch.randn(2, 3, 11, 5)
    shuffled, places = shuffle(features, seed())
    back = shuffled.take_along_dim(places.argsort(-1)[..., None], -2)
    assert torch.equal(back, features) and not torch.equal(shuffled, features)
    assert not torch.equal(places[0, 0], places[1, 2])


def test_the_same_seed_shuffles_the_same_way() -> None:
    features = torch.randn(4, 11, 5)
    assert torch.equal(shuffle(features, seed(1))[1], shuffle(features, seed(1))[1])
    assert not torch.equal(shuffle(features, seed(1))[1], shuffle(features, seed(2))[1])


def test_the_loss_is_zero_for_certainty_and_the_logarithm_of_the_frames_for_a_guess() -> None:
    places = torch.rand(2, 3, 11).argsort(-1)
    certain = 100.0 * torch.nn.functional.one_hot(places, 11)
    assert float(order_loss(certain, places)) < 1e-6
    assert float(order_loss(torch.zeros(2, 3, 11, 11), places)) == pytest.approx(math.log(11))


def test_the_order_of_motion_can_be_learned_and_teaches_the_encoder() -> None:
    encoder = AttentionEncoder(AttentionConfig(features=8, hidden=16, heads=2, kernel=1, dropout=0.0))
    order, stream = OrderRecovery(OrderConfig(8, 16, 2, dropout=0.0)), seed()
    optimiser = torch.optim.Adam([*encoder.parameters(), *order.parameters()], 5e-3)
    losses, accuracy = [], torch.zeros(())
    for _ in range(50):
        time = torch.arange(8) / 8 + torch.rand(64, 1, generator=stream)
        motion = torch.stack([time.sin(), time.cos()], -1).repeat(1, 1, 4)
        shuffled, places = shuffle(motion + 0.01 * torch.randn(64, 8, 8, generator=stream), stream)
        logits = order(encoder(shuffled))
        loss, accuracy = order_loss(logits, places), (logits.argmax(-1) == places).float().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    gradient = encoder.narrow.weight.grad
    assert gradient is not None and gradient.any()
    assert losses[-1] < 0.6 * losses[0] and accuracy > 0.7
