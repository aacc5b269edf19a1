import pytest
import roma
import torch

from vibe.refine.presets import SMOOTHING
from vibe.refine.smooth import close_gaps, one_shape, smooth, smooth_positions, smooth_rotations

EVEN = torch.arange(60, dtype=torch.float64) / 30
HALVES = torch.arange(119, dtype=torch.float64) / 60
SIGMA = torch.tensor([0.08])


def turning(times, velocity=(0.4, 4.0, 1.0)):
    return roma.rotvec_to_rotmat(times[:, None].float() * torch.tensor(velocity))[:, None]


def swinging(times, hertz=0.8):
    angle = torch.sin(6.2832 * hertz * times.float())
    return roma.rotvec_to_rotmat(angle[:, None] * torch.tensor([0.3, 0.8, -0.4]))[:, None]


def apart(a, b):
    """Degrees."""
    return torch.rad2deg(roma.rotmat_geodesic_distance(a.double(), b.double()))


def test_no_smoothing_at_the_same_times_changes_nothing():
    rotmat, trans = roma.random_rotmat((60, 24)), torch.randn(60, 3)
    same = smooth(rotmat, trans, EVEN, EVEN, SMOOTHING["none"])
    assert torch.equal(same[0], rotmat) and torch.equal(same[1], trans)


def test_no_smoothing_at_other_times_interpolates():
    rotmat = turning(EVEN).expand(-1, 24, 3, 3)
    trans = torch.tensor([0.0, 0.0, 3.0]) + EVEN[:, None].float() * torch.tensor([0.3, -0.2, 0.0])
    between, there = smooth(rotmat, trans, EVEN, HALVES, SMOOTHING["none"])
    assert apart(between, turning(HALVES)).max() < 0.01
    assert (there[:, 0] - HALVES.float() * 0.3).abs().max() < 1e-5


@pytest.mark.parametrize("name", SMOOTHING)
def test_a_body_at_rest_stays_at_rest(name):
    rotmat, trans = roma.random_rotmat(24).expand(60, -1, -1, -1), torch.tensor([1.0, -0.5, 6.0]).expand(60, -1)
    still, there = smooth(rotmat, trans, EVEN, HALVES, SMOOTHING[name], torch.rand(60))
    assert (still - rotmat[:1]).abs().max() < 2e-6
    assert (there - trans[:1]).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["none", "light", "strong"])
def test_steady_turning_is_kept_to_the_ends(name):
    after, _ = smooth(turning(EVEN).expand(-1, 24, -1, -1), torch.ones(60, 3), EVEN, HALVES, SMOOTHING[name])
    assert apart(after, turning(HALVES)).max() < 0.5


def test_steady_motion_is_kept_to_the_ends():
    line = EVEN[:, None].float() * torch.tensor([[1.0, -2.0]]) + 3
    assert (smooth_positions(line, EVEN, EVEN, torch.tensor([0.1, 0.2]), torch.rand(60)) - line).abs().max() < 1e-4


def test_smoothing_turns_with_the_camera():
    rotmat, camera = roma.random_rotmat((60, 1)), roma.random_rotmat()
    before = smooth_rotations(camera @ rotmat, EVEN, HALVES, SIGMA)
    after = camera @ smooth_rotations(rotmat, EVEN, HALVES, SIGMA)
    assert (before - after).abs().max() < 2e-4


def test_smoothing_does_not_depend_on_the_frame_rate():
    wanted = torch.linspace(0.1, 1.8, 33, dtype=torch.float64)
    fine = torch.arange(240, dtype=torch.float64) / 120
    slow, fast = (smooth_rotations(swinging(times), times, wanted, SIGMA) for times in (EVEN, fine))
    assert apart(slow, fast).max() < 0.2


def test_smoothing_does_not_depend_on_even_sampling():
    wanted = torch.linspace(0.2, 1.7, 33, dtype=torch.float64)
    uneven = (EVEN + 0.012 * torch.rand(60, dtype=torch.float64)).sort().values
    even, other = (smooth_rotations(swinging(times), times, wanted, SIGMA) for times in (EVEN, uneven))
    assert apart(even, other).max() < 0.5


