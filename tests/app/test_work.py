"""Jobs are worked on one after the other; bad ones fail in a sentence, stopped ones stop; every format is written."""

import json
import time
import zipfile
from importlib.util import find_spec

import pytest

from vibe.app import work
from vibe.app.work import Download, Runner, _write_download
from vibe.batch.report import Outcome
from vibe.export.formats import FORMATS, RIGGED
from vibe.inference.config import EstimatorConfig

PATIENCE = 120.0
"""Seconds that anything has, on a machine that does much else."""
NEEDED = {"usd": "pxr", "c3d": "ezc3d", "fbx": "bpy"}


DOUBT = {"person": 2, "start_s": 0.5, "end_s": 1.25, "cause": "hidden"}


def until(true) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def handed_in(jobs, name: str, content: bytes = b"no video"):
    job = jobs.add(name, len(content), 0)
    return jobs.receive(job.job_id, 0, content)


@pytest.fixture
def runner(jobs):
    opened = []

    def start() -> Runner:
        opened.append(Runner(jobs, EstimatorConfig()))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_a_file_that_is_no_video_fails_in_one_sentence_without_its_path(jobs, runner):
    job = handed_in(jobs, "bad.mp4")
    runner()
    until(lambda: jobs.get(job.job_id).state == "failed")
    reason = jobs.get(job.job_id).reason
    assert reason.startswith("bad.mp4 is not a video that can be read") and str(jobs.root) not in reason


def pretended(jobs, seen, gate):
    """Work that takes until `gate` opens, and tells of it."""

    def estimate_job(job, jobs, config, told):
        seen.append(job.name)
        while not gate():
            told(0, 0, None)
            told(0, 0, ("people", 1, 2))
            time.sleep(0.01)
        place = jobs.folder(job.job_id) / "result" / "x"
        place.mkdir(parents=True)
        (place / "summary.json").write_text(json.dumps({"doubtful": [DOUBT]}))
        said = {"notes": (f"{jobs.video(job)} is short",), "licences": ("weights open: free",)}
        return Outcome(job.name, "done", "", str(place), files=("motion.npz",), **said)

    return estimate_job


def test_videos_are_worked_on_in_turn_and_one_can_be_stopped_and_taken_up_again(jobs, runner, monkeypatch):
    seen, opened = [], []
    monkeypatch.setattr(work, "estimate_job", pretended(jobs, seen, lambda: opened))
    first, second, third = (handed_in(jobs, name) for name in ("a.mp4", "b.mp4", "c.mp4"))
    working = runner()
    until(lambda: (working.progress() or {}).get("stage") == "people")
    assert jobs.get(first.job_id).state == "working" and 0.2 < working.progress()["share"] < 0.3
    working.stop(third.job_id)
    working.stop(first.job_id)
    assert [jobs.get(job.job_id).state for job in (first, third)] == ["stopped", "stopped"]
    until(lambda: seen == ["a.mp4", "b.mp4"])
    opened.append(True)
    until(lambda: jobs.get(second.job_id).state == "done")
    jobs.change(first.job_id, state="waiting")
    working.wake()
    until(lambda: jobs.get(first.job_id).state == "done")
    doubt, note, licence = jobs.get(second.job_id).notes
    assert doubt == "not to be trusted: person 2, 0.5 to 1.2 s (hidden)"
    assert (note, licence) == ("b.mp4 is short", "weights open: free")
    assert jobs.get(third.job_id).state == "stopped" and jobs.result(jobs.get(first.job_id)).name == "x"


def test_what_is_in_hand_when_the_program_ends_waits_for_the_next_time(jobs, runner, monkeypatch):
    seen = []
    monkeypatch.setattr(work, "estimate_job", pretended(jobs, seen, lambda: False))
    job = handed_in(jobs, "a.mp4")
    working = runner()
    until(lambda: seen)
    working.close()
    assert jobs.get(job.job_id).state == "waiting"


def test_a_job_that_vanishes_under_the_work_ends_nothing(jobs, runner, monkeypatch):
    seen, opened = [], []
    monkeypatch.setattr(work, "estimate_job", pretended(jobs, seen, lambda: opened))
    first, second = handed_in(jobs, "a.mp4"), handed_in(jobs, "b.mp4")
    runner()
    until(lambda: seen)
    jobs.remove(first.job_id)
    opened.append(True)
    until(lambda: jobs.get(second.job_id).state == "done")


@pytest.mark.parametrize(("to", "rig"), [(to, None) for to in FORMATS] + [(to, "ue5") for to in RIGGED if to != "fbx"])
def test_every_format_is_one_file_to_download(jobs, done, to, rig):
    if to in NEEDED and not find_spec(NEEDED[to]):
        pytest.skip(f"{NEEDED[to]} is not installed")
    task = Download(jobs.result(done) / "motion.npz", jobs.folder(done.job_id) / "downloads", to, rig)
    if to == "gait":  # the motion has no world
        with pytest.raises(ValueError, match="which a gait is read from"):
            _write_download(task)
        return
    name, notes = _write_download(task)
    made = task.folder / name
    assert [path.name for path in task.folder.iterdir()] == [name] and made.stat().st_size > 0
    if FORMATS[to].each != "clip":
        with zipfile.ZipFile(made) as archive:
            assert {path.split("/")[0].split(".")[0] for path in archive.namelist()} == {"person1", "person2"}
    assert _write_download(task)[0] == name, "made again, it takes the place of the first"
