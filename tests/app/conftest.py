"""Jobs in a folder, and a server of them that works on nothing until it is told to."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from typing import Any

import performers
import pytest
import torch

from vibe.app import correct, work
from vibe.app import jobs as jobs_module
from vibe.app.correct import Correcting
from vibe.app.jobs import Job, JobFolder
from vibe.app.work import Runner
from vibe.body import load_body
from vibe.inference.config import EstimatorConfig

Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def jobs(tmp_path, monkeypatch) -> JobFolder:
    monkeypatch.setattr(jobs_module, "RESERVE", 0)
    return JobFolder(tmp_path / "jobs")


@pytest.fixture(scope="session")
def motion(tmp_path_factory) -> bytes:
    """A motion file of two people."""
    body = load_body()
    path = tmp_path_factory.mktemp("motion") / "motion.npz"
    performers.show(body, *(performers.performer(body, torch.arange(5 * n, 12), n) for n in range(2))).save(path)
    return path.read_bytes()


@pytest.fixture
def done(jobs, motion) -> Job:
    """A job that was worked on."""
    job = jobs.add("dance.mp4", 3, 0)
    jobs.receive(job.job_id, 0, b"abc")
    files = ("motion.npz", "page.html")
    job = jobs.change(job.job_id, state="done", place="dance", people=2, frames=12, files=files, notes=("a note",))
    jobs.result(job).mkdir(parents=True)
    (jobs.result(job) / "motion.npz").write_bytes(motion)
    (jobs.result(job) / "page.html").write_text("<!doctype html><title>played</title>")
    return job


class IdleRunner(Runner):
    """Leaves every job where it is."""

    def __init__(self) -> None: ...

    def wake(self) -> None: ...

    def progress(self) -> None: ...

    def stop(self, job_id: str) -> None: ...


@pytest.fixture
def idle() -> Runner:
    return IdleRunner()


@pytest.fixture
def server(jobs, idle, monkeypatch, tmp_path) -> Iterator[Any]:
    pytest.importorskip("starlette", reason="Starlette is not installed")
    pytest.importorskip("uvicorn", reason="uvicorn is not installed")
    from vibe.app import server as module

    if not module.TEMPLATE.is_file():
        template = tmp_path / "page.html"
        template.write_text('<script type="application/json" id="setup">%setup%</script>')
        monkeypatch.setattr(module, "TEMPLATE", template)
    opened = module.AppServer(jobs, idle, Correcting(jobs, EstimatorConfig()))
    thread = threading.Thread(target=opened.run)
    thread.start()
    yield opened
    opened.close()
    thread.join(30)


@pytest.fixture
def ask(server) -> Ask:
    """Status and content of an answer, as text if it is no JSON."""

    def asked(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection.request(method, path, content, {"Authorization": f"Bearer {server.token}", **headers})
        answer = connection.getresponse()
        text = answer.read()
        asked.headers = dict(answer.getheaders())
        return answer.status, json.loads(text) if "json" in (answer.getheader("Content-Type") or "") else text

    return asked


@pytest.fixture
def endless_work(monkeypatch):
    """Set once a motion is being opened or a download made, which then never comes to an end by itself."""
    begun = threading.Event()

    def run_tasks(begin, tasks, workers, on_message, on_lost):
        begun.set()
        while True:
            on_message(0, 0, None)
            time.sleep(0.01)
        yield

    for module in (correct, work):
        monkeypatch.setattr(module, "run_tasks", run_tasks)
    return begun
