"""What the app answers: to whom, and what comes of videos that are good, bad or broken off."""

import os
import threading
import time
from collections import namedtuple
from contextlib import suppress
from http.client import HTTPException

import pytest

from vibe.app.correct import Correcting
from vibe.app.jobs import JobFolder
from vibe.inference.config import EstimatorConfig


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"Authorization": ""}, "/"),
        ({"Authorization": "Bearer wrong"}, "/jobs"),
        ({"Host": "evil.example"}, "/jobs"),
        ({"Origin": "http://evil.example"}, "/jobs"),
        ({"Origin": "http://127.0.0.1:1"}, "/jobs"),
        ({"Authorization": ""}, "/jobs/0000000000000000/files/motion.npz"),
    ],
)
def test_who_may_not_ask_learns_nothing_and_changes_nothing(ask, jobs, headers, path):
    assert ask("GET", path, **headers)[0] == 403
    assert ask("POST", "/jobs", {"name": "a.mp4", "size": 1, "modified": 0}, **headers)[0] == 403
    assert jobs.jobs() == []


def test_the_page_and_all_answers_have_the_headers_that_keep_them_there(ask, server):
    for path in (f"/?token={server.token}", "/jobs", "/nothing"):
        ask("GET", path)
        names = {name.lower(): value for name, value in ask.headers.items()}
        assert names["cache-control"] == "no-store" and names["x-frame-options"] == "DENY"
        assert names["referrer-policy"] == "no-referrer" and "server" not in names
    assert b"%setup%" not in ask("GET", "/")[1] and b"mixamo" in ask("GET", "/")[1]


def test_a_video_comes_in_pieces_and_goes_on_where_it_was_broken_off(ask, jobs):
    asked = {"name": "../dance.mp4", "size": 6, "modified": 1, "height": 1.7, "overlay": False}
    status, job = ask("POST", "/jobs", asked)
    assert (status, job["name"], job["state"], job["height_m"]) == (201, "dance.mp4", "uploading", 1.7)
    place = f"/jobs/{job['job_id']}/video"
    assert ask("PUT", f"{place}?at=0", b"abc")[1]["received"] == 3
    assert ask("PUT", f"{place}?at=0", b"abc")[1]["received"] == 3, "what was sent twice is there once"
    assert ask("POST", "/jobs", asked)[1]["received"] == 3, "the page was loaded again"
    assert ask("PUT", f"{place}?at=3", b"def")[1]["state"] == "waiting"
    assert jobs.video(jobs.get(job["job_id"])).read_bytes() == b"abcdef"
    assert [job["state"] for job in ask("GET", "/jobs")[1]["jobs"]] == ["waiting"]
    assert JobFolder(jobs.root).jobs() == jobs.jobs(), "a restart finds the same"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"{", b"[" * 10_000, b'{"name": "a", "size": "1", "modified": 0}', b'{"name": "a", "size": 1}',
        b'{"name": "a", "size": 1, "modified": 0, "quality": "finest"}', b"x" * 20_000,
        b'{"name": "a", "size": 1, "modified": 0, "height": 9}', b'{"name": "a", "size": true, "modified": 0}',
    ],
)  # fmt: skip
def test_nonsense_is_answered_with_a_sentence(ask, jobs, body):
    status, answer = ask("POST", "/jobs", body)
    assert status == 400 and len(answer["error"]) > 10 and jobs.jobs() == []


@pytest.mark.parametrize("at", ["", "?at=", "?at=-1", "?at=x", f"?at={'1' * 30}", "?at=%C2%B2"])
def test_a_piece_without_a_place_is_refused(ask, jobs, at):
    job = jobs.add("a.mp4", 3, 0)
    assert "at which byte it begins" in ask("PUT", f"/jobs/{job.job_id}/video{at}", b"abc")[1]["error"]
    assert jobs.received(job) == 0


