"""What breaks things breaks what it should, and nothing else."""

import random
import subprocess
import sys
import time

import pytest
from faults import kit

SLEEP = "import time; time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEP!r}]); {SLEEP}"


@pytest.fixture
def process():
    process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert kit.wait_for(lambda: kit.children(process.pid), process)
    yield process
    kit.kill_all(process)


@kit.linux_only
def test_a_child_is_killed_and_the_parent_lives(process):
    (child,) = kit.children(process.pid)
    assert kit.kill_at_random(process, random.Random(0), 0.1, "children") == child
    assert kit.wait_for(lambda: not kit.children(process.pid), process)
    assert process.poll() is None
    kit.kill_all(process)
    assert process.returncode == -9


@kit.linux_only
def test_a_process_that_has_ended_is_not_killed():
    ended = subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE, text=True)
    ended.wait()
    began = time.monotonic()
    assert kit.kill_at_random(ended, random.Random(0), 9.0) is None and time.monotonic() - began < 7


def test_leftovers_are_what_is_hidden_partial_or_empty(tmp_path):
    for name in ("a/motion.npz", "a/.x.part", ".kept/file", "b/x.part"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    assert kit.leftovers(tmp_path, (".kept",)) == ["a/.x.part", "b/x.part", "empty"]
    assert kit.files(tmp_path) == [".kept/file", "a/.x.part", "a/motion.npz", "b/x.part"]


@kit.posix_only
def test_files_end_where_they_may_not_grow(tmp_path):
    with kit.file_limit(1000), pytest.raises(OSError, match="too large"):
        (tmp_path / "file").write_bytes(bytes(2000))
    (tmp_path / "file").write_bytes(bytes(2000))


@kit.linux_only
def test_a_disk_that_was_filled_takes_what_was_left_and_no_more():
    with kit.full_disk(1 << 20) as disk:
        ballast = kit.fill(disk, 40_000)
        (disk / "small").write_bytes(bytes(30_000))
        with pytest.raises(OSError, match="No space"):
            (disk / "large").write_bytes(bytes(60_000))
        ballast.unlink()
        (disk / "large").write_bytes(bytes(60_000))


def test_damage_is_where_it_was_asked_for_and_the_same_for_the_same_seed(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(bytes(1000))
        kit.flip(tmp_path / name, random.Random(3), 5, begin=0.5)
    one = (tmp_path / "a").read_bytes()
    assert one == (tmp_path / "b").read_bytes() and not any(one[:500]) and 1 <= 1000 - one.count(0) <= 5
    kit.truncate(tmp_path / "a", 0.25)
    assert (tmp_path / "a").stat().st_size == 250
