"""Pictures as they come: at a file's own pace, over the network, and what is said when none come."""

import http.server
import re
import socket
import threading
import time
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest

from vibe.live import source
from vibe.live.source import open_source
from vibe.video.write import VideoWriter

FRAMES, FPS = 24, 8
PATIENCE = 60.0
"""Seconds that a picture may take, on a machine that does much else."""


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """3 s whose pictures grow brighter."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with VideoWriter(path, 160, 120, FPS) as writer:
        for index in range(FRAMES):
            writer.write(np.full((120, 160, 3), 10 * index, np.uint8), index / FPS)
    return path


@contextmanager
def served(folder, name: str):
    """The address of a file on a server."""
    handler = partial(type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None}),
                      directory=str(folder))  # fmt: skip
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{name}"
        server.shutdown()


def taken(opened) -> list:
    shots = []
    while (shot := opened.shots.take(PATIENCE)) is not None:
        shots.append(shot)
    return shots


def test_a_file_is_played_at_its_own_speed(film):
    with open_source(str(film)) as opened:
        assert (opened.name, opened.width, opened.height) == ("film.mp4", 160, 120)
        began = time.monotonic()
        shots = taken(opened)
        assert time.monotonic() - began > 0.9 * (FRAMES - 1) / FPS
    assert len(shots) + opened.shots.dropped == FRAMES
    assert all(shot.arrived - shots[0].arrived == pytest.approx(shot.time - shots[0].time) for shot in shots)


def test_who_is_slow_gets_the_newest_picture_and_misses_the_others(film):
    with open_source(str(film)) as opened:
        first, missed = opened.shots.take(PATIENCE), opened.shots.dropped
        end = time.monotonic() + PATIENCE
        while opened.shots.dropped < missed + 5:
            assert time.monotonic() < end
            time.sleep(0.01)
        late = opened.shots.take(PATIENCE)
    assert late.time - first.time > 5 / FPS
    assert late.rgb.mean() > first.rgb.mean() + 50


def test_leaving_early_ends_the_reader(film):
    with open_source(str(film)) as opened:
        opened.shots.take(PATIENCE)
    assert not opened._reader.is_alive()
    open_source(str(film)).close()


def test_an_address_is_read_as_it_sends_and_its_end_is_an_error_that_names_it(film):
    with served(film.parent, film.name) as address, open_source(address) as opened:
        assert (opened.width, opened.height) == (160, 120)
        with pytest.raises(OSError, match=f"{re.escape(address)} sends nothing more: it was unplugged"):
            taken(opened)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("ftp://host/x", ValueError, "ftp:// is not read: give an address of rtsp"),
        ("file:///etc/passwd", ValueError, "file:// is not read"),
        ("concat://a|b", ValueError, "concat:// is not read"),
        ("nothing.mp4", FileNotFoundError, "there is no file nothing.mp4"),
        ("http://[::1/x", ValueError, "is no address"),
    ],
)
def test_what_is_no_source_is_refused(name, kind, said):
    with pytest.raises(kind, match=said):
        open_source(name)


def test_a_camera_that_is_not_there_is_said_to_be_missing():
    with pytest.raises((FileNotFoundError, OSError, ValueError), match="camera"):
        open_source("97")


def test_nobody_at_an_address_is_one_clear_error_without_the_password():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(OSError, match=f"rtsp://127.0.0.1:{port}/s sends no video that can be read") as caught:
        open_source(f"rtsp://me:secret@127.0.0.1:{port}/s?key=hidden")
    assert "secret" not in str(caught.value) and "hidden" not in str(caught.value)


def test_an_address_that_does_not_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(source, "PATIENCE", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        with pytest.raises(OSError, match=r"no answer within 0\.5 s"):
            open_source(f"http://127.0.0.1:{silent.getsockname()[1]}/live")
        assert time.monotonic() - began < PATIENCE


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.m3u8", "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        ("list.txt", "ffconcat version 1.0\nfile /etc/passwd\n"),
        ("page.html", "<html>"),
        ("empty.mp4", ""),
    ],
)
def test_an_address_may_not_name_other_places_to_read_from(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    with served(tmp_path, name) as address, pytest.raises(OSError, match="sends no video that can be read"):
        open_source(address)
