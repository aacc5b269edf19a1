"""Work spread over many machines by Ray; who does what changes no result."""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar

from vibe.errors import missing_extra
from vibe.parallel.processes import Begin, Deaths, Lost, Message, Seat

T = TypeVar("T")
A = TypeVar("A")
PATIENCE = 10.0
"""Seconds."""


class _Actor:
    """A worker: begins once, then does tasks."""

    def __init__(self, begin: Begin[Any, Any], seat: int) -> None:
        self._work = begin(Seat(seat, lambda word: None))

    def node(self) -> str:
        """The machine that it lives on."""
        ray: Any = import_module("ray")
        return ray.get_runtime_context().get_node_id()

    def work(self, task: Any) -> Any:
        return self._work(task)


@dataclass
class _Worker:
    actor: Any
    seat: int
    task: int | None = None
    """None until it has begun."""
    node: str = ""


def in_ray(
    begin: Begin[T, A], tasks: Sequence[T], workers: int, address: str, gpus: float = 0,
    *, heard: Message | None = None, lost: Lost[T, A] | None = None,
) -> Iterator[tuple[int, A]]:  # fmt: skip
    """By so many actors of a Ray cluster, each with one CPU and so many GPUs; `local` starts one on this machine.

    Where an actor dies, another does its task again; that a whole machine vanishes is nobody's fault and never counted.
    Actors wait for machines that are not there yet. Every machine has to have the same vibe, and to see the files that
    the tasks name under the same paths. What actors tell is not heard. Raises ImportError without Ray, what an actor
    raised, and OSError if the cluster can't be reached, or as `in_processes` does.
    """
    ray, started = _connect(address, workers)
    hired = ray.remote(num_cpus=1, num_gpus=gpus, max_restarts=0, max_task_retries=0)(_Actor)
    waiting = deque(range(len(tasks)))
    deaths: Deaths[T, A] = Deaths(lost, "if memory is short give each machine fewer CPUs")
    crew: dict[Any, _Worker] = {}
    try:
        while waiting or any(worker.task is not None for worker in crew.values()):
            while len(crew) < workers and sum(worker.task is None for worker in crew.values()) < len(waiting):
                seat = next(seat for seat in range(workers) if all(w.seat != seat for w in crew.values()))
                actor = hired.remote(begin, seat)
                crew[actor.node.remote()] = _Worker(actor, seat)
            (ref,), _ = ray.wait(list(crew), num_returns=1)
            worker = crew.pop(ref)
            try:
                word = ray.get(ref)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayError as error:
                answer = None if _vanished(ray, worker.node, error) else _account(deaths, worker, tasks, error)
                if answer is not None:
                    yield worker.task or 0, answer[0]
                elif worker.task is not None:
                    deaths.again(waiting, worker.task)
                continue
            done = worker.task
            if done is None:
                deaths.begun()
                worker.node = word
            if waiting:
                worker.task = waiting.popleft()
                crew[worker.actor.work.remote(tasks[worker.task])] = worker
            if done is not None:
                yield done, word
    finally:
        for worker in crew.values():
            ray.kill(worker.actor)
        if started:
            ray.shutdown()


def _account(deaths: Deaths[T, A], worker: _Worker, tasks: Sequence[T], error: Exception) -> tuple[A] | None:
    """Note that an actor died; the answer that stands for its task, if there is to be no further try."""
    how = " ".join(str(error).split())
    if worker.task is None:
        deaths.early(how)
        return None
    return deaths.over(worker.task, tasks[worker.task], how)


def _vanished(ray: Any, node: str, error: Exception) -> bool:
    """Whether the actor's whole machine is gone."""
    dead = {each["NodeID"] for each in ray.nodes() if not each["Alive"]}
    return node in dead or "node has died" in str(error)


def _connect(address: str, workers: int) -> tuple[Any, bool]:
    """Ray at an address, and whether it was this call that connected to it."""
    try:
        ray: Any = import_module("ray")
    except ImportError as error:
        raise missing_extra("--ray", "ray", "ray") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if ray.is_initialized():
        return ray, False
    _knock(address)
    size = {"num_cpus": workers, "include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR", **size)
    except ConnectionError as error:
        raise OSError(f"no Ray cluster is at {address} ({error}): start one, or check the address") from error
    return ray, True


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at host:port; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host, int(port)), PATIENCE).close()
        except OSError as error:
            raise OSError(f"no Ray cluster answers at {address} ({error}): start one, or check the address") from error
