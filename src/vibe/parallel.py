"""Tasks shared among worker processes, here or on a Ray cluster, whoever does which; and spare memory given back."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar, cast

from vibe.errors import needs_extra

T = TypeVar("T")
A = TypeVar("A")
TRIES = 3
"""Workers that may die over one task."""
PATIENCE = 5.0
"""Seconds that a worker has to end, and a cluster to answer."""
READY, MESSAGE, ANSWER, RAISED = range(4)
"""What a worker process sends."""


@dataclass(frozen=True)
class Worker:
    """A worker's place among the others."""

    worker_id: int
    """From 0; no two workers of a machine that live at the same time have the same."""
    send: Callable[[Any], None]
    """Sends a message on the task in hand to `on_message`; over Ray there is none."""


Begin = Callable[[Worker], Callable[[T], A]]
"""What a worker does first, such as loading a model; returns what does a task. Can be pickled."""
OnMessage = Callable[[int, int, Any], None]
"""Gets the worker's number, the task's index and the message."""
OnLost = Callable[[T, str], A]
"""The answer for a task over which several workers died, from how the last one did."""


def run_tasks(
    begin: Begin[T, A], tasks: Sequence[T], workers: int = 0, ray: str | None = None, gpus: float = 0,
    *, on_message: OnMessage | None = None, on_lost: OnLost[T, A] | None = None,
) -> Iterator[tuple[int, A]]:  # fmt: skip
    """Do all tasks; yields the index and the answer of each, in any order.

    By so many processes, or with 0 by this one; or by actors of the Ray cluster at an address, each with `gpus` GPUs,
    where `local` starts one here. Where a worker dies another does its task again; all end with this process, however
    it dies. Every machine of a cluster has to have the same vibe, and to see the files that the tasks name under the
    same paths. Raises what a worker raised, OSError if several died over the same task, unless `on_lost` answers for
    it, or before their first one, or if the cluster can't be reached, and ImportError without Ray.
    """
    if ray is not None:
        yield from _in_ray(begin, tasks, max(1, workers), ray, gpus, on_lost)
    elif workers:
        yield from _in_processes(begin, tasks, workers, on_message, on_lost)
    else:
        at = 0
        work = begin(Worker(0, lambda message: on_message(0, at, message) if on_message else None))
        for at, task in enumerate(tasks):
            yield at, work(task)


def _lost(at: int | None, tasks: Sequence[T], how: str, on_lost: OnLost[T, A] | None) -> tuple[int, A]:
    """What stands for the answer to a task over which too many workers died; raises OSError if nothing can."""
    advice = "if memory is short take fewer workers"
    if at is None:
        raise OSError(f"{TRIES} workers died while they began (the last {how}): {advice}")
    if on_lost is None:
        raise OSError(
            f"{TRIES} workers died over {getattr(tasks[at], 'source', tasks[at])} (the last {how}): {advice}; else "
            "that file may be damaged, and has to be taken out of the raw folder"
        )
    return at, on_lost(tasks[at], how)


@dataclass
class _Process:
    process: BaseProcess
    pipe: Connection
    worker_id: int
    task: int | None = None
    """None until it has begun."""


def _in_processes(
    begin: Begin[T, A], tasks: Sequence[T], workers: int, on_message: OnMessage | None, on_lost: OnLost[T, A] | None
) -> Iterator[tuple[int, A]]:
    waiting = deque(range(len(tasks)))
    deaths: Counter[int | None] = Counter()
    alive: dict[Connection, _Process] = {}
    try:
        while waiting or any(each.task is not None for each in alive.values()):
            while len(alive) < workers and sum(each.task is None for each in alive.values()) < len(waiting):
                taken = {each.worker_id for each in alive.values()}
                started = _start(begin, next(number for number in range(workers) if number not in taken))
                alive[started.pipe] = started
            for pipe in cast(list[Connection], wait(list(alive))):
                worker = alive[pipe]
                at = worker.task
                try:
                    kind, content = pipe.recv()
                except (EOFError, OSError):
                    del alive[pipe]
                    worker.process.join()
                    deaths[at] += 1
                    if deaths[at] == TRIES:
                        yield _lost(at, tasks, f"with exit code {worker.process.exitcode}", on_lost)
                    elif at is not None:
                        # Last, when what killed the worker may have passed; but who can't do without the answer may be
                        # holding back all later ones.
                        (waiting.append if on_lost else waiting.appendleft)(at)
                    continue
                if kind == RAISED:
                    raise content
                if kind == MESSAGE:
                    if on_message and at is not None:
                        on_message(worker.worker_id, at, content)
                    continue
                deaths[None] = 0
                worker.task = waiting.popleft() if waiting else None
                if worker.task is None:
                    del alive[pipe]
                    pipe.close()
                else:
                    with suppress(OSError):  # one that died already is noticed where its answer is awaited
                        pipe.send(tasks[worker.task])
                if at is not None:
                    yield at, content
    finally:
        _end([each.process for each in alive.values()])