def test_smoothing_has_no_lag():
    there = smooth_rotations(swinging(EVEN), EVEN, EVEN, SIGMA)
    back = smooth_rotations(swinging(EVEN).flip(0), EVEN, EVEN, SIGMA).flip(0)
    assert apart(there, back).max() < 0.01
    assert apart(there, swinging(EVEN)).max() < 1.5


def test_strong_smoothing_calms_more_than_light():
    noisy = roma.rotvec_to_rotmat(0.05 * torch.randn(60, 24, 3))
    error = {}
    for name in SMOOTHING:
        calm, _ = smooth(noisy, torch.ones(60, 3), EVEN, EVEN, SMOOTHING[name])
        error[name] = float(calm.diff(n=2, dim=0).square().mean().sqrt())
    assert error["light"] < 0.5 * error["none"]
    assert error["strong"] < 0.5 * error["light"]


def test_a_frame_of_no_confidence_hardly_counts():
    rotmat = torch.eye(3).repeat(60, 1, 1, 1)
    rotmat[30] = roma.rotvec_to_rotmat(torch.tensor([1.0, 0.0, 0.0]))
    weight = torch.ones(60)
    with_it = apart(smooth_rotations(rotmat, EVEN, EVEN, SIGMA, weight), torch.eye(3))[30]
    weight[30] = 0
    without = apart(smooth_rotations(rotmat, EVEN, EVEN, SIGMA, weight), torch.eye(3))[30]
    assert without < 0.1 * with_it


def test_the_ends_are_held_beyond_the_samples():
    outside = torch.tensor([-1.0, 0.0, 59 / 30, 9.0], dtype=torch.float64)
    held = smooth_positions(torch.randn(60, 1), EVEN, outside, SIGMA)
    assert held[0] == held[1] and held[2] == held[3]


def test_a_few_samples_are_enough():
    for count in (1, 2, 3):
        rotmat = roma.random_rotmat((1, 1)).expand(count, -1, -1, -1)
        after = smooth_rotations(rotmat, EVEN[:count], HALVES, SIGMA)
        assert (after - rotmat[:1]).abs().max() < 2e-6


def test_wide_gaps_between_samples_are_bridged():
    sparse = torch.tensor([0.0, 1.0, 2.0, 7.0, 8.0], dtype=torch.float64)
    after = smooth_positions(sparse[:, None].float(), sparse, torch.linspace(0, 8, 81, dtype=torch.float64), SIGMA)
    assert (after[:, 0] - torch.linspace(0, 8, 81)).abs().max() < 0.1


def test_a_window_longer_than_the_track_is_no_harm():
    after = smooth_rotations(swinging(EVEN[:5]), EVEN[:5], EVEN[:5], torch.tensor([3.0]))
    assert apart(after, swinging(EVEN[:5])).max() < 5


def test_times_must_increase():
    with pytest.raises(ValueError, match="later than the one before"):
        smooth_positions(torch.zeros(3, 1), torch.tensor([0.0, 2.0, 1.0]), EVEN, SIGMA)


def test_a_gap_is_closed_half_way_by_half_the_turn():
    rotmat = turning(EVEN[:5], (0.0, 6.0, 0.0))
    truth = rotmat.clone()
    rotmat[1:4] = roma.random_rotmat((3, 1))
    seen = torch.tensor([True, False, False, False, True])
    closed, moved = close_gaps(rotmat, torch.tensor([[0.0], [9.0], [9.0], [9.0], [1.0]]), EVEN[:5], seen)
    assert apart(closed, truth).max() < 0.01
    assert torch.allclose(moved[:, 0], torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))


def test_what_is_not_between_seen_frames_is_left():
    rotmat, x = roma.random_rotmat((5, 24)), torch.randn(5, 3)
    for seen in ([False, False, True, True, False], [False, True, False, False, False], [False] * 5):
        closed, moved = close_gaps(rotmat, x, EVEN[:5], torch.tensor(seen))
        assert torch.equal(closed, rotmat) and torch.equal(moved, x)


def test_one_shape_is_the_mean_weighted_by_confidence():
    betas = torch.stack([torch.zeros(10), torch.ones(10), 5 * torch.ones(10)])
    assert torch.allclose(one_shape(betas, torch.tensor([1.0, 3.0, 0.0])), torch.full((10,), 0.75))
    assert torch.allclose(one_shape(betas, torch.zeros(3)), torch.full((10,), 2.0))
