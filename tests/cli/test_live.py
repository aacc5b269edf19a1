"""`vibe live` from the command line: what it prints, writes and refuses."""

import json
import socket

import numpy as np
import pytest

from vibe.cli.app import main
from vibe.video.write import VideoWriter


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Two seconds of grey, so that a busy machine sees some of its frames."""
    path = tmp_path_factory.mktemp("film") / "grey.mp4"
    with VideoWriter(path, 160, 120, 5) as writer:
        for index in range(10):
            writer.write(np.full((120, 160, 3), 128, np.uint8), index / 5)
    return path


def test_lines_of_json_alone_stand_on_standard_output(film, capsys, tmp_path):
    assert main(["live", str(film), "--json", "-", "-o", str(tmp_path / "kept.npz")]) == 0
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert lines[0]["type"] == "start" and {line["type"] for line in lines[1:]} == {"frame"}
    assert "in all: " in said.err and "frames a second, delay " in said.err and "left out" in said.err
    assert f"written to {tmp_path / 'kept.npz'}" in said.err and (tmp_path / "kept.npz").is_file()


def test_the_socket_says_where_it_listens_and_warns_where_others_can_listen_too(film, capsys):
    pytest.importorskip("websockets")
    assert main(["live", str(film), "--socket", "--port", "0", "--host", "0.0.0.0"]) == 0
    said = capsys.readouterr().err
    assert "socket: ws://127.0.0.1:" in said and "?token=" in said
    assert "0.0.0.0 can be reached from other machines" in said


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nothing.mp4", "--socket"], 1, "there is no file nothing.mp4"),
        (["97", "--socket"], 1, "camera"),
        (["FILM", "--delay", "99"], 2, "--delay is 99: give 0 to 30"),
        (["FILM", "--people", "0"], 2, "--people is 0"),
        (["FILM", "--size", "big"], 2, "as in 1280x720"),
        (["FILM", "--seconds", "0"], 2, "--seconds is 0"),
        (["FILM", "--osc", "nowhere"], 1, "HOST:PORT"),
        (["FILM", "--json", "-", "--fov", "400"], 1, "angle of view"),
        (["FILM", "--json", "/no/such/folder/x"], 1, "No such file or directory"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(film, capsys, arguments, code, said):
    assert main(["live", *(str(film) if each == "FILM" else each for each in arguments)]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vibe: ")]
    assert len(lines) == 1 and said in lines[0]


def test_a_port_that_is_taken_is_one_line(film, capsys):
    pytest.importorskip("websockets")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["live", str(film), "--socket", "--port", str(port)]) == 1
    assert f"vibe: port {port} is taken: give another one with --port" in capsys.readouterr().err


def test_the_browser_is_not_started_with_the_token(film, capsys, monkeypatch):
    pytest.importorskip("websockets")
    opened = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address))
    assert main(["live", str(film), "--page", "--port", "0"]) == 0
    token = capsys.readouterr().err.partition("?token=")[2].split()[0]
    assert len(opened) == 1 and opened[0].startswith("file:") and token not in opened[0]