def _start(begin: Begin[Any, Any], worker_id: int) -> _Process:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(begin, theirs, worker_id), daemon=True)
    process.start()
    theirs.close()
    return _Process(process, ours, worker_id)


def _end(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            process.join(PATIENCE)


def _serve(begin: Begin[Any, Any], pipe: Connection, worker_id: int) -> None:
    """A worker process: tasks in, answers out, until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent, sending = multiprocessing.parent_process(), threading.Lock()

    def die_with_parent() -> None:  # at once, also where it was killed
        if parent is not None:
            parent.join()
            os._exit(1)

    def send(kind: int, content: Any) -> None:
        with sending:
            pipe.send((kind, content))

    threading.Thread(target=die_with_parent, daemon=True).start()
    try:
        work: Callable[[Any], Any] = begin(Worker(worker_id, lambda message: send(MESSAGE, message)))
        send(READY, None)
        while True:
            send(ANSWER, work(pipe.recv()))
    except (EOFError, BrokenPipeError):
        return
    except Exception as error:
        send(RAISED, error)


class _Actor:
    """A worker of a cluster, which Ray restarts where it dies; it begins with its first task, and so again then."""

    def __init__(self, begin: Begin[Any, Any], worker_id: int) -> None:
        self._begin, self._worker = begin, Worker(worker_id, lambda message: None)
        self._work: Callable[[Any], Any] | None = None

    def ready(self) -> None:
        """Answers once there is a machine for it; does nothing that could kill it, so that Ray may call for ever."""

    def work(self, task: Any) -> Any:
        if self._work is None:
            self._work = self._begin(self._worker)
        return self._work(task)


def _in_ray(
    begin: Begin[T, A], tasks: Sequence[T], workers: int, address: str, gpus: float, on_lost: OnLost[T, A] | None
) -> Iterator[tuple[int, A]]:
    """Actors for which the cluster has no machine yet wait for one."""
    ray, connected = _connect(address, workers)
    hired = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=-1, max_task_retries=0)(_Actor)
    waiting = deque(range(len(tasks)))
    deaths: Counter[int | None] = Counter()
    under_way: dict[Any, tuple[Any, int | None]] = {}

    def await_ready(actor: Any) -> None:
        under_way[actor.ready.options(max_task_retries=-1).remote()] = actor, None

    try:
        for number in range(min(workers, len(tasks))):
            await_ready(hired.remote(begin, number))
        while waiting or any(at is not None for _, at in under_way.values()):
            (ref,), _ = ray.wait(list(under_way), num_returns=1)
            actor, at = under_way.pop(ref)
            try:
                answer = ray.get(ref)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayError as error:
                await_ready(actor)
                deaths[at] += 1
                if at is None or deaths[at] == TRIES:
                    yield _lost(at, tasks, " ".join(str(error).split()), on_lost)
                else:
                    (waiting.append if on_lost else waiting.appendleft)(at)
                continue
            if waiting:
                following = waiting.popleft()
                under_way[actor.work.remote(tasks[following])] = actor, following
            else:
                ray.kill(actor)  # its machine may be what another one waits for
            if at is not None:
                yield at, answer
    finally:
        for actor, _ in under_way.values():
            ray.kill(actor)
        if connected:
            ray.shutdown()


def _connect(address: str, workers: int) -> tuple[Any, bool]:
    """Ray at an address, and whether it was this call that connected to it."""
    with needs_extra("--ray", "ray", "ray"):
        ray: Any = import_module("ray")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if ray.is_initialized():
        return ray, False
    host, _, port = address.removeprefix("ray://").rpartition(":")
    size = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        if port.isdigit():  # Ray itself tries for minutes
            socket.create_connection((host, int(port)), PATIENCE).close()
        ray.init(address, log_to_driver=False, logging_level="ERROR", **size)
    except OSError as error:
        raise OSError(f"no Ray cluster answers at {address} ({error}): start one, or check the address") from error
    return ray, True


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch and BLAS on one thread: the same sums in the same order, and the other cores left to who needs them.

    Threads of BLAS that wait for the next sum keep a core each busy, which costs more than those of a fit gain.
    """
    import torch
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, "blas"):
            yield
    finally:
        torch.set_num_threads(threads)


def give_back_memory() -> None:
    """Hand free memory back to the system, for what comes next in other sizes; glibc keeps it until it is told."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
