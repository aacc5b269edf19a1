"""The published evaluator: its own numbers on arrays, and each of its quirks."""

import numpy as np
import parity
import pytest
import torch

from vibe.evaluate import metrics
from vibe.evaluate.protocols import VIBE_OFFICIAL
from vibe.evaluate.scores import Compared, Score, Tally
from vibe.evaluate.with_true_boxes import official_end_to_end

SURFACE = "pve_unaligned_mm"

REFERENCE = ("mpjpe_m", "pa_mpjpe_m", "accel", "accel_error")


def official_score(predicted: torch.Tensor, truth: torch.Tensor, pve_mm: torch.Tensor | None = None) -> Score:
    """What the published evaluator says of arrays of joints [frame, 14, 3], metres, that lie end to end."""
    surface = {} if pve_mm is None else {SURFACE: pve_mm}
    clip = Compared(predicted, truth, torch.arange(len(truth)), 1.0, metrics.HIPS, surface_mm=surface)
    whole = Tally()
    whole.add(official_end_to_end([clip]), [name for name in VIBE_OFFICIAL.metrics if surface or name != SURFACE])
    return whole.score(VIBE_OFFICIAL.split, "arrays", "network alone", VIBE_OFFICIAL.says)


@pytest.fixture
def arrays() -> tuple[torch.Tensor, torch.Tensor]:
    truth = 0.3 * torch.randn(48, 14, 3)
    return truth + 0.05 * torch.randn(48, 14, 3), truth


def test_the_same_arrays_give_the_published_program_s_numbers(given: parity.Given) -> None:
    predicted = given.array("metric.pred", 32, 14, 3, scale=0.3)
    truth = predicted + given.array("metric.noise", 32, 14, 3, scale=0.05)
    errors = official_score(predicted, truth).errors
    theirs = {name: 1000 * given.theirs[f"metric.{name}"].mean(dtype=np.float64) for name in REFERENCE}
    assert errors["mpjpe_mm"] == pytest.approx(theirs["mpjpe_m"], abs=0.01)
    assert errors["pa_mpjpe_mm"] == pytest.approx(theirs["pa_mpjpe_m"], abs=0.01)


def test_its_accelerations_are_the_published_function_s_of_joints_about_the_hips(given: parity.Given) -> None:
    """The reference has that function of joints as they stand; about hips that never move it is the evaluator's."""
    predicted = given.array("metric.pred", 32, 14, 3, scale=0.3)
    truth = predicted + given.array("metric.noise", 32, 14, 3, scale=0.05)
    theirs = {name: 1000 * given.theirs[f"metric.{name}"].mean(0, dtype=np.float64).mean() for name in REFERENCE[2:]}
    still = torch.zeros(32, 2, 3)
    moving, moved = (torch.cat([each[:, :2], still, each[:, 4:]], 1) for each in (predicted, truth))
    errors = official_score(moving, moved).errors
    of_twelve = [
        float(metrics.acceleration_mm(each[:, [0, 1, *range(4, 14)]]).mean()) * 12 / 14
        for each in (moving, moving - moved)
    ]
    assert [errors["acceleration_mm"], errors["acceleration_error_mm"]] == pytest.approx(of_twelve, abs=0.01)
    assert metrics.acceleration_mm(predicted).mean() == pytest.approx(theirs["accel"], abs=0.01)
    assert metrics.acceleration_error_mm(predicted, truth).mean() == pytest.approx(theirs["accel_error"], abs=0.01)


def test_its_definitions_written_out_give_the_same(arrays: tuple[torch.Tensor, torch.Tensor]) -> None:
    predicted, truth = (each.numpy().astype(float) for each in arrays)
    predicted, truth = (each - (each[:, 2:3] + each[:, 3:4]) / 2 for each in (predicted, truth))
    mpjpe = np.mean([np.linalg.norm(one - other, axis=1).mean() for one, other in zip(predicted, truth, strict=True)])
    second = [each[2:] - 2 * each[1:-1] + each[:-2] for each in (predicted, truth)]
    aligned = [similar(one, other) for one, other in zip(predicted, truth, strict=True)]
    errors = official_score(*arrays, torch.full((48,), 3.0)).errors
    assert errors == pytest.approx(
        {
            "mpjpe_mm": 1000 * mpjpe,
            "pa_mpjpe_mm": 1000 * np.linalg.norm(np.stack(aligned) - truth, axis=2).mean(),
            "acceleration_mm": 1000 * np.linalg.norm(second[0], axis=2).mean(),
            "acceleration_error_mm": 1000 * np.linalg.norm(second[0] - second[1], axis=2).mean(),
            "pve_unaligned_mm": 3.0,
        },
        abs=1e-3,
    )


def similar(points: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The points after the closest similarity, by the textbook's singular value decomposition."""
    source, target = points - points.mean(0), truth - truth.mean(0)
    U, size, Vt = np.linalg.svd(source.T @ target)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(U @ Vt))])
    return source @ (U * sign) @ Vt * ((size * sign).sum() / (source**2).sum()) + truth.mean(0)


def test_accelerations_run_across_pieces_as_published() -> None:
    here, there = (torch.zeros(16, 14, 3) + place * torch.rand(14, 3) for place in (0.0, 1.0))
    one = official_score(torch.cat([here, there]), torch.zeros(32, 14, 3)).errors
    assert one["acceleration_mm"] > 10
    assert official_score(here, here * 0).errors["acceleration_mm"] == 0


def test_pieces_become_one_clip() -> None:
    parts = [
        Compared(
            torch.randn(n, 14, 3), torch.randn(n, 14, 3), torch.arange(n), 25.0, [2, 3],
            surface_mm={"pve_mm": torch.rand(n)},
        )
        for n in (3, 4)
    ]  # fmt: skip
    whole = official_end_to_end(parts)
    assert whole.frames.tolist() == list(range(7)) and whole.predicted.shape == (7, 14, 3)
    assert torch.equal(whole.surface_mm["pve_mm"][3:], parts[1].surface_mm["pve_mm"])
