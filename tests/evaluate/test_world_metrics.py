import math

import pytest
import roma
import torch

from vibe.evaluate import world_metrics as metrics


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def walker(frames: int = 250) -> torch.Tensor:
    """Somebody who goes 6 m along a curve, as 24 points that also move about."""
    time = torch.arange(frames) / 30
    root = torch.stack([0.7 * time, 0.4 * torch.sin(time), 0.9 + 0.02 * torch.sin(9 * time)], -1)
    return root[:, None] + torch.cat([torch.zeros(1, 3), 0.4 * torch.randn(23, 3)])


def test_worlds_that_differ_by_a_rigid_motion_are_the_same() -> None:
    truth = walker()
    other = truth @ roma.random_rotmat().mT + torch.tensor([3.0, -1.0, 0.4])
    assert metrics.w_mpjpe_mm(other, truth).max() < 0.01
    assert metrics.wa_mpjpe_mm(other, truth).max() < 0.01
    assert metrics.rte_percent(other[:, 0], truth[:, 0]).max() < 1e-3


def test_w_and_wa_do_not_see_the_scale_and_rte_does() -> None:
    truth = walker()
    larger = 1.01 * truth
    assert metrics.w_mpjpe_mm(larger, truth).max() < 0.01 and metrics.wa_mpjpe_mm(larger, truth).max() < 0.01
    assert metrics.rte_percent(larger[:, 0], truth[:, 0]).mean() > 0.1


def test_one_percent_of_a_straight_way_too_much_is_a_quarter_of_a_percent() -> None:
    truth = torch.linspace(0, 5, 2001)[:, None] * torch.tensor([0.6, 0.8, 0.0])
    errors = metrics.rte_percent(1.01 * truth, truth)
    # brought together in the middle, the error grows to 0.5 % at either end
    assert errors.mean() == pytest.approx(0.25, abs=1e-3) and errors.max() == pytest.approx(0.5, abs=1e-3)


def test_drift_counts_from_the_first_frames_of_each_hundred_on() -> None:
    truth = walker(300)
    drifted = truth + 0.002 * torch.arange(300)[:, None, None] * torch.tensor([0.0, 0.0, 1.0])
    errors = metrics.w_mpjpe_mm(drifted, truth)
    assert errors[[0, 100, 200]].max() < 2
    # within the first pair 2 mm tilt the body by a little, and with it the whole way
    assert errors[99] == pytest.approx(198, rel=0.15) and errors[199] == pytest.approx(198, rel=0.15)
    assert metrics.wa_mpjpe_mm(drifted, truth).mean() < errors.mean() / 2


def test_the_last_chunk_counts_however_short_it_is() -> None:
    truth = walker(201)
    assert metrics.w_mpjpe_mm(truth, truth).shape == (201,) and metrics.wa_mpjpe_mm(truth, truth).max() < 0.01


def test_who_stays_has_no_path_to_be_compared_with() -> None:
    assert metrics.rte_percent(torch.randn(9, 3), torch.ones(9, 3)).isnan().all()


def test_jitter_of_a_wave_is_its_third_derivative() -> None:
    fps, rate = 3000.0, 2 * math.pi
    joints = torch.sin(rate * torch.arange(3000, dtype=torch.float64) / fps)[:, None, None] * torch.eye(3)[:1]
    found = metrics.jitter_10_m_s3(joints.double(), fps)
    assert found.mean() == pytest.approx(rate**3 * 2 / math.pi / 10, rel=0.01)
    assert metrics.jitter_10_m_s3(torch.arange(20.0)[:, None, None].square().expand(20, 4, 3), 30.0).max() < 1e-9


def test_feet_slide_while_the_true_ones_stand_and_only_then() -> None:
    truth = torch.zeros(50, 4, 3)
    truth[:, 2:, 0] = 0.02 * torch.arange(50)[:, None]
    found = truth + 0.003 * torch.arange(50)[:, None, None] * torch.tensor([0.0, 1.0, 0.0])
    errors = metrics.foot_sliding_mm(found, truth)
    assert errors.tolist() == pytest.approx([3.0] * 98, rel=1e-4)
    assert metrics.foot_sliding_mm(truth, truth).max() == 0


def test_soles_are_below_or_above_the_floor() -> None:
    soles = torch.tensor([-0.03, 0.0, 0.02, 0.5])
    stands = torch.tensor([[True] + [False] * 3] * 3 + [[False] * 4])
    assert metrics.penetration_mm(soles).tolist() == pytest.approx([30.0, 0.0, 0.0, 0.0])
    assert metrics.floating_mm(soles, stands).tolist() == pytest.approx([0.0, 0.0, 20.0])


def test_the_floor_is_tilted_by_what_up_is_off_and_no_heading_counts() -> None:
    truth = roma.random_rotmat(40)
    heading = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.0, 0.7]))
    pitch = roma.rotvec_to_rotmat(torch.tensor([math.radians(3.0), 0.0, 0.0]))
    assert metrics.floor_tilt_deg(heading @ truth, truth).max() < 1e-3
    assert metrics.floor_tilt_deg(pitch @ truth, truth) == pytest.approx(torch.full((40,), 3.0), abs=1e-3)


def test_a_camera_is_turned_wrongly_relative_to_its_own_other_frames() -> None:
    truth = roma.random_rotmat(40)
    world = roma.random_rotmat()
    assert metrics.camera_rotation_deg(world @ truth, truth).max() < 0.05
    angles = torch.deg2rad(torch.linspace(-4, 4, 41))[:, None] * torch.tensor([0.0, 0.0, 1.0])
    still = torch.eye(3).expand(41, 3, 3)
    errors = metrics.camera_rotation_deg(still, roma.rotvec_to_rotmat(angles))
    assert errors.mean() == pytest.approx(2.05, abs=0.01) and errors[20] < 1e-3


def test_contacts_are_counted_over_the_clip() -> None:
    stands = torch.tensor([[True, True, False, False]] * 10)
    assert metrics.contact_f1(stands.float(), stands).tolist() == [100.0]
    assert metrics.contact_f1(torch.ones(10, 4), stands).item() == pytest.approx(100 * 2 / 3)
    assert metrics.contact_f1(torch.zeros(10, 4), ~stands & stands).isnan().all()
