"""One video after the other is worked on, each in a process that can be stopped; downloads are made in one as well."""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibe.app.jobs import RESULT, Job, JobFolder
from vibe.batch.manifest import MOTION, OVERLAY, PAGE, SUMMARY
from vibe.batch.plan import VideoJob, make_plan
from vibe.batch.report import Outcome
from vibe.batch.sources import VideoSource
from vibe.batch.storage import OutputStorage
from vibe.batch.work import EstimateOptions, begin_worker, lost_worker
from vibe.errors import explain
from vibe.export.formats import FORMATS
from vibe.parallel import Worker, run_tasks

if TYPE_CHECKING:
    from vibe.inference.config import EstimatorConfig

STAGES = {"people": 45, "features": 0, "motion": 9, "writing": 1, "overlay": 42, "page": 1, "video": 2}
"""What is told of the work, in order, and about how much of its time each takes."""
PULSE = 0.5
"""Seconds between two signs of life, at each of which the work can be stopped."""
DOWNLOADS = "downloads"
EDITS, EDITED = "edits.json", "motion_edited.npz"
"""What was put right by hand, and the motion with it, as `vibe edit` names them."""


class Stopped(Exception):
    """The work in hand was stopped."""


class Runner:
    """A thread that works on the jobs that wait, the oldest first."""

    def __init__(self, jobs: JobFolder, config: EstimatorConfig) -> None:
        """`config` holds for all jobs, but for what each was given itself."""
        self._jobs, self._config = jobs, config
        self._news = threading.Condition()
        self._current, self._stopping, self._closing, self._costs = "", False, False, STAGES
        self._stage, self._share, self._since = "", 0.0, (0.0, 0.0)
        self._thread = threading.Thread(target=self._run, name="vibe-app-jobs", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """See whether there is something to do."""
        with self._news:
            self._news.notify_all()

    def progress(self) -> dict[str, Any] | None:
        """The job in hand, its stage, the share of the work that is done and the seconds that are left, if known."""
        with self._news:
            if not self._current:
                return None
            began, from_share = self._since
            done, spent = self._share - from_share, time.monotonic() - began
            left = round(spent * (1 - self._share) / done) if done > 0.02 and spent > 2 else None
            return {"job_id": self._current, "stage": self._stage, "share": self._share, "seconds_left": left}

    def stop(self, job_id: str) -> None:
        """Leave a job that waits or is in hand; returns once nothing of it runs any more. Raises KeyError, OSError."""
        with self._news:
            if self._current == job_id:
                self._stopping = True
                self._news.wait_for(lambda: self._current != job_id)
            elif self._jobs.get(job_id).state == "waiting":
                self._jobs.change(job_id, state="stopped")

    def close(self) -> None:
        """End all work; what was in hand waits for the next time."""
        with self._news:
            self._closing = self._stopping = True
            self._news.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._news:
                job = None
                while not self._closing and (job := self._next()) is None:
                    self._news.wait()
                if self._closing or job is None:
                    return
                self._current, self._stopping = job.job_id, False
                self._costs = STAGES if job.overlay else {**STAGES, "overlay": 0}
                self._stage, self._share, self._since = "", 0.0, (time.monotonic(), 0.0)
            values = self._worked(job)
            with self._news:
                with suppress(OSError, KeyError):
                    self._jobs.change(job.job_id, **values)
                self._current = ""
                self._news.notify_all()

    def _next(self) -> Job | None:
        return next((job for job in self._jobs.jobs() if job.state == "waiting"), None)

    def _worked(self, job: Job) -> dict[str, Any]:
        """What there is to say of a job once it has been worked on."""
        try:
            self._jobs.change(job.job_id, state="working", reason="")
            outcome = estimate_job(job, self._jobs, self._config, self._told)
        except Stopped:
            return {"state": "waiting" if self._closing else "stopped"}
        except Exception as error:
            return {"state": "failed", "reason": explain(error)}
        if outcome.state == "failed" or not outcome.files:
            return {"state": "failed", "reason": outcome.reason.replace(str(self._jobs.video(job)), job.name)}
        notes = (*_doubts(Path(outcome.results) / SUMMARY), *outcome.notes, *outcome.licences)
        notes = tuple(note.replace(str(self._jobs.video(job)), job.name) for note in notes)
        found = {"people": len(outcome.rows), "frames": outcome.frames, "files": outcome.files, "notes": notes}
        return {"state": "done", "place": Path(outcome.results).name, **found}

    def _told(self, worker_id: int, number: int, message: Any) -> None:
        if self._stopping:
            raise Stopped
        if message is None or message[0] not in STAGES:
            return
        stage, done, total = message
        with self._news:
            part = min(1.0, done / total) if total else 0.0
            before = sum(list(self._costs.values())[: list(STAGES).index(stage)])
            self._share = max(self._share, (before + self._costs[stage] * part) / sum(self._costs.values()))
            if not self._stage:  # what was cached is passed over at once
                self._since = time.monotonic(), self._share
            self._stage = stage


def _doubts(summary: Path) -> list[str]:
    """The stretches of a result that are not to be trusted, as sentences."""
    doubtful = json.loads(summary.read_bytes()).get("doubtful", []) if summary.is_file() else []
    told = "not to be trusted: person {person}, {start_s:.1f} to {end_s:.1f} s ({cause})"
    return [told.format(**stretch) for stretch in doubtful]


def job_config(job: Job, config: EstimatorConfig) -> EstimatorConfig:
    """The options of a job: those of all, but for what it was given itself."""
    return replace(config, quality=job.quality or config.quality, height_m=job.height_m or config.height_m)


def estimate_job(job: Job, jobs: JobFolder, config: EstimatorConfig, told: Callable[[int, int, Any], None]) -> Outcome:
    """What came of a job's video, as `vibe estimate --page --keep-stages` would do it, in a process of its own.

    `told` gets what `vibe.parallel.run_tasks` passes on, None among it; what it raises ends the process.
    """
    config = job_config(job, config).resolved()
    store = OutputStorage(str(jobs.folder(job.job_id) / RESULT))
    files = (MOTION, *((OVERLAY,) if job.overlay else ()), PAGE)
    source = VideoSource(str(jobs.video(job)))
    plan = make_plan([source], store, lambda content: config.keys(content)["result"], files)
    order = EstimateOptions(config, store, keep_stages=True, done=plan.done)
    tasks = run_tasks(partial(_begin, order), plan.jobs, 1, on_message=told, on_lost=lost_worker)
    (outcome,) = plan.complete([answer for _, answer in tasks])
    return outcome


def _begin(order: EstimateOptions, worker: Worker) -> Callable[[VideoJob], Outcome]:
    pulse(worker)
    return begin_worker(order, worker)


def pulse(worker: Worker) -> None:
    """Give signs of life from now on, also in work that tells nothing."""

    def beat() -> None:
        with suppress(OSError):  # nobody listens any more
            while True:
                time.sleep(PULSE)
                worker.send(None)

    threading.Thread(target=beat, daemon=True).start()


@dataclass(frozen=True)
class Download:
    """A motion that is to be written in another program's format."""

    motion: Path
    folder: Path
    """For the file."""
    to: str
    rig: str | None


def make_download(
    job: Job, jobs: JobFolder, to: str, rig: str | None, ending: threading.Event
) -> tuple[str, tuple[str, ...]]:
    """Write a job's motion in a format, by a process of its own; the name of the file and what to know about it.

    It is the one that was put right by hand, if there is one. Several files become a .zip. Raises KeyError for a job
    without results, what `vibe.export` raises, and `Stopped` once the program is `ending`.
    """
    if MOTION not in job.files:
        raise KeyError(job.job_id)
    edited = jobs.result(job) / EDITED
    task = Download(
        edited if edited.is_file() else jobs.result(job) / MOTION, jobs.folder(job.job_id) / DOWNLOADS, to, rig
    )

    def told(worker_id: int, number: int, message: Any) -> None:
        if ending.is_set():
            raise Stopped

    ((_, answer),) = run_tasks(_begin_download, [task], 1, on_message=told, on_lost=_lost_download)
    if isinstance(answer, str):
        raise OSError(answer)
    return answer


def _lost_download(task: Download, how: str) -> str:
    return f"the processes that wrote {task.to} died (the last {how}): the memory may be too small for it"


def _begin_download(worker: Worker) -> Callable[[Download], tuple[str, tuple[str, ...]]]:
    pulse(worker)
    return _write_download


def _write_download(task: Download) -> tuple[str, tuple[str, ...]]:
    from vibe.export.export import export
    from vibe.motion import load

    name = FORMATS[task.to].file if task.to in FORMATS else "motion"
    task.folder.mkdir(exist_ok=True)
    for left in (each for each in task.folder.iterdir() if each.is_dir()):  # of one that was ended
        shutil.rmtree(left, ignore_errors=True)
    label = f"{task.to}-{task.rig}" if task.rig else task.to
    with tempfile.TemporaryDirectory(dir=task.folder) as scratch:
        place = Path(scratch) / name
        done = export(load(task.motion), place, task.to, folder=Path(scratch) / "people", rig=task.rig)
        if len(done.files) == 1 and done.files[0].is_file():
            made, label = done.files[0], f"{label}{done.files[0].suffix}"
        else:
            made, label = Path(scratch) / "all.zip", f"{label}.zip"
            with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                for top in done.files:
                    for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                        archive.write(path, path.relative_to(top.parent))
        made.replace(task.folder / label)
    return label, done.notes
