"""Folders that only one living process works in."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from vibe.assets.paths import only_writer
from vibe.batch.cleanup import busy, claim, sweep

HOLD = """
import sys, pathlib, time
from vibe.batch.cleanup import claim
with claim(pathlib.Path(sys.argv[1]), "x") as folder:
    (folder / "half").touch()
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_claimed_folder_is_empty_and_gone_afterwards(tmp_path: Path) -> None:
    with claim(tmp_path / "work", "x") as folder:
        assert folder is not None and list(folder.iterdir()) == []
        (folder / "half").touch()
        with claim(tmp_path / "work", "x") as second:
            assert second is None
        with claim(tmp_path / "work", "y") as other:
            assert other is not None
        sweep(tmp_path / "work")
        assert (folder / "half").exists()
    sweep(tmp_path / "work")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_what_a_killed_process_claimed_is_free_and_what_it_left_is_swept_away(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "work")], stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdout.readline() == b"held\n"
        with claim(tmp_path / "work", "x") as folder:
            assert folder is None
        sweep(tmp_path / "work")
        assert (tmp_path / "work" / "x" / "half").exists()
        os.kill(process.pid, signal.SIGKILL)
    with claim(tmp_path / "work", "x") as folder:
        assert folder is not None and list(folder.iterdir()) == []
    sweep(tmp_path / "work")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("visit", [sweep, busy])
def test_a_visit_makes_no_video_look_as_if_another_run_were_at_work_on_it(
    visit: Callable[[Path], object], tmp_path: Path
) -> None:
    work, stop = tmp_path / "work", threading.Event()
    work.mkdir()

    def sweep_on() -> None:
        while not stop.is_set():
            with suppress(FileNotFoundError):
                (work / "x.lock").touch()
            visit(work)

    with ThreadPoolExecutor(2) as pool:
        sweeps = [pool.submit(sweep_on) for _ in range(2)]
        try:
            for _ in range(300):
                with claim(work, "x") as folder:
                    assert folder is not None and folder.is_dir()
        finally:
            stop.set()
        assert [each.exception() for each in sweeps] == [None, None]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")
@pytest.mark.parametrize("answer", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_there_are_no_locks_a_second_run_leaves_the_first_one_s_work_alone(
    answer: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(answer, os.strerror(answer))

    monkeypatch.setattr("fcntl.flock", refuse)
    with claim(tmp_path / "work", "x") as folder:
        assert folder is not None
        (folder / "half").touch()
        with claim(tmp_path / "work", "x") as second:
            assert second is None
        assert busy(tmp_path / "work")
        sweep(tmp_path / "work")
        with only_writer(tmp_path / "run"), pytest.raises(OSError, match=r"if there is none, delete .*\.lock\.held"):
            with only_writer(tmp_path / "run"):
                pass
        assert (folder / "half").exists()
    sweep(tmp_path / "work")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["run"]
