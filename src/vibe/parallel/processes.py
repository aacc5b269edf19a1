"""Work spread over processes of this machine: what workers are given and give back, and who does it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar, cast

import torch

T = TypeVar("T")
A = TypeVar("A")
TRIES = 3
"""Workers that may die over one task."""


@dataclass(frozen=True)
class Seat:
    """A worker's place."""

    number: int
    """Counted from 0; no two workers of a machine that live at the same time have the same."""
    tell: Callable[[Any], None]
    """Passes word of the task in hand on to whoever waits for the answer, where somebody listens."""


Begin = Callable[[Seat], Callable[[T], A]]
"""What a worker does first (it loads the model, say); gives what is then done with each task. Can be pickled."""
Message = Callable[[int, int, Any], None]
"""Gets what a worker told: the number of its seat, that of its task, and the word."""
Lost = Callable[[T, str], A]
"""The answer that stands for a task over which several workers died, given how."""
Spread = Callable[[Begin[T, A], Sequence[T]], Iterator[tuple[int, A]]]
"""Does all tasks; gives each one's number and answer, in any order."""


@dataclass
class Deaths(Generic[T, A]):
    """Keeps account of the workers that died: over which task, or before they had begun."""

    lost: Lost[T, A] | None
    advice: str
    """What to do about it."""

    def __post_init__(self) -> None:
        self._over: dict[int, int] = {}
        self._early = 0

    def begun(self) -> None:
        """A worker has begun."""
        self._early = 0

    def early(self, how: str) -> None:
        """A worker died before it had begun; raises OSError if that happens again and again."""
        self._early += 1
        if self._early == TRIES:
            raise OSError(f"{TRIES} workers died while they began (the last {how}): {self.advice}")

    def over(self, number: int, task: T, how: str) -> tuple[A] | None:
        """A worker died over a task: the answer that stands for it, if there shall be no further try.

        Raises OSError then where nothing can stand for it.
        """
        self._over[number] = self._over.get(number, 0) + 1
        if self._over[number] < TRIES:
            return None
        if self.lost is None:
            raise OSError(
                f"{TRIES} workers died over {getattr(task, 'source', task)} (the last {how}): {self.advice}; else that "
                "file may be damaged, and has to be taken out of the raw folder"
            )
        return (self.lost(task, how),)

    def again(self, waiting: deque[int], number: int) -> None:
        """Put a task over which a worker died back: last, where something may stand for it, else first.

        Last, for what killed the worker has then had time to pass. First, for who cannot do without the answer may be
        holding all later ones back.
        """
        if self.lost is None:
            waiting.appendleft(number)
        else:
            waiting.append(number)


READY, TOLD, ANSWER, RAISED = range(4)
"""What a worker sends."""
PATIENCE = 5.0
"""Seconds that a worker has to end."""


def in_this_process(begin: Begin[T, A], tasks: Sequence[T], *, heard: Message | None = None) -> Iterator[tuple[int, A]]:
    """One task after the other, in this process."""
    number = 0

    def tell(word: Any) -> None:
        if heard:
            heard(0, number, word)

    work = begin(Seat(0, tell))
    for number, task in enumerate(tasks):
        yield number, work(task)


def in_processes(
    begin: Begin[T, A],
    tasks: Sequence[T],
    workers: int,
    *,
    heard: Message | None = None,
    lost: Lost[T, A] | None = None,
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


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch on one thread: the same sums in the same order, and the other cores left to those who need them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
