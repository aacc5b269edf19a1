from typing import Literal

import pytest
import torch

from vibe.models.discriminator import DiscriminatorConfig, MotionDiscriminator
from vibe.train.loop import (
    discriminate,
    discriminator_losses,
    generator_loss,
    real_gradient_penalty,
    smoothed_target,
)
from vibe.train.recipes import AdversarialConfig

PLAIN = AdversarialConfig(weight=1.0)


def discriminator() -> MotionDiscriminator:
    return MotionDiscriminator(DiscriminatorConfig(hidden=8, attention_units=6))


def test_the_losses_are_zero_where_each_side_has_what_it_wants() -> None:
    ones, zeros = torch.ones(5), torch.zeros(3)
    assert generator_loss(ones) == 0
    assert discriminator_losses(ones, zeros) == {"real": 0, "fake": 0}


def test_the_losses_are_equations_2_and_3() -> None:
    real, fake = torch.tensor([0.5, 1.5, 1.0]), torch.tensor([0.5, -1.0])
    assert generator_loss(fake) == pytest.approx((0.25 + 4) / 2)
    terms = discriminator_losses(real, fake)
    assert terms["real"] == pytest.approx(0.5 / 3)
    assert terms["fake"] == pytest.approx((0.25 + 1) / 2)


def test_smoothed_targets_lie_a_tenth_at_most_below_one_and_follow_the_seed() -> None:
    scores = torch.zeros(400, 2)
    first, again, other = (smoothed_target(scores, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert 0.9 <= first.min() < 0.91 and 0.99 < first.max() <= 1
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert abs(first.mean() - 0.95) < 0.005


def test_smoothing_moves_the_term_of_real_motion_alone() -> None:
    judge, real, fake = discriminator().eval(), torch.randn(6, 5, 69), torch.randn(4, 5, 69)
    plain, pull = discriminate(judge, real, fake, PLAIN)
    target = smoothed_target(torch.ones(6), torch.Generator().manual_seed(0))
    smooth, same = discriminate(judge, real, fake, PLAIN, target)
    assert plain["fake"] == smooth["fake"] and plain["real"] != smooth["real"]
    torch.testing.assert_close(pull, same)


def test_the_discriminator_learns_without_touching_the_generator() -> None:
    judge, fake = discriminator(), torch.randn(4, 5, 69, requires_grad=True)
    discriminate(judge, torch.randn(4, 5, 69), fake, PLAIN)
    assert fake.grad is None
    assert all(parameter.grad is not None for parameter in judge.parameters())


@pytest.mark.parametrize("kind", ["squares", "logistic"])
def test_each_side_gets_the_gradient_of_its_own_equation(kind: Literal["squares", "logistic"]) -> None:
    judge, real = discriminator().eval(), torch.randn(6, 5, 69)
    fake = torch.randn(4, 5, 69, requires_grad=True)
    _, pull = discriminate(judge, real, fake, AdversarialConfig(weight=2.0, loss=kind))
    found = {name: parameter.grad for name, parameter in judge.named_parameters()}
    (wanted,) = torch.autograd.grad(2.0 * generator_loss(judge(fake), kind), fake)
    torch.testing.assert_close(pull, wanted, rtol=1e-4, atol=1e-7)
    judge.zero_grad()
    terms = discriminator_losses(judge(real), judge(fake.detach()), kind=kind)
    (2.0 * (terms["real"] + terms["fake"])).backward()
    for name, parameter in judge.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-6, msg=name)


def test_a_score_of_exactly_zero_still_teaches_the_generator() -> None:
    judge = discriminator().eval().double()
    real, fake = torch.randn(2, 5, 69).double(), torch.randn(1, 5, 69).double().requires_grad_()
    with torch.no_grad():
        judge.fc.bias -= judge(fake)[0]
        judge.fc.bias -= judge(fake)[0]
    _, pull = discriminate(judge, real, fake, AdversarialConfig(weight=0.5))
    (wanted,) = torch.autograd.grad(0.5 * generator_loss(judge(fake)), fake)
    torch.testing.assert_close(pull, wanted, rtol=1e-6, atol=1e-12)


def test_the_penalty_is_half_the_squared_slope_at_real_motion_and_teaches_the_discriminator_alone() -> None:
    judge, real, fake = discriminator().eval().double(), torch.randn(3, 5, 69).double(), torch.randn(4, 5, 69).double()
    step = 1e-5 * torch.eye(5 * 69).double().reshape(-1, 5, 69)
    with torch.no_grad():
        slopes = [(judge(each + step) - judge(each - step)) / 2e-5 for each in real]
    wanted = 4.0 / 2 * torch.stack(slopes).square().sum(-1).mean()
    torch.testing.assert_close(real_gradient_penalty(judge, real, 4.0), wanted, rtol=1e-6, atol=0)
    _, pull = discriminate(judge, real, fake, PLAIN)
    plain = judge.fc.weight.grad
    judge.zero_grad()
    terms, same = discriminate(judge, real, fake, AdversarialConfig(weight=1.0, penalty=4.0))
    torch.testing.assert_close(terms["penalty"], wanted, rtol=1e-6, atol=0)
    torch.testing.assert_close(same, pull)
    assert plain is not None and judge.fc.weight.grad is not None
    assert not torch.allclose(judge.fc.weight.grad, plain)


def test_weights_multiply() -> None:
    judge, real, fake = discriminator().eval(), torch.randn(6, 5, 69), torch.randn(4, 5, 69)
    one, _ = discriminate(judge, real, fake, PLAIN)
    three, _ = discriminate(judge, real, fake, AdversarialConfig(weight=3.0))
    assert {name: float(3 * term) for name, term in one.items()} == pytest.approx(
        {name: float(term) for name, term in three.items()}
    )


def test_a_discriminator_tells_smooth_motion_from_jitter_after_a_few_steps() -> None:
    judge, random = discriminator(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(judge.parameters(), lr=0.01)

    def motions(jitter: float) -> torch.Tensor:
        steady = 0.5 * torch.randn(32, 1, 69, generator=random)
        return steady + jitter * torch.randn(32, 8, 69, generator=random)

    for _ in range(60):
        optimiser.zero_grad()
        discriminate(judge, motions(0.02), motions(0.5), PLAIN, smoothed_target(torch.ones(32), random))
        optimiser.step()
    judge.eval()
    with torch.no_grad():
        assert judge(motions(0.02)).mean() - judge(motions(0.5)).mean() > 0.5
