import pytest
import torch

from vibe.evaluate.metrics import ANGLES
from vibe.evaluate.scores import JOINTS, METRICS, WHOLE, Compared, Tally, joined_scores, systems
from vibe.evaluate.world_metrics import WorldCompared


def clip(frames: int, off: float) -> Compared:
    """Somebody whose first of three joints is misplaced by `off` metres throughout."""
    truth = torch.randn(frames, 3, 3)
    moved = truth + off * torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 0]])
    surface = {"pve_mm": torch.full((frames,), off), "pve_unaligned_mm": torch.full((frames,), 2 * off)}
    turned, stands = torch.eye(3).expand(frames, 3, 3), torch.ones(frames, 4, dtype=torch.bool)
    feet = torch.zeros(frames, 4, 3)
    pair = (feet + off * torch.arange(frames)[:, None, None], feet)
    angles, events = {name: torch.full((frames,), off) for name in ANGLES}, {"f1": torch.tensor([100.0])}
    events["frames"] = torch.full((frames,), off)
    world = WorldCompared((moved, truth), pair, torch.zeros(frames), (turned, turned), stands, stands.float())
    return Compared(moved, truth, torch.arange(frames), 30.0, [1], [0, 2], surface, world, angles, events)


def tally(*clips: Compared, wanted: tuple[str, ...] = JOINTS) -> Tally:
    counted = Tally()
    for one in clips:
        counted.add(one, wanted)
    return counted


def test_a_whole_is_the_mean_over_frames_and_not_over_clips() -> None:
    both = joined_scores([tally(clip(10, 0.3)), tally(clip(20, 0.6))]).score(WHOLE, "clean", "x", "y")
    assert both.frames == 30
    assert both.errors["mpjpe_mm"] == pytest.approx((10 * 100 + 20 * 200) / 30, rel=1e-5)
    assert both.errors["acceleration_error_mm"] < 1e-3


def test_no_acceleration_is_taken_across_two_clips() -> None:
    here, there = torch.zeros(4, 3, 3), torch.full((4, 3, 3), 9.0) * torch.tensor([[1.0], [2.0], [3.0]])
    clips = [Compared(points, points * 0, torch.arange(4), 60.0, [0]) for points in (here, there)]
    assert tally(*clips).score(WHOLE, "", "", "").errors["acceleration_error_m_s2"] == 0


def test_each_clip_s_own_frame_rate_makes_seconds_of_its_frames() -> None:
    fall = torch.zeros(9, 3, 3)
    fall[:, 0, 1] = 3 * 0.5 * (torch.arange(9.0) / 50).square()
    slow = Compared(fall[::2], fall[::2] * 0, torch.arange(5), 25.0, [1])
    fast = Compared(fall, fall * 0, torch.arange(9), 50.0, [1])
    both = tally(slow, fast).score(WHOLE, "", "", "").errors["acceleration_error_m_s2"]
    assert both == pytest.approx(1.0, rel=1e-4)


def test_everything_that_can_be_measured_is_nothing_for_the_truth() -> None:
    wanted = tuple(
        name for name in METRICS if name not in ("acceleration_mm", "jitter_m_s3", "foot_slide_mm", "jitter_10_m_s3")
    )
    errors = tally(clip(8, 0.0), wanted=wanted).score(WHOLE, "", "", "").errors
    assert {name: pytest.approx(error, abs=1e-3) for name, error in errors.items()} == {
        name: 100.0 if name in ("pck", "auc", "contact_f1", "event_f1") else 0.0 for name in wanted
    }


def test_a_metric_that_no_frame_has_is_left_out() -> None:
    errors = tally(clip(2, 0.1), wanted=tuple(METRICS)).score(WHOLE, "", "", "").errors
    assert "acceleration_error_mm" not in errors and "jitter_m_s3" not in errors
    assert errors["mpjpe_mm"] == pytest.approx(100 / 3, rel=1e-4)
    assert Tally().score(WHOLE, "", "", "").errors == {}


def test_the_coverage_is_over_all_who_were_there() -> None:
    one, other = tally(clip(3, 0.1)), tally(clip(1, 0.1))
    one.found.append(torch.tensor([True, True, True, False]))
    other.found.append(torch.tensor([False, False, True, False]))
    assert joined_scores([one, other]).score(WHOLE, "", "", "").errors["coverage"] == 50.0


def test_without_a_fit_and_smoothing_the_network_is_alone() -> None:
    assert [system.name for system in systems(False, "none")] == ["network alone"]
    assert [system.name for system in systems()] == ["network alone", "network + fit + light"]
    assert [system.refinement.fitting is None for system in systems(False)] == [True, True]


def test_the_root_of_the_mean_square_is_over_all_clips() -> None:
    errors = tally(clip(3, 0.3), clip(1, 0.5), wanted=("knee_flexion_rms_deg",)).score(WHOLE, "", "", "").errors
    assert errors["knee_flexion_rms_deg"] == pytest.approx(((3 * 0.3**2 + 0.5**2) / 4) ** 0.5)
