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
    off = metrics.mpjpe_mm(surface + torch.tensor([0.003, 0.0, 0.004]), surface)
    torch.testing.assert_close(off, torch.full((3,), 5.0).double(), atol=1e-3, rtol=0)


def test_what_is_seen_from_the_hips_does_not_move_with_the_body() -> None:
    points = torch.randn(4, 14, 3)
    torch.testing.assert_close(metrics.root_centred(points + torch.randn(4, 1, 3)), metrics.root_centred(points))
    torch.testing.assert_close(metrics.root_centred(points)[:, 2], -metrics.root_centred(points)[:, 3])


def test_known_distances_give_known_shares_of_correct_joints() -> None:
    truth = torch.randn(2, 4, 3)
    off_mm = torch.tensor([[0.0, 74.0, 149.0, 151.0], [151.0, 500.0, 151.0, 500.0]])
    predicted = truth.double() + off_mm[..., None].double() / 1000 * torch.tensor([0.0, 0.6, 0.8])
    assert metrics.pck(predicted, truth.double()).tolist() == [75.0, 0.0]
    passed = [31, 31 - 15, 31 - 30, 0]  # thresholds 0, 5, ... 150 that are not below the distance
    assert metrics.auc(predicted, truth.double()).tolist() == pytest.approx([100 * sum(passed) / 31 / 4, 0.0])


def test_the_area_is_the_mean_of_the_share_over_its_thresholds() -> None:
    predicted, truth = torch.randn(6, 14, 3) / 10, torch.randn(6, 14, 3) / 10
    off_mm = (predicted.double() - truth.double()).norm(dim=-1) * 1000
    plain = torch.stack([(off_mm <= least).double().mean(-1) for least in metrics.AUC_MM]).mean(0) * 100
    torch.testing.assert_close(metrics.auc(predicted, truth), plain)
    assert len(metrics.AUC_MM) == 31 and metrics.AUC_MM[-1] == metrics.PCK_MM


def test_nothing_is_measured_across_a_gap_or_into_another_clip() -> None:
    frames = torch.tensor([3, 4, 5, 6, 9, 10, 11, 12, 0, 1, 2, 3])
    points = torch.randn(len(frames), 5, 3)
    whole = metrics.acceleration_mm(points)
    apart = metrics.acceleration_mm(points, frames)
    assert apart.isfinite().tolist() == [True, True, False, False, True, True, False, False, True, True]
    assert torch.equal(apart[apart.isfinite()], whole[apart.isfinite()])
    error = metrics.acceleration_error_mm(points, torch.randn(len(frames), 5, 3), frames)
    assert torch.equal(error.isfinite(), apart.isfinite())
    jitter = metrics.jitter_mm(points, frames)
    assert jitter.isfinite().tolist() == [True, False, False, False, True, False, False, False, True]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_few_frames_have_no_differences_and_no_error(count: int) -> None:
    points, frames = torch.randn(count, 5, 3), torch.arange(count)
    assert len(metrics.acceleration_mm(points, frames)) == max(count - 2, 0)
    assert len(metrics.jitter_mm(points, frames)) == max(count - 3, 0)


def test_a_steadily_growing_acceleration_jitters_by_its_growth() -> None:
    fps, time = 50.0, torch.arange(30).double() / 50
    points = torch.zeros(30, 4, 3).double()
    points[..., 2] = (7.0 / 6 * time**3)[:, None]
    torch.testing.assert_close(metrics.jitter_mm(points) * fps**3 / 1000, torch.full((27,), 7.0).double())


def test_only_feet_that_truly_stand_can_slide() -> None:
    truth = torch.zeros(10, 2, 3)
    truth[5:, 1, 0] = torch.arange(5) * 0.1
    predicted = torch.zeros(10, 2, 3).double()
    predicted[:, 0, 2] = torch.arange(10).double() * 0.004
    slide = metrics.foot_slide_mm(predicted, truth, 30.0)
    torch.testing.assert_close(slide, torch.tensor([2.0] * 5 + [4.0] * 4).double(), atol=1e-6, rtol=0)
    assert metrics.foot_slide_mm(predicted, truth, 30.0, torch.arange(10) * 2).isnan().all()
    assert metrics.foot_slide_mm(predicted, truth + torch.arange(10)[:, None, None], 30.0).isnan().all()


def test_many_bodies_at_once_are_each_body_alone() -> None:
    predicted, truth = torch.randn(3, 7, 14, 3), torch.randn(3, 7, 14, 3)
    for error in (metrics.pa_mpjpe_mm, metrics.mpjpe_mm, metrics.pck, metrics.auc):
        each = torch.stack([torch.stack([error(*pair) for pair in zip(*clip)]) for clip in zip(predicted, truth)])
        torch.testing.assert_close(error(predicted, truth), each)
    each = torch.stack([metrics.acceleration_error_mm(*pair, torch.arange(7)) for pair in zip(predicted, truth)])
    torch.testing.assert_close(metrics.acceleration_error_mm(predicted, truth, torch.arange(7)), each)


def test_the_place_of_the_whole_does_not_matter_about_a_root() -> None:
    predicted, truth = torch.randn(7, 14, 3).double(), torch.randn(7, 14, 3).double()
    moved = predicted + torch.randn(7, 1, 3)
    for error in (metrics.mpjpe_mm, metrics.pck, metrics.auc):
        here, there = (error(metrics.root_centred(each), metrics.root_centred(truth)) for each in (predicted, moved))
        torch.testing.assert_close(here, there)
