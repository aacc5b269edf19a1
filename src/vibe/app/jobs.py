"""The videos that were handed in, each in a folder of its own: what it was, what is to be done and what came of it."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from vibe.assets import write_whole

State = Literal["uploading", "waiting", "working", "done", "failed", "stopped"]
PIECE = 1 << 22
"""Bytes of a video that are sent at a time, at most."""
RESERVE = 1 << 30
"""Bytes of the disk that uploads leave free, for the results."""
MOST_JOBS = 500
LONGEST_NAME = 60
"""Characters of a video's name, of up to four bytes each; file systems take 255 bytes."""
JOB_ID = re.compile("[0-9a-f]{16}")
RECORD, PART, RESULT = "job.json", "upload.part", "result"
LARGEST_RECORD = 1 << 20
"""Bytes."""
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever their ending."""


@dataclass(frozen=True)
class Job:
    """A video that was handed in."""

    job_id: str
    name: str
    """Of its file, with what could be a path or a pattern taken out."""
    bytes: int
    """Of the whole video."""
    modified: int
    """When the file was last changed, as the browser says; tells two files of one name apart."""
    created: float
    """Seconds since 1970."""
    quality: str | None = None
    height_m: float | None = None
    overlay: bool = True
    state: State = "uploading"
    reason: str = ""
    """Why it failed."""
    people: int = 0
    frames: int = 0
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    """Names of the results."""
    place: str = ""
    """The folder of the results, below `result`."""


class JobFolder:
    """A folder with a folder for each job, and the jobs in it; every change is on the disk too."""

    def __init__(self, root: Path) -> None:
        """What was under way when the last process ended waits again, what was half deleted goes. Raises OSError."""
        self.root = root
        self._lock = threading.RLock()
        root.mkdir(parents=True, exist_ok=True)
        folders = [path for path in root.iterdir() if JOB_ID.fullmatch(path.name)]
        found = [job for path in folders if (job := _read(path / RECORD))]
        self._jobs = {job.job_id: job for job in sorted(found, key=lambda job: job.created)}
        for job in found:
            if job.state == "working" or (job.state == "uploading" and self.video(job).exists()):
                self.change(job.job_id, state="waiting")
        for path in folders:
            if not (path / RECORD).exists():
                shutil.rmtree(path, ignore_errors=True)

    def jobs(self) -> list[Job]:
        """All of them, the oldest first."""
        with self._lock:
            return list(self._jobs.values())

    def get(self, job_id: str) -> Job:
        """One of them; raises KeyError."""
        with self._lock:
            return self._jobs[job_id]

    def folder(self, job_id: str) -> Path:
        """Where all that belongs to a job is."""
        return self.root / job_id

    def video(self, job: Job) -> Path:
        """Where its video is once it is whole."""
        return self.folder(job.job_id) / "video" / job.name

    def result(self, job: Job) -> Path:
        """Where its results are."""
        return self.folder(job.job_id) / RESULT / job.place

    def received(self, job: Job) -> int:
        """Bytes of the video that are here."""
        if job.state != "uploading":
            return job.bytes
        try:
            return (self.folder(job.job_id) / PART).stat().st_size
        except FileNotFoundError:
            return 0

    def free(self) -> int:
        """Bytes that are free for further videos, without those that are promised."""
        with self._lock:
            promised = sum(job.bytes - self.received(job) for job in self._jobs.values())
        return max(0, shutil.disk_usage(self.root).free - promised - RESERVE)

    def add(self, name: str, size: int, modified: int, **options: Any) -> Job:
        """The job of a video that is to come: a new one, or the one whose upload was broken off.

        Raises ValueError where there is no room for it, OSError.
        """
        name = safe_name(name)
        with self._lock:
            for job in self._jobs.values():
                if (job.state, job.name, job.bytes, job.modified) == ("uploading", name, size, modified):
                    return job
            if size < 1:
                raise ValueError(f"{name} is empty: choose a video")
            if len(self._jobs) >= MOST_JOBS:
                raise ValueError(f"there are {MOST_JOBS} videos already: delete some")
            if size > (free := self.free()):
                told = f"{name} has {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free for it"
                raise ValueError(f"{told}: make room on the disk of {self.root}, or begin with another folder")
            job = Job(secrets.token_hex(8), name, size, modified, time.time(), **options)
            self.video(job).parent.mkdir(parents=True)
            self._write(job)
            self._jobs[job.job_id] = job
            return job

    def receive(self, job_id: str, at: int, piece: bytes) -> Job:
        """Add a piece of a video that begins at byte `at`; one that does not go on where the last one ended is ignored.

        With the last piece the job waits to be worked on. Raises KeyError, OSError, and ValueError for more than the
        whole.
        """
        with self._lock:
            job = self.get(job_id)
            here = self.received(job)
            if job.state != "uploading" or at != here:
                return job
            if here + len(piece) > job.bytes:
                raise ValueError(f"{job.name} is longer than was said: choose it again")
            part = self.folder(job_id) / PART
            try:
                with part.open("ab") as file:
                    file.write(piece)
            except OSError:
                with suppress(OSError), part.open("r+b") as file:  # the disk is full: no half of a piece stays
                    file.truncate(here)
                raise
            if here + len(piece) < job.bytes:
                return job
            part.replace(self.video(job))
            return self.change(job_id, state="waiting")

    def change(self, job_id: str, **values: Any) -> Job:
        """A job with other values; raises KeyError, and OSError where only this process will know of them."""
        with self._lock:
            job = self._jobs[job_id] = replace(self.get(job_id), **values)
            self._write(job)
            return job

    def remove(self, job_id: str) -> None:
        """Delete all that belongs to a job, as far as nobody has it open; raises KeyError, OSError."""
        with self._lock:
            (self.folder(self.get(job_id).job_id) / RECORD).unlink(missing_ok=True)
            del self._jobs[job_id]
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def _write(self, job: Job) -> None:
        write_whole(self.folder(job.job_id) / RECORD, json.dumps(asdict(job), indent=1).encode())


def _read(path: Path) -> Job | None:
    """The job of a record; None for one that is damaged or not ours."""
    with suppress(OSError, ValueError, TypeError, LookupError, RecursionError):
        if path.stat().st_size <= LARGEST_RECORD:
            content = json.loads(path.read_bytes())
            known = {each.name: content[each.name] for each in fields(Job) if each.name in content}
            job = Job(**{**known, "notes": tuple(known["notes"]), "files": tuple(known["files"])})
            inside = not any(re.search(r"[\\/\0]|^\.\.?$", name) for name in (job.place, *job.files))
            numbers = all(type(each) is int for each in (job.bytes, job.modified, job.people, job.frames))
            mine = job.job_id == path.parent.name and JOB_ID.fullmatch(job.job_id) and safe_name(job.name) == job.name
            if mine and inside and numbers and job.state in get_args(State) and isinstance(job.created, int | float):
                return job
    return None


def safe_name(name: str) -> str:
    """A file name of what a browser calls a file: no path, no pattern, nothing that a system keeps for itself."""
    name = re.sub(r"[^\w .()+-]", "_", re.split(r"[\\/]", name)[-1])
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, re.sub(r"\W", "", ending)[:8]) if dot else (ending, "")
    stem = stem[:LONGEST_NAME].strip(". ") or "video"
    if DEVICES.fullmatch(stem.split(".")[0].strip()):
        stem = f"video-{stem}"
    return f"{stem}.{ending}" if ending else stem
