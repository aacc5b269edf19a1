"""`vibe app`: it says where the page is, ends by Ctrl-C, and what stands in its way in one sentence."""

import os
import re
import signal
import subprocess
import sys
from http.client import HTTPConnection

import pytest

from vibe import assets, cli


@pytest.fixture(autouse=True)
def needed() -> None:
    pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    pytest.importorskip("starlette", reason="Starlette is not installed")
    try:
        for name in assets.MODELS:
            assets.find_model(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_ended_and_no_other_takes_its_folder(tmp_path, number, capsys):
    command = [sys.executable, "-m", "vibe", "app", str(tmp_path / "films"), "--port", "0", "--no-browser"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        told = program.stderr.readline()
        found = re.fullmatch(r"page: http://127\.0\.0\.1:(\d+)(/\?token=\S+)\n", told)
        assert found, told + program.stderr.read()
        connection = HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
        connection.request("GET", found[2])
        assert connection.getresponse().status == 200
        assert cli.main(["app", str(tmp_path / "films"), "--port", "0"]) == 1
        assert "another run is at work in" in capsys.readouterr().err
        program.send_signal(number)
        assert program.wait(60) == 0
        assert str(tmp_path / "films") in program.stderr.read()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--port", "70000"], 2, "--port is 70000: give 0 to 65535"),
        (["--weights", "nothing"], 2, "nothing"),
        (["--height", "9"], 2, "nobody is 9 m tall"),
    ],
)
def test_what_is_asked_for_wrongly_is_said(tmp_path, words, code, told, capsys):
    assert cli.main(["app", str(tmp_path), "--no-browser", *words]) == code
    assert told in capsys.readouterr().err and list(tmp_path.iterdir()) == []


def test_without_the_extra_it_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "starlette", None)
    assert cli.main(["app", str(tmp_path), "--no-browser"]) == 1
    assert 'run `pip install "vibe-motion[app]"`' in capsys.readouterr().err


def test_a_folder_that_is_a_file_is_said_to_be_one(tmp_path, capsys):
    (tmp_path / "films").write_text("")
    assert cli.main(["app", str(tmp_path / "films"), "--no-browser"]) == 1
    assert "films" in capsys.readouterr().err
