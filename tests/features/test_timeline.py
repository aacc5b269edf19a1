import pytest
import torch

from vibe.inference import predict


def clock(rate: float, seconds: float) -> torch.Tensor:
    return torch.arange(round(rate * seconds), dtype=torch.float64) / rate


@pytest.mark.parametrize("rate", [24.0, 25.0, 29.97, 30.0, 40.0])
def test_an_ordinary_frame_rate_is_its_own_timeline(rate: float) -> None:
    times = clock(rate, 3)
    assert torch.equal(predict.even_times(times), times)


@pytest.mark.parametrize(("rate", "expected"), [(60.0, 30.0), (120.0, 30.0), (50.0, 25.0), (15.0, 30.0), (10.0, 30.0)])
def test_other_rates_become_a_whole_fraction_or_multiple_near_thirty(rate: float, expected: float) -> None:
    moments = predict.even_times(clock(rate, 3))
    assert float(1 / moments.diff().mean()) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("rate", [24.0, 29.97, 30.0, 60.0])
@pytest.mark.parametrize("digits", [9, 3])
def test_frames_that_are_left_out_leave_the_moments_where_they_are(rate: float, digits: int) -> None:
    times = clock(rate, 10).round(decimals=digits)
    left = torch.ones(len(times), dtype=torch.bool)
    left[100 : 100 + round(0.4 * rate)] = left[200] = False
    whole, moments = predict.even_times(times), predict.even_times(times[left])
    torch.testing.assert_close(moments, whole, atol=0.03 / rate, rtol=0)


def test_equal_times_change_nothing() -> None:
    times = clock(30.0, 1)
    points, boxes = torch.rand(30, 17, 3), torch.rand(30, 4)
    same_points, same_boxes = predict.resample_evidence(points, boxes, times, times.clone())
    assert torch.equal(points, same_points) and torch.equal(boxes, same_boxes)


@pytest.mark.parametrize("rate", [10.0, 15.0, 60.0, 120.0])
def test_a_straight_motion_stays_straight_at_any_rate(rate: float) -> None:
    times = clock(rate, 2)
    moments = predict.even_times(times)[2:-3]
    points = torch.ones(len(times), 17, 3)
    points[..., :2] = times.float()[:, None, None] * 100
    found, _ = predict.resample_evidence(points, torch.ones(len(times), 4), times, moments)
    torch.testing.assert_close(found[:, 0, 0], moments.float() * 100, atol=1e-3, rtol=0)
    torch.testing.assert_close(found[..., 2], torch.ones(len(moments), 17))


def test_a_keypoint_without_confidence_does_not_pull_its_neighbours() -> None:
    times = clock(60.0, 1)
    points = torch.ones(60, 17, 3)
    points[21] = torch.tensor([500.0, 500.0, 0.0])
    found, _ = predict.resample_evidence(points, torch.ones(60, 4), times, predict.even_times(times))
    torch.testing.assert_close(found[..., :2], torch.ones(len(found), 17, 2))


def test_a_moment_far_from_any_frame_has_no_confidence() -> None:
    times = torch.tensor([0.0, 1 / 30, 2 / 30, 0.4, 0.4 + 1 / 30], dtype=torch.float64)
    found, _ = predict.resample_evidence(torch.ones(5, 17, 3), torch.ones(5, 4), times, predict.even_times(times))
    assert (found[5:10, :, 2] == 0).all() and (found[0, :, 2] == 1).all()


def test_a_long_gap_cuts_a_track_and_a_short_one_does_not() -> None:
    times = torch.tensor([0.0, 0.1, 0.5, 1.4, 1.5], dtype=torch.float64)
    assert predict.stretches(times) == [slice(0, 3), slice(3, 5)]
