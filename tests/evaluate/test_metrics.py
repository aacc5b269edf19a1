import pytest
import roma
import torch

from vibe.evaluate import metrics


def test_pa_mpjpe_does_not_see_a_similarity() -> None:
    truth = torch.randn(5, 12, 3)
    moved = 1.7 * truth @ roma.random_rotmat(5).mT + torch.randn(5, 1, 3)
    assert metrics.pa_mpjpe_mm(moved, truth).max() < 1e-2


def test_a_mirror_is_no_similarity() -> None:
    truth = torch.randn(5, 12, 3)
    assert metrics.pa_mpjpe_mm(truth * torch.tensor([-1.0, 1.0, 1.0]), truth).min() > 100


def test_no_other_similarity_comes_closer() -> None:
    predicted, truth = torch.randn(5, 12, 3), torch.randn(5, 12, 3)
    aligned = metrics.procrustes_aligned(predicted, truth)
    least = (aligned - truth).square().sum((-2, -1))
    for _ in range(20):
        turn = roma.rotvec_to_rotmat(0.05 * torch.randn(5, 3)).double()
        middle = aligned.mean(-2, keepdim=True)
        scale, shift = 1 + 0.05 * torch.randn(5, 1, 1).double(), 0.05 * torch.randn(5, 1, 3).double()
        other = scale * (aligned - middle) @ turn.mT + middle + shift
        assert ((other - truth).square().sum((-2, -1)) >= least).all()


def test_points_in_a_plane_are_aligned_by_turning_them_over() -> None:
    truth = torch.randn(5, 12, 3) * torch.tensor([1.0, 1.0, 0.0])
    assert metrics.pa_mpjpe_mm(truth * torch.tensor([-1.0, 1.0, 1.0]), truth).max() < 1e-2


@pytest.mark.parametrize("flat", [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (1.0, 1.0, 0.0)], ids=["point", "line", "plane"])
def test_a_collapsed_body_gives_numbers_on_either_side(flat: tuple[float, float, float]) -> None:
    body, collapsed = torch.randn(5, 12, 3), torch.randn(5, 12, 3) * torch.tensor(flat) + 0.3
    assert metrics.pa_mpjpe_mm(collapsed, body).isfinite().all()
    assert metrics.pa_mpjpe_mm(body, collapsed).isfinite().all()
    assert metrics.pa_mpjpe_mm(collapsed, collapsed).max() < 1e-2


def test_a_single_point_lands_on_the_mean_of_the_truth() -> None:
    truth = torch.randn(5, 12, 3)
    aligned = metrics.procrustes_aligned(torch.full((5, 12, 3), 0.1), truth)
    torch.testing.assert_close(aligned, truth.double().mean(-2, keepdim=True).expand_as(aligned))


def test_steady_motion_has_no_acceleration() -> None:
    truth = torch.randn(12, 3) + torch.arange(20.0)[:, None, None] * torch.randn(12, 3)
    assert metrics.acceleration_error_mm(truth, torch.zeros_like(truth)).max() < 0.1
    assert metrics.acceleration_mm(truth).max() < 0.1


def test_a_falling_body_accelerates_by_gravity() -> None:
    fps = 30.0
    drop = torch.zeros(20, 12, 3)
    drop[..., 1] = 0.5 * 9.81 * (torch.arange(20.0) / fps).square()[:, None]
    acceleration = metrics.acceleration_mm(drop) / 1000 * fps**2
    torch.testing.assert_close(acceleration, torch.full((18,), 9.81).double(), atol=1e-2, rtol=0)


def test_a_shifted_surface_is_off_by_the_shift() -> None:
    surface = torch.randn(3, 50, 3)
    off = metrics.pve_mm(surface + torch.tensor([0.003, 0.0, 0.004]), surface)
    torch.testing.assert_close(off, torch.full((3,), 5.0).double(), atol=1e-3, rtol=0)


def test_what_is_seen_from_the_hips_does_not_move_with_the_body() -> None:
    points = torch.randn(4, 14, 3)
    torch.testing.assert_close(metrics.about(points + torch.randn(4, 1, 3)), metrics.about(points))
    torch.testing.assert_close(metrics.about(points)[:, 2], -metrics.about(points)[:, 3])
