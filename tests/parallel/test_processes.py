"""Tasks done by worker processes, some of which are killed."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from killed_worker import SEARCH_PATH, begin_doubling, begin_dying, begin_telling

from vibe.parallel import TRIES, run_tasks

TASKS = [0, 1, 2, 3, 4, 6, 7]


def test_each_task_is_done_once_whoever_dies(tmp_path: Path) -> None:
    deaths = TRIES - 1
    found = list(run_tasks(partial(begin_doubling, tmp_path, deaths), TASKS, 2))
    assert (
        sorted(found)
        == list(run_tasks(partial(begin_doubling, tmp_path, 0), TASKS))
        == list(enumerate([*range(0, 10, 2), 12, 14]))
    )
    assert len(list(tmp_path.iterdir())) == deaths


def test_a_task_that_kills_everybody_ends_the_work_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=f"{TRIES} workers died over 3 .*fewer workers"):
        list(run_tasks(partial(begin_doubling, tmp_path, TRIES), TASKS, 2))


def test_what_a_worker_raises_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="5 is refused"):
        list(run_tasks(partial(begin_doubling, tmp_path, 0), [1, 5], 2))


def test_workers_that_are_not_waited_for_end(tmp_path: Path) -> None:
    import multiprocessing

    answers = run_tasks(partial(begin_doubling, tmp_path, 0), TASKS, 2)
    next(answers)
    answers.close()
    for process in multiprocessing.active_children():
        process.join(60)
    assert multiprocessing.active_children() == []


def test_what_stands_for_a_task_that_kills_everybody_is_its_answer(tmp_path: Path) -> None:
    lost = lambda task, how: (task, how)  # noqa: E731
    found = dict(run_tasks(partial(begin_doubling, tmp_path, TRIES), TASKS, 2, on_lost=lost))
    assert found.pop(3) == (3, "with exit code -9")
    assert found == {0: 0, 1: 2, 2: 4, 4: 8, 5: 12, 6: 14}


def test_messages_come_with_the_number_of_worker_and_task() -> None:
    words = []
    answers = dict(run_tasks(begin_telling, ["a", "b", "c"], 2, on_message=lambda *word: words.append(word)))
    assert sorted(word[1:] for word in words) == [(0, "a"), (1, "b"), (2, "c")]
    assert answers == {number: worker_id for worker_id, number, _ in words}
    assert set(answers.values()) <= {0, 1}


def test_workers_that_die_before_they_begin_end_the_work_with_a_reason() -> None:
    with pytest.raises(OSError, match=f"{TRIES} workers died while they began .*exit code 7"):
        list(run_tasks(begin_dying, [1], 1))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_workers_die_with_the_process_that_started_them_however_it_dies(tmp_path: Path) -> None:
    program = (
        "from functools import partial; from pathlib import Path; from killed_worker import begin_sleeping\n"
        "from vibe.parallel import run_tasks\n"
        f"if __name__ == '__main__': list(run_tasks(partial(begin_sleeping, Path({str(tmp_path)!r})), [0, 1], 2))"
    )
    script = tmp_path / "main.py"
    script.write_text(program, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": SEARCH_PATH}
    with subprocess.Popen([sys.executable, str(script)], env=environment) as main:
        await_until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
        main.send_signal(signal.SIGKILL)
    pids = [int(path.stem) for path in tmp_path.glob("*.pid")]
    await_until(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" if Path("/proc/self").exists() else True


def await_until(true, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)
