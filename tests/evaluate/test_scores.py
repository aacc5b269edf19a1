import json
from dataclasses import replace

import pytest
import torch

from vibe.evaluate import tables
from vibe.evaluate.scores import WHOLE, Report, Tally, all_scores, joined, systems
from vibe.records import Weights


def tally(frames: int, off: float) -> Tally:
    """Somebody whose first of three joints is misplaced by `off` metres throughout."""
    counted = Tally()
    truth = torch.randn(frames, 3, 3)
    counted.add(truth + off * torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 0, 0]]), truth, [1], torch.full((frames,), off))
    return counted


@pytest.fixture
def report() -> Report:
    tallies = {
        ("clean", "network alone", "3 joints", clip): tally(frames, 0.3) for clip, frames in (("a", 5), ("b", 9))
    }
    about = Weights("mine", "abcdef" * 10, "free")
    return Report("a-protocol", "123456" * 10, 30.0, about, replace(about, name="a-body"), all_scores(tallies, 30.0))


def test_a_whole_is_the_mean_over_frames_and_not_over_clips() -> None:
    both = joined([tally(10, 0.3), tally(20, 0.6)]).score(WHOLE, "clean", "x", "y", 30.0)
    assert both.frames == 30
    assert both.mpjpe_mm == pytest.approx((10 * 100 + 20 * 200) / 30, rel=1e-5)
    assert both.acceleration_error_mm < 1e-3


def test_no_acceleration_is_taken_across_two_clips() -> None:
    here, there = torch.zeros(4, 3, 3), torch.full((4, 3, 3), 9.0) * torch.tensor([[1.0], [2.0], [3.0]])
    parts = [Tally(), Tally()]
    for part, points in zip(parts, (here, there), strict=True):
        part.add(points, points * 0, [0])
    assert joined(parts).score(WHOLE, "", "", "", 60.0).acceleration_error_m_s2 == 0


def test_without_a_fit_and_smoothing_the_network_is_alone() -> None:
    assert [system.name for system in systems(False, "none")] == ["network alone"]
    assert [system.name for system in systems()] == ["network alone", "network + fit + light"]
    assert [system.fitting is None for system in systems(False)] == [True, True]


def test_every_row_of_the_json_says_all_that_is_needed_to_read_it(report: Report) -> None:
    rows = json.loads(tables.as_json(report))
    assert [row["part"] for row in rows] == [WHOLE, "a", "b"]
    wanted = {"protocol": "a-protocol", "joints": "3 joints", "weights": "mine", "weights_sha256": "abcdef" * 10}
    assert all(row.items() >= wanted.items() and row["frames"] for row in rows)


def test_the_table_has_a_line_for_each_whole_and_says_what_it_was_measured_on(report: Report) -> None:
    text = tables.markdown(report)
    line, *parts = [line for line in text.splitlines() if line.startswith("| clean")]
    assert line.split("|")[1:-1][:4] == [" clean ", " network alone ", " 3 joints ", " 14 "]
    assert len(line.split("|")) - 2 == len(tables.HEAD)
    assert [part.split("|")[1] for part in parts] == [" clean a ", " clean b "]
    assert all(word in text for word in ("a-protocol", "mine abcdefabcdef", "data 123456123456", "a-body"))


def test_the_table_leaves_many_parts_to_the_json_and_a_lone_one_to_the_whole(report: Report) -> None:
    many, lone = (tuple(replace(report.scores[-1], part=str(number)) for number in range(count)) for count in (9, 1))
    assert "| clean" not in tables.markdown(replace(report, scores=many))
    assert "| clean" not in tables.markdown(replace(report, scores=lone))
