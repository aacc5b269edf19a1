"""Videos that were handed in: whole or broken off, kept over a restart, and never outside their folder."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibe.app.jobs import JobFolder, safe_name


def test_an_upload_that_was_broken_off_goes_on_after_a_restart(jobs):
    job = jobs.add("dance.mp4", 10, 5, quality="best")
    jobs.receive(job.job_id, 0, b"01234")
    again = JobFolder(jobs.root)
    same = again.add("dance.mp4", 10, 5)
    assert (same.job_id, same.quality, again.received(same)) == (job.job_id, "best", 5)
    whole = again.receive(same.job_id, 5, b"56789")
    assert whole.state == "waiting" and again.video(whole).read_bytes() == b"0123456789"
    assert again.add("dance.mp4", 10, 5).job_id != job.job_id, "a second copy of what is whole is a new job"


def test_a_file_of_the_same_name_that_was_changed_since_is_another(jobs):
    assert jobs.add("dance.mp4", 10, 5).job_id != jobs.add("dance.mp4", 10, 6).job_id


@pytest.mark.parametrize("at", [0, 4, 6])
def test_a_piece_that_does_not_go_on_where_the_last_one_ended_changes_nothing(jobs, at):
    job = jobs.add("dance.mp4", 10, 0)
    jobs.receive(job.job_id, 0, b"01234")
    assert jobs.received(jobs.receive(job.job_id, at, b"xx")) == 5


def test_more_than_was_said_is_refused(jobs):
    job = jobs.add("dance.mp4", 3, 0)
    with pytest.raises(ValueError, match=r"dance\.mp4 is longer than was said"):
        jobs.receive(job.job_id, 0, b"0123")
    assert jobs.received(job) == 0


def test_what_was_under_way_waits_again_and_what_was_done_is_done(jobs, done):
    other = jobs.add("b.mp4", 1, 0)
    jobs.receive(other.job_id, 0, b"x")
    jobs.change(other.job_id, state="working")
    first, second = JobFolder(jobs.root).jobs()
    assert first == done and (second.name, second.state) == ("b.mp4", "waiting")


def test_what_a_disk_has_no_room_for_is_refused_with_what_was_promised_counted(jobs, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(3_000_000_000))
    jobs.add("a.mp4", 2_000_000_000, 0)
    with pytest.raises(ValueError, match=r"b\.mp4 has 2\.0 GB, and 1\.0 GB are free for it: make room"):
        jobs.add("b.mp4", 2_000_000_000, 0)
    with pytest.raises(ValueError, match="c is empty"):
        jobs.add("c", 0, 0)


def test_a_deleted_job_leaves_nothing(jobs, done):
    jobs.remove(done.job_id)
    assert list(jobs.root.iterdir()) == [] and jobs.jobs() == []
    with pytest.raises(KeyError):
        jobs.get(done.job_id)


@pytest.mark.parametrize(
    "values",
    [{"files": ["../../secret"]}, {"files": [".."]}, {"place": ".."}, {"place": "/"}, {"bytes": "3"}, {"state": "?"}],
)
def test_a_record_that_names_what_is_elsewhere_is_not_believed(jobs, done, values):
    record = jobs.folder(done.job_id) / "job.json"
    record.write_text(json.dumps({**json.loads(record.read_bytes()), **values}))
    assert JobFolder(jobs.root).jobs() == [] and record.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"job_id": 3}', "[" * 100_000, '{"job_id": "../../../../etc"}'])
def test_a_damaged_record_is_left_alone(jobs, done, text):
    other = jobs.root / ("0" * 16)
    other.mkdir()
    (other / "job.json").write_text(text)
    assert [job.name for job in JobFolder(jobs.root).jobs()] == ["dance.mp4"]
    assert (other / "job.json").exists()


def test_what_was_half_deleted_goes_and_what_is_not_ours_stays(jobs):
    (jobs.root / ("0" * 16) / "video").mkdir(parents=True)
    (jobs.root / "holidays").mkdir()
    JobFolder(jobs.root)
    assert [path.name for path in jobs.root.iterdir()] == ["holidays"]


@pytest.mark.parametrize(
    ("name", "harmless"),
    [
        ("dance.mp4", "dance.mp4"), ("../../etc/passwd", "passwd"), ("C:\\films\\a b.MOV", "a b.MOV"),
        ("clips*[1].mp4", "clips__1_.mp4"), ("", "video"), ("..", "video"), (".mp4", "video.mp4"),
        ("con.mp4", "video-con.mp4"), ("Tänzer 1.webm", "Tänzer 1.webm"), ("a.m:p4", "a.m_p4"),
    ],
)  # fmt: skip
def test_a_name_becomes_harmless(name, harmless):
    assert safe_name(name) == harmless


@settings(max_examples=50, derandomize=True)
@given(st.text(max_size=300))
def test_every_name_is_one_that_a_folder_can_have(name):
    harmless = safe_name(name)
    assert safe_name(harmless) == harmless and len(harmless.encode("utf-8", "surrogatepass")) < 256
    assert Path(harmless).name == harmless and not set(harmless) & set('/\\:*?"<>|\0\n') and harmless.strip(". ")
