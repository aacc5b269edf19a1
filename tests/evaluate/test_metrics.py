from pathlib import Path

import reference
import roma
import torch

from vibe.evaluate import metrics


def pair(shared: Path) -> tuple[torch.Tensor, torch.Tensor]:
    make = reference.recipe(shared)
    predicted = torch.from_numpy(make.array("metric.pred", (32, 14, 3), 0.3))
    return predicted, predicted + torch.from_numpy(make.array("metric.noise", (32, 14, 3), 0.05))


def test_pa_mpjpe_equals_the_official_evaluator(shared: Path) -> None:
    expected = torch.from_numpy(reference.entry(shared, "metric.pa_mpjpe_m")).double() * 1000
    torch.testing.assert_close(metrics.pa_mpjpe_mm(*pair(shared)), expected, atol=1e-2, rtol=0)


def test_mpjpe_about_the_mid_hip_equals_the_official_evaluator(shared: Path) -> None:
    predicted, truth = (x - x[:, 2:4].mean(1, keepdim=True) for x in pair(shared))
    expected = torch.from_numpy(reference.entry(shared, "metric.mpjpe_m")).double() * 1000
    torch.testing.assert_close(metrics.mpjpe_mm(predicted, truth), expected, atol=1e-2, rtol=0)


def test_acceleration_error_equals_the_official_evaluator(shared: Path) -> None:
    predicted, truth = pair(shared)
    expected = torch.from_numpy(reference.entry(shared, "metric.accel_error")).double() * 1000
    torch.testing.assert_close(metrics.acceleration_error_mm(predicted, truth), expected, atol=1e-2, rtol=0)


def test_pa_mpjpe_does_not_see_a_similarity() -> None:
    truth = torch.randn(5, 12, 3)
    moved = 1.7 * truth @ roma.random_rotmat(5).mT + torch.randn(5, 1, 3)
    assert metrics.pa_mpjpe_mm(moved, truth).max() < 1e-2


def test_a_mirror_is_no_similarity() -> None:
    truth = torch.randn(5, 12, 3)
    assert metrics.pa_mpjpe_mm(truth * torch.tensor([-1.0, 1.0, 1.0]), truth).min() > 100


def test_steady_motion_has_no_acceleration() -> None:
    truth = torch.randn(12, 3) + torch.arange(20.0)[:, None, None] * torch.randn(12, 3)
    assert metrics.acceleration_error_mm(truth, torch.zeros_like(truth)).max() < 0.1
