import csv
import io
import json
from dataclasses import replace

import pytest
import torch

from vibe.evaluate import tables
from vibe.evaluate.scores import WHOLE, Compared, Report, Tally, all_scores
from vibe.records import Weights


@pytest.fixture
def report() -> Report:
    tallies = {}
    for part, frames in (("a", 5), ("b", 9)):
        truth = torch.randn(frames, 3, 3)
        found = tallies.setdefault(("clean", "network alone", "3 joints & more", part), Tally())
        found.add(Compared(truth + 0.1 * torch.randn(frames, 3, 3), truth, torch.arange(frames), 30.0, [1]))
    about = Weights("mine_1", "abcdef" * 10, "free")
    body, scores = replace(about, name="a-body"), all_scores(tallies)
    return Report("a-protocol", "true", "123456" * 10, (25.0, 50.0), about, body, scores, ("It is invented.",))


def written(form: str, report: Report) -> str:
    return tables.FORMATS[form](tables.report_table(report))


def test_every_row_of_the_json_and_of_the_csv_says_all_that_is_needed_to_read_it(report: Report) -> None:
    rows = json.loads(written("json", report))
    lines = list(csv.DictReader(io.StringIO(written("csv", report))))
    assert [row["part"] for row in rows] == [line["part"] for line in lines] == [WHOLE, "a", "b"]
    wanted = {"protocol": "a-protocol", "joints": "3 joints & more", "boxes": "true", "weights_sha256": "abcdef" * 10}
    for row, line in zip(rows, lines, strict=True):
        assert row.items() >= wanted.items() and row["frames"] and line.items() >= wanted.items()
        assert row["mpjpe_mm"] == float(line["mpjpe_mm"]) and row["frames"] == int(line["frames"])


def test_the_table_has_a_line_for_each_whole_and_says_what_it_was_measured_on(report: Report) -> None:
    text = written("markdown", report)
    line, *parts = [line for line in text.splitlines() if line.startswith("| clean")]
    assert line.split("|")[1:-1][:4] == [" clean ", " network alone ", " 3 joints & more ", " 14 "]
    assert len(line.split("|")) - 2 == len(tables.HEAD) + 4
    assert [part.split("|")[1] for part in parts] == [" clean a ", " clean b "]
    told = ("a-protocol", "mine_1 abcdefabcdef", "data 123456123456", "a-body", "true boxes", "25 and 50", "invented")
    assert [word for word in told if word not in text] == []


def test_the_table_leaves_many_parts_to_the_json_and_a_lone_one_to_the_whole(report: Report) -> None:
    many, lone = (tuple(replace(report.scores[-1], part=str(number)) for number in range(count)) for count in (9, 1))
    assert "| clean" not in written("markdown", replace(report, scores=many))
    assert "| clean" not in written("markdown", replace(report, scores=lone))


def test_columns_are_those_that_were_measured_and_blank_where_one_was_not(report: Report) -> None:
    first, *others = report.scores
    with_pck = replace(first, errors={"pck": 87.654, "coverage": 65.36, **first.errors})
    head, _, line, other = written("markdown", replace(report, scores=(with_pck, *others))).splitlines()[2:6]
    assert "PCK %" in head and head.endswith("coverage % |") and "PVE" not in head
    assert " 87.7 " in line and " 65.4 " in line
    assert "|  |" in other


def test_the_latex_table_has_the_same_cells_and_no_bare_special_letter(report: Report) -> None:
    text = written("latex", report)
    cells = [line.split(" & ") for line in text.splitlines() if " & " in line]
    assert {len(row) for row in cells} == {len(tables.HEAD) + 4} and len(cells) == 4
    assert r"3 joints \& more" in text and r"mine\_1" in text and r"mm/frame\textasciicircum{}2" in text
    assert text.count(r"\begin") == text.count(r"\end") == 2
