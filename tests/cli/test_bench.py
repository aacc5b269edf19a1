"""`vibe bench` from the command line."""

import json

import pytest

from vibe.bench import measure
from vibe.bench.measure import Bench, BenchRow
from vibe.cli.app import main

FOUND = Bench("a machine, 2 cores", "cpu", {"vibe": "1"}, (BenchRow("decoding", 5.25, "ms a frame", "fine"),))


@pytest.fixture
def asked(monkeypatch):
    """What the measurement was asked for; it takes no time."""
    given = []

    def bench(*arguments):
        given.append(arguments[:3])
        arguments[3]("people", 1, 2)
        return FOUND

    monkeypatch.setattr(measure, "bench", bench)
    return given


def test_the_table_names_what_was_measured_and_on_what(asked, capsys):
    assert main(["bench", "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("decoding", "5.2", "ms a frame", "a machine, 2 cores", "vibe 1"))
    assert asked == [(None, "cpu", None)]


def test_the_figures_are_written_as_json(asked, tmp_path):
    assert main(["bench", str(tmp_path / "my.mp4"), "--json", str(tmp_path / "bench.json")]) == 0
    found = json.loads((tmp_path / "bench.json").read_text())
    assert found["rows"] == [{"what": "decoding", "value": 5.25, "unit": "ms a frame", "note": "fine"}]
    assert found["device"] == "cpu"
    assert asked[0][0] == tmp_path / "my.mp4"


def test_what_is_no_video_is_one_line(tmp_path, capsys):
    assert main(["bench", str(tmp_path / "none.mp4")]) == 1
    assert "there is no file" in capsys.readouterr().err
