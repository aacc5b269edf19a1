"""Work spread over processes of this machine; who does what changes no result."""

from __future__ import annotations

import multiprocessing
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

T = TypeVar("T")
A = TypeVar("A")
Begin = Callable[[], Callable[[T], A]]
"""What a worker does first (it loads the model, say); gives what is then done with each task. Can be pickled."""
Spread = Callable[[Begin[T, A], Sequence[T]], Iterator[tuple[int, A]]]
"""Does all tasks; gives each one's number and answer, in any order."""
TRIES = 3
"""Workers that may die over one task."""


def here(begin: Begin[T, A], tasks: Sequence[T]) -> Iterator[tuple[int, A]]:
    """One task after the other, in this process."""
    work = begin()
    for number, task in enumerate(tasks):
        yield number, work(task)


def in_processes(begin: Begin[T, A], tasks: Sequence[T], workers: int) -> Iterator[tuple[int, A]]:
    """By so many processes; where one dies, another does its task again.

    Raises what a worker raised, and OSError if several died over the same task.
    """
    context = multiprocessing.get_context("spawn")
    waiting, deaths = deque(range(len(tasks))), Counter[int]()
    busy: dict[Connection, tuple[BaseProcess, int]] = {}

    def hire() -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(begin, theirs), daemon=True)
        process.start()
        theirs.close()
        give(ours, process)

    def give(pipe: Connection, process: BaseProcess) -> None:
        number = waiting.popleft()
        busy[pipe] = process, number
        with suppress(OSError):  # one that died already is noticed where its answer is awaited
            pipe.send(tasks[number])

    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                hire()
            for pipe in cast(list[Connection], wait(list(busy))):
                process, number = busy.pop(pipe)
                try:
                    answer = pipe.recv()
                except (EOFError, OSError):
                    process.join()
                    deaths[number] += 1
                    if deaths[number] == TRIES:
                        raise _died(tasks[number], process.exitcode) from None
                    waiting.appendleft(number)
                    continue
                if isinstance(answer, Exception):
                    raise answer
                if waiting:
                    give(pipe, process)
                else:
                    pipe.close()
                yield number, answer
    finally:
        for process, _ in busy.values():
            process.terminate()


def _serve(begin: Begin[T, A], pipe: Connection) -> None:
    """A worker's life: tasks in, answers out, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        work = begin()
        while True:
            pipe.send(work(pipe.recv()))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        pipe.send(error)


def _died(task: Any, code: int | None) -> OSError:
    return OSError(
        f"{TRIES} workers died over {getattr(task, 'source', task)} (the last with exit code {code}): if memory is "
        "short take fewer workers; else that file may be damaged, and has to be taken out of the raw folder"
    )
