"""A job's motion while it is put right by hand: a process that serves the page of `vibe edit`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vibe.app.jobs import JobFolder
from vibe.app.work import Stopped, job_config, pulse
from vibe.batch.manifest import MOTION
from vibe.parallel import Worker, run_tasks

if TYPE_CHECKING:
    from vibe.inference.config import EstimatorConfig


HAND_IN = "to correct it, hand the video in again"
"""What the app's user can do about a motion that this version, as it was started, would not make."""


@dataclass(frozen=True)
class Correction:
    """A motion that is to be put right."""

    motion: Path
    video: Path
    config: EstimatorConfig


class Correcting:
    """At most one such process, for the job that was opened last."""

    def __init__(self, jobs: JobFolder, config: EstimatorConfig) -> None:
        self._jobs, self._config = jobs, config
        self._lock, self._news = threading.Lock(), threading.Condition()
        self._job_id, self._address, self._ended = "", "", True
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    def open(self, job_id: str) -> str:
        """The address of the page for a job; raises what opening raises.

        KeyError for a job without results, or where it was closed in between.
        """
        job = self._jobs.get(job_id)
        if MOTION not in job.files:
            raise KeyError(job_id)
        with self._lock:
            if self._ended or self._job_id != job_id:
                self._end()
                motion = self._jobs.result(job) / MOTION
                task = Correction(motion, self._jobs.video(job), job_config(job, self._config))
                self._job_id, self._address, self._ended, self._error = job_id, "", False, None
                self._thread = threading.Thread(target=self._serve, args=(task,), name="vibe-app-edit", daemon=True)
                self._thread.start()
            with self._news:
                self._news.wait_for(lambda: self._address or self._ended)
            if self._error:
                raise self._error
            if not self._address:
                raise KeyError(job_id)
            return self._address

    def close(self, job_id: str = "") -> None:
        """End the process, or that of one job; who waits for it to open waits no longer."""
        if job_id in ("", self._job_id):
            with self._news:
                self._ended = True
                self._news.notify_all()
        with self._lock:
            if job_id in ("", self._job_id):
                self._end()

    def _end(self) -> None:
        if self._thread:
            self._ended = True
            self._thread.join()

    def _serve(self, task: Correction) -> None:
        try:
            for _, _ in run_tasks(_begin, [task], 1, on_message=self._told, on_lost=_lost):
                self._error = OSError("the motion can't be opened: the memory may be too small for it")
        except Stopped:
            pass
        except Exception as error:
            self._error = error
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _told(self, worker_id: int, number: int, message: Any) -> None:
        if self._ended:
            raise Stopped
        if message is not None:
            with self._news:
                self._address = message
                self._news.notify_all()


def _lost(task: Correction, how: str) -> None:
    """Several processes died over it."""


def _begin(worker: Worker) -> Callable[[Correction], None]:
    return partial(_serve_editor, worker)


def _serve_editor(worker: Worker, task: Correction) -> None:
    from vibe.editing import EditServer, files_beside, open_editor, open_motion
    from vibe.motion import load

    pulse(worker)
    opened = open_motion(task.motion, load(task.motion), [task.video], task.config, anew=True, advice=HAND_IN)
    editor, _ = open_editor(opened, files_beside(task.motion))
    with EditServer(editor) as server:
        worker.send(server.address)
        server.serve_forever()
