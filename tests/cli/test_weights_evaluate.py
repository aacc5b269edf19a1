"""`vibe evaluate` on stores, from the command to its files."""

import csv
import json
import re
from pathlib import Path

import invented
import numpy as np
import pytest

from vibe import cli
from vibe.cli.weights import METAVAR, TABLE1
from vibe.data.columns import ColumnWriter
from vibe.evaluate.measure import NAMES
from vibe.evaluate.protocols import PROTOCOLS


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The set of 3DPW's form, with keypoints of nobody in particular, in a folder of sets."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    invented.write_bodies(tmp_path / "home")
    folder = invented.write_store(tmp_path / "sets" / "3dpw", PROTOCOLS["3dpw-smpl24"])
    column = ColumnWriter(folder, "keypoints_px.coco17", {})
    keypoints = np.random.default_rng(0).random((70, 17, 3), np.float32) * (100, 200, 1) + (450, 300, 0)
    column.write(np.arange(70), keypoints.astype(np.float32))
    column.finish()
    return folder


def test_the_help_names_every_protocol() -> None:
    assert set(METAVAR.strip("{}").split(",")) == {*NAMES, TABLE1}


def test_a_store_is_scored_and_told_in_every_form(store: Path, tmp_path: Path, capsys) -> None:
    files = {form: tmp_path / f"scores.{form}" for form in ("md", "csv", "tex", "json")}
    options = ["--no-refine", "--smooth", "none", "--table", files["md"], "--csv", files["csv"]]
    assert (
        run("evaluate", "3dpw-smpl24", "--data", store, *options, "--latex", files["tex"], "--json", files["json"]) == 0
    )
    said = capsys.readouterr().out
    assert said == files["md"].read_text() + "\n" and "smpl24 about pelvis" in said and "| 58 |" in said
    rows, lines = json.loads(files["json"].read_text()), list(csv.DictReader(files["csv"].open()))
    assert len(rows) == len(lines) == 3 and rows[0]["boxes"] == "true"
    assert re.search(r"58 & [0-9.]+ & ", files["tex"].read_text())


def test_the_table_of_the_paper_is_printed_with_ours(store: Path, tmp_path: Path, capsys) -> None:
    assert run("evaluate", "table1", "--data", store.parent, "--no-refine", "--csv", tmp_path / "table.csv") == 0
    said = capsys.readouterr().out
    assert "| VIBE | 51.9 |" in said and "vibe-official" in said and "No store of h36m, mpi-inf-3dhp" in said
    assert any(row["origin"] == "measured" for row in csv.DictReader((tmp_path / "table.csv").open()))


@pytest.mark.parametrize(
    "options",
    [
        ["3dpw", "--boxes", "detected"],
        ["3dpw", "--raw", "x"],
        ["3dpw", "--boxes", "true", "--raw", "x"],
        ["real", "--boxes", "detected", "--raw", "x"],
        ["open-benchmark", "--boxes", "true"],
        ["dance"],
    ],
    ids=" ".join,
)
def test_what_does_not_go_together_is_exit_code_2(options: list[str], capsys) -> None:
    assert run("evaluate", *options, "--data", "x") == 2
    assert capsys.readouterr().err.startswith("vibe: ")


def test_pictures_that_are_not_there_are_exit_code_1_and_named(store: Path, tmp_path: Path, capsys) -> None:
    assert run("evaluate", "3dpw-smpl24", "--data", store, "--boxes", "detected", "--raw", tmp_path) == 1
    assert "--raw" in capsys.readouterr().err