def test_a_piece_that_is_too_large_is_refused(ask, jobs, monkeypatch):
    monkeypatch.setattr("vibe.app.server.PIECE", 10)
    job = jobs.add("a.mp4", 100, 0)
    assert "at most 10 bytes" in ask("PUT", f"/jobs/{job.job_id}/video?at=0", b"0" * 11)[1]["error"]


def test_a_video_for_which_the_disk_has_no_room_is_refused(ask, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: namedtuple("Usage", "free")(5_000_000))
    asked = {"name": "long.mp4", "size": 9_000_000_000, "modified": 0}
    assert "long.mp4 has 9.0 GB, and 0.0 GB are free for it" in ask("POST", "/jobs", asked)[1]["error"]


def test_results_are_given_and_nothing_else_is(ask, jobs, done, motion):
    place = f"/jobs/{done.job_id}/files"
    assert ask("GET", f"{place}/motion.npz") == (200, motion)
    assert 'filename="dance-motion.npz"' in ask.headers["content-disposition"]
    assert ask("GET", f"{place}/motion.npz", Range="bytes=0-3") == (206, motion[:4])
    assert ask("GET", f"{place}/page.html")[1].startswith(b"<!doctype") and "content-disposition" not in ask.headers
    for name in ("job.json", "../../job.json", "..%2f..%2fjob.json", "overlay.mp4", "%00", ""):
        assert ask("GET", f"{place}/{name}")[0] == 404
    assert ask("GET", f"/jobs/{done.job_id}/video/dance.mp4")[0] in (404, 405)
    assert ask("GET", "/jobs/ffffffffffffffff/files/motion.npz")[0] == 404


def test_a_job_is_stopped_taken_up_again_and_deleted(ask, jobs, done):
    jobs.change(done.job_id, state="failed", reason="why")
    assert ask("POST", f"/jobs/{done.job_id}/stop")[0] == 200
    assert ask("POST", f"/jobs/{done.job_id}/again")[0] == 200
    assert (jobs.get(done.job_id).state, jobs.get(done.job_id).reason) == ("waiting", "")
    assert ask("DELETE", f"/jobs/{done.job_id}")[0] == 200
    assert ask("DELETE", f"/jobs/{done.job_id}")[0] == 404 and not list(jobs.root.iterdir())


def test_a_download_is_made_and_fetched_and_what_can_not_be_made_says_why(ask, done, jobs, motion):
    place = f"/jobs/{done.job_id}/downloads"
    status, made = ask("POST", place, {"to": "glb", "rig": "mixamo"})
    assert (status, made["name"]) == (200, "glb-mixamo.glb")
    assert ask("GET", f"{place}/glb-mixamo.glb")[1][:4] == b"glTF"
    assert 'filename="dance-mixamo.glb"' in ask.headers["content-disposition"]
    assert ask("GET", "/jobs")[1]["jobs"][0]["downloads"] == ["glb-mixamo.glb"]
    os.utime(jobs.folder(done.job_id) / "downloads" / "glb-mixamo.glb", (1, 1))
    (jobs.result(done) / "motion_edited.npz").write_bytes(motion)
    assert ask("GET", "/jobs")[1]["jobs"][0]["downloads"] == [], "it was put right since"
    status, answer = ask("POST", place, {"to": "../x", "rig": None})
    assert status == 400 and answer["error"].startswith("no format is called ../x")


@pytest.mark.parametrize("what", ["correct", "downloads"])
def test_the_end_does_not_wait_for_what_is_being_opened_or_made(server, ask, done, endless_work, what):
    def wait():
        with suppress(OSError, HTTPException):
            ask("POST", f"/jobs/{done.job_id}/{what}", {"to": "glb", "rig": None})

    threading.Thread(target=wait, daemon=True).start()
    assert endless_work.wait(10)
    server.close()
    until = time.monotonic() + 10
    while any(each.name.startswith(("asyncio", "vibe-app-edit")) for each in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_port_that_is_taken_is_said_to_be(server, jobs, idle):
    with pytest.raises(OSError, match=f"port {server.port} is taken: give another one with --port"):
        type(server)(jobs, idle, Correcting(jobs, EstimatorConfig()), server.port)
