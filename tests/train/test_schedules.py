import pytest
import torch

from vibe.train.trainer import cosine, on_plateau, set_rate


def adam(rate: float) -> torch.optim.Optimizer:
    return torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=rate)


def rate_of(optimiser: torch.optim.Optimizer) -> float:
    return optimiser.param_groups[0]["lr"]


def test_the_cosine_rises_to_the_top_and_falls_to_a_fiftieth() -> None:
    rates = [cosine(2.0, step, 1100, 100) for step in range(1101)]
    assert rates[0] == pytest.approx(0.02) and rates[99] == rates[100] == max(rates) == 2.0
    assert rates[600] == pytest.approx(2.0 * 0.51) and rates[1100] == pytest.approx(0.04)


def test_a_cosine_without_warm_up_begins_at_the_top() -> None:
    assert cosine(0.5, 0, 10, 0) == 0.5


def test_rates_are_lowered_after_five_epochs_without_gain_and_only_then() -> None:
    generator, discriminator = adam(5e-5), adam(1e-4)
    schedules = [on_plateau(generator), on_plateau(discriminator)]
    scores = [60, 58, 59, 58, 61, 58, 58.5, 57, 57, 57, 57, 57, 57, 57]
    lowered = [False] * 6 + [True] * 8
    for score, low in zip(scores[:12], lowered[:12], strict=True):
        for each in schedules:
            each.step(score)
        assert rate_of(generator) == pytest.approx(5e-6 if low else 5e-5)
        assert rate_of(discriminator) == pytest.approx(1e-5 if low else 1e-4)
    schedules[0].step(57)
    assert rate_of(generator) == pytest.approx(5e-7)


def test_a_plateau_goes_on_from_its_state() -> None:
    optimiser = adam(1.0)
    first = on_plateau(optimiser)
    for score in (3, 3, 3):
        first.step(score)
    second = on_plateau(optimiser)
    second.load_state_dict(first.state_dict())
    for score in (3, 3, 3):
        second.step(score)
    assert rate_of(optimiser) == pytest.approx(0.1)


def test_all_parameters_get_the_rate() -> None:
    optimiser = torch.optim.Adam([{"params": [torch.zeros(1)]}, {"params": [torch.zeros(1)], "lr": 3.0}], lr=1.0)
    set_rate(optimiser, 0.25)
    assert [group["lr"] for group in optimiser.param_groups] == [0.25, 0.25]
