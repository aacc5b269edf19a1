import csv
import io
from pathlib import Path

import invented
import pytest

from vibe.evaluate import tables
from vibe.evaluate.protocols import PROTOCOLS
from vibe.evaluate.scores import systems
from vibe.inference import estimate

ALONE = systems(False, "none")


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tables.ScoreTable:
    """The table of a user who has 3DPW and nothing else, and a network that knows the truth."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    invented.write_bodies(tmp_path / "home")
    folder = invented.write_store(tmp_path / "sets" / "3dpw", PROTOCOLS["vibe-official"])
    monkeypatch.setattr(estimate, "predict_track", invented.knowing(folder))
    return tables.table1(tmp_path / "sets", invented.picture_network(), ALONE)


def test_ours_stands_beside_the_paper_s_and_what_there_is_no_data_for_is_blank(table: tables.ScoreTable) -> None:
    lines = [line for line in tables.FORMATS["markdown"](table).splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]
    assert all(len(line.split("|")) == 2 + 1 + len(tables.TABLE1_COLUMNS) for line in lines)
    assert ["VIBE", "51.9", "82.9", "99.1", "23.4", "64.6", "96.6", "89.3", "41.4", "65.6"] in cells
    mine = lines[-1].split("|")[1:-1]
    assert mine[0].strip() == "knowing, network alone"
    assert [float(cell) for cell in mine[1:4]] == pytest.approx([0, 0, 0], abs=1.5)
    assert [cell.strip() for cell in mine[5:]] == [""] * 5


def test_it_says_what_ours_was_measured_on_and_what_is_missing(table: tables.ScoreTable) -> None:
    for text in (tables.FORMATS["markdown"](table), tables.FORMATS["latex"](table).replace(r"\_", "_")):
        told = ("vibe-official", "common14 about the mid-hip, 48 frames", "true boxes", "knowing abc123abc123")
        assert [word for word in (*told, "No store of h36m, mpi-inf-3dhp") if word not in text] == []


def test_each_line_of_the_csv_says_all_that_is_needed_to_read_it(table: tables.ScoreTable) -> None:
    rows = list(csv.DictReader(io.StringIO(tables.FORMATS["csv"](table))))
    mine = [row for row in rows if row["origin"] == "measured"]
    assert [(row["set"], row["metric"]) for row in mine] == [
        ("3DPW", name) for name in ("PA-MPJPE", "MPJPE", "PVE", "Accel")
    ]
    wanted = {"protocol": "vibe-official", "boxes": "true", "frames": "48", "weights_sha256": "abc123" * 10}
    assert all(row.items() >= wanted.items() and row["joints"] for row in mine)
    paper = [row for row in rows if row["origin"] == "paper"]
    known = [value for values in tables.TABLE1_PUBLISHED.values() for value in values if value is not None]
    assert [float(row["value"]) for row in paper] == known


def test_the_paper_s_rows_have_every_column() -> None:
    assert {len(values) for values in tables.TABLE1_PUBLISHED.values()} == {len(tables.TABLE1_COLUMNS)}


def test_without_any_store_it_says_what_to_make(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="3dpw or h36m or mpi-inf-3dhp.*vibe prepare"):
        tables.table1(tmp_path, invented.picture_network(), ALONE)
