"""Folders that only one living process works in."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from vibe.batch.lock import claim, sweep

HOLD = """
import sys, pathlib, time
from vibe.batch.lock import claim
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
