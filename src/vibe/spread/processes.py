"""Work spread over processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

from vibe.spread.seats import Begin, Deaths, Heard, Lost, Seat

T = TypeVar("T")
A = TypeVar("A")
READY, TOLD, ANSWER, RAISED = range(4)
"""What a worker sends."""
PATIENCE = 5.0
"""Seconds that a worker has to end."""


def here(begin: Begin[T, A], tasks: Sequence[T], *, heard: Heard | None = None) -> Iterator[tuple[int, A]]:
    """One task after the other, in this process."""
    number = 0

    def tell(word: Any) -> None:
        if heard:
            heard(0, number, word)

    work = begin(Seat(0, tell))
    for number, task in enumerate(tasks):
        yield number, work(task)


def in_processes(
    begin: Begin[T, A], tasks: Sequence[T], workers: int, *, heard: Heard | None = None, lost: Lost[T, A] | None = None
) -> Iterator[tuple[int, A]]:
    """By so many processes; where one dies, another does its task again. They die with this process, however it dies.

    Raises what a worker raised, and OSError if several died over the same task, for which `lost` may give the answer
    instead, or as they began.
    """
    waiting = deque(range(len(tasks)))
    deaths: Deaths[T, A] = Deaths(lost, "if memory is short take fewer workers")
    crew: dict[Connection, _Worker] = {}
    try:
        while waiting or any(worker.task is not None for worker in crew.values()):
            while len(crew) < workers and sum(worker.task is None for worker in crew.values()) < len(waiting):
                worker = _hire(
                    begin, next(seat for seat in range(workers) if all(w.seat != seat for w in crew.values()))
                )
                crew[worker.pipe] = worker
            for pipe in cast(list[Connection], wait(list(crew))):
                worker = crew[pipe]
                try:
                    kind, word = pipe.recv()
                except (EOFError, OSError):
                    del crew[pipe]
                    worker.process.join()
                    how = f"with exit code {worker.process.exitcode}"
                    if worker.task is None:
                        deaths.early(how)
                    elif (answer := deaths.over(worker.task, tasks[worker.task], how)) is None:
                        deaths.again(waiting, worker.task)
                    else:
                        yield worker.task, answer[0]
                    continue
                if kind == RAISED:
                    raise word
                if kind == TOLD:
                    if heard and worker.task is not None:
                        heard(worker.seat, worker.task, word)
                    continue
                done = worker.task
                if done is None:
                    deaths.begun()
                worker.task = waiting.popleft() if waiting else None
                if worker.task is None:
                    del crew[pipe]
                    pipe.close()
                else:
                    with suppress(OSError):  # one that died already is noticed where its answer is awaited
                        pipe.send(tasks[worker.task])
                if done is not None:
                    yield done, word
    finally:
        _dismiss([worker.process for worker in crew.values()])


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    seat: int
    task: int | None = None
    """None until it has begun."""


def _hire(begin: Begin[Any, Any], seat: int) -> _Worker:
    """A process that begins."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(begin, theirs, seat), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours, seat)


def _dismiss(processes: Sequence[BaseProcess]) -> None:
    """End processes, by force if need be."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join(PATIENCE)


def _serve(begin: Begin[Any, Any], pipe: Connection, seat: int) -> None:
    """A worker's life: tasks in, answers out, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    speaking = threading.Lock()

    def say(kind: int, word: Any) -> None:
        with speaking:
            pipe.send((kind, word))

    try:
        work: Callable[[Any], Any] = begin(Seat(seat, lambda word: say(TOLD, word)))
        say(READY, None)
        while True:
            say(ANSWER, work(pipe.recv()))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        say(RAISED, error)


def _die_with_parent() -> None:
    """End this process at once when the one that started it is gone, be it killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
