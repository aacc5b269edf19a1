"""One motion at a time is open to be put right; another one, the end, or a fault of its own ends that."""

import threading
import time
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from vibe import editing
from vibe.app import correct
from vibe.app.correct import Correcting
from vibe.batch.storage import OutputStorage
from vibe.cache import content_key
from vibe.inference.config import EstimatorConfig
from vibe.parallel import Worker


@pytest.fixture
def correcting(jobs, monkeypatch):
    """Opens pages that are no more than an address; `alive` are the motions that are open."""
    alive = []

    def run_tasks(begin, tasks, workers, on_message, on_lost):
        (task,) = tasks
        if not task.motion.is_file():
            raise FileNotFoundError("no motion")
        alive.append(task.motion)
        try:
            on_message(0, 0, f"http://127.0.0.1:1/{len(alive)}")
            while True:
                on_message(0, 0, None)
                time.sleep(0.01)
        finally:
            alive.remove(task.motion)
        yield

    monkeypatch.setattr(correct, "run_tasks", run_tasks)
    opened = Correcting(jobs, EstimatorConfig())
    opened.alive = alive
    yield opened
    opened.close()
    assert alive == []


def test_a_motion_that_is_open_is_not_opened_again_and_another_takes_its_place(correcting, jobs, done, motion):
    first = correcting.open(done.job_id)
    assert correcting.open(done.job_id) == first and correcting.alive == [jobs.result(done) / "motion.npz"]
    other = jobs.change(jobs.add("b.mp4", 1, 0).job_id, state="done", place="b", files=("motion.npz",))
    jobs.result(other).mkdir(parents=True)
    (jobs.result(other) / "motion.npz").write_bytes(motion)
    assert correcting.open(other.job_id) and correcting.alive == [jobs.result(other) / "motion.npz"]
    correcting.close(done.job_id)
    assert len(correcting.alive) == 1, "the one that is open is not the one that was closed"
    correcting.close(other.job_id)
    assert correcting.alive == []
    assert correcting.open(done.job_id) and len(correcting.alive) == 1


def test_who_waits_for_a_motion_to_open_waits_no_longer_once_it_is_closed(jobs, done, endless_work):
    opened, found = Correcting(jobs, EstimatorConfig()), []

    def wait():
        with pytest.raises(KeyError):
            opened.open(done.job_id)
        found.append(True)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert endless_work.wait(10)
    opened.close(done.job_id)
    thread.join(10)
    assert found == [True]


def test_what_can_not_be_opened_says_why_and_can_be_tried_again(correcting, jobs, done, motion):
    (jobs.result(done) / "motion.npz").unlink()
    with pytest.raises(FileNotFoundError, match="no motion"):
        correcting.open(done.job_id)
    (jobs.result(done) / "motion.npz").write_bytes(motion)
    assert correcting.open(done.job_id)
    with pytest.raises(KeyError):
        correcting.open(jobs.add("c.mp4", 1, 0).job_id)


def test_a_motion_of_another_version_is_to_be_handed_in_again(jobs, done, monkeypatch):
    config = SimpleNamespace(keys=lambda content: {"result": "this version's"})
    monkeypatch.setattr(editing, "load_estimator", lambda _: SimpleNamespace(config=config))
    older = SimpleNamespace(content=content_key(jobs.video(done)), keys={"motion.npz": "another's"})
    monkeypatch.setattr(OutputStorage, "look", lambda *_: older)
    monkeypatch.setattr(correct, "pulse", lambda _: None)
    task = correct.Correction(jobs.result(done) / "motion.npz", jobs.video(done), EstimatorConfig())
    with pytest.raises(ValueError, match="by another version: to correct it, hand the video in again$"):
        correct._serve_editor(Mock(spec=Worker), task)


def test_a_corrected_motion_is_what_is_given_in_other_formats(jobs, done, motion, monkeypatch):
    from vibe.app import work

    seen = []
    monkeypatch.setattr(work, "run_tasks", lambda begin, tasks, *_, **__: [(0, (str(seen.append(*tasks)), ()))])
    work.make_download(done, jobs, "bvh", None, threading.Event())
    (jobs.result(done) / "motion_edited.npz").write_bytes(motion)
    work.make_download(done, jobs, "bvh", None, threading.Event())
    assert [task.motion.name for task in seen] == ["motion.npz", "motion_edited.npz"]
