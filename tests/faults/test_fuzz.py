"""A few damaged files for every reader; `make fuzz` gives them many more, guided by coverage."""

import json
import os
import subprocess
import sys
from pathlib import Path

from faults.kit import linux_only

FUZZ = Path(__file__).with_name("fuzz.py")


@linux_only
def test_no_reader_crashes_hangs_fills_the_memory_or_runs_anything_whatever_the_file_holds(tmp_path):
    command = [sys.executable, str(FUZZ), "--jobs", "0", "--count", "400", "--seed", "7", "--out", str(tmp_path)]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "OFF"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=quiet, check=False)
    faults = tmp_path / "faults.jsonl"
    told = [json.loads(line)["fault"] for line in faults.read_text().splitlines()] if faults.exists() else []
    assert done.returncode == 0, (told, done.stdout[-3000:], done.stderr[-3000:])
