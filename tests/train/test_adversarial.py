import pytest
import torch

from vibe.model.discriminator import DiscriminatorConfig, MotionDiscriminator
from vibe.train.adversarial import (
    discriminator_terms,
    generator_term,
    loss_of_generator,
    losses_of_discriminator,
    smoothed_target,
)


def discriminator() -> MotionDiscriminator:
    return MotionDiscriminator(DiscriminatorConfig(hidden=8, attention_units=6))


def test_the_losses_are_zero_where_each_side_has_what_it_wants() -> None:
    ones, zeros = torch.ones(5), torch.zeros(3)
    assert loss_of_generator(ones) == 0
    assert losses_of_discriminator(ones, zeros) == {"real": 0, "fake": 0}


def test_the_losses_are_equations_2_and_3() -> None:
    real, fake = torch.tensor([0.5, 1.5, 1.0]), torch.tensor([0.5, -1.0])
    assert loss_of_generator(fake) == pytest.approx((0.25 + 4) / 2)
    terms = losses_of_discriminator(real, fake)
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
    plain = discriminator_terms(judge, real, fake)
    smooth = discriminator_terms(judge, real, fake, smoothing=torch.Generator().manual_seed(0))
    assert plain["fake"] == smooth["fake"] and plain["real"] != smooth["real"]


def test_the_discriminator_learns_without_touching_the_generator() -> None:
    judge, fake = discriminator(), torch.randn(4, 5, 69, requires_grad=True)
    terms = discriminator_terms(judge, torch.randn(4, 5, 69), fake)
    (terms["real"] + terms["fake"]).backward()
    assert fake.grad is None
    assert all(parameter.grad is not None for parameter in judge.parameters())


def test_the_generator_learns_through_the_discriminator_and_leaves_nothing_there() -> None:
    judge, fake = discriminator(), torch.randn(4, 5, 69, requires_grad=True)
    judge.fc.bias.requires_grad_(False)
    generator_term(judge, fake, weight=2.0).backward()
    assert fake.grad is not None and fake.grad.abs().min() > 0
    assert all(parameter.grad is None for parameter in judge.parameters())
    assert judge.fc.weight.requires_grad and not judge.fc.bias.requires_grad


def test_weights_multiply() -> None:
    judge = discriminator().eval().requires_grad_(False)
    real, fake = torch.randn(6, 5, 69), torch.randn(4, 5, 69)
    assert generator_term(judge, fake, 2.0) == pytest.approx(4 * generator_term(judge, fake, 0.5).item())
    one, three = (discriminator_terms(judge, real, fake, weight) for weight in (1.0, 3.0))
    assert three["real"] == pytest.approx(3 * one["real"].item())
    assert three["fake"] == pytest.approx(3 * one["fake"].item())


def test_a_discriminator_tells_smooth_motion_from_jitter_after_a_few_steps() -> None:
    judge, random = discriminator(), torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(judge.parameters(), lr=0.01)

    def motions(jitter: float) -> torch.Tensor:
        steady = 0.5 * torch.randn(32, 1, 69, generator=random)
        return steady + jitter * torch.randn(32, 8, 69, generator=random)

    for _ in range(60):
        optimiser.zero_grad()
        terms = discriminator_terms(judge, motions(0.02), motions(0.5), smoothing=random)
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
    judge.eval()
    with torch.no_grad():
        assert judge(motions(0.02)).mean() - judge(motions(0.5)).mean() > 0.5
