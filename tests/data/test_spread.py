"""Tasks done by worker processes, some of which are killed."""

from functools import partial
from pathlib import Path

import pytest
from killed_worker import begin_doubling

from vibe.data.spread import TRIES, here, in_processes

TASKS = [0, 1, 2, 3, 4, 6, 7]


def test_each_task_is_done_once_whoever_dies(tmp_path: Path) -> None:
    deaths = TRIES - 1
    found = list(in_processes(partial(begin_doubling, tmp_path, deaths), TASKS, 2))
    assert (
        sorted(found)
        == list(here(partial(begin_doubling, tmp_path, 0), TASKS))
        == list(enumerate([*range(0, 10, 2), 12, 14]))
    )
    assert len(list(tmp_path.iterdir())) == deaths


def test_a_task_that_kills_everybody_ends_the_work_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=f"{TRIES} workers died over 3 .*fewer workers"):
        list(in_processes(partial(begin_doubling, tmp_path, TRIES), TASKS, 2))


def test_what_a_worker_raises_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="5 is refused"):
        list(in_processes(partial(begin_doubling, tmp_path, 0), [1, 5], 2))


def test_workers_that_are_not_waited_for_end(tmp_path: Path) -> None:
    import multiprocessing

    answers = in_processes(partial(begin_doubling, tmp_path, 0), TASKS, 2)
    next(answers)
    answers.close()
    for process in multiprocessing.active_children():
        process.join(10)
    assert multiprocessing.active_children() == []
