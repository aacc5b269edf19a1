"""Work spread over many machines by Ray Data; who does what changes no result."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, TypeVar

from vibe.data.spread import Begin

T = TypeVar("T")
A = TypeVar("A")
PATIENCE = 10.0
"""Seconds."""


class _Actor:
    """A worker: begins once, then does tasks."""

    def __init__(self, begin: Begin[Any, Any]) -> None:
        self._work = begin()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        return {"number": row["number"], "answer": self._work(row["task"])}


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at host:port; Ray itself tries for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host, int(port)), PATIENCE).close()
        except OSError as error:
            raise OSError(f"no Ray cluster answers at {address} ({error}): start one, or check the address") from error


def in_ray(
    begin: Begin[T, A], tasks: Sequence[T], workers: int, address: str, gpus: float = 0
) -> Iterator[tuple[int, A]]:
    """By so many actors of a Ray cluster, each with one CPU and so many GPUs; `local` starts one on this machine.

    Where an actor dies, Ray starts another, which does its task again. Every machine has to have the same vibe, and to
    see the files that the tasks name under the same paths. Raises ImportError without Ray, OSError if the cluster can't
    be reached or can't go on.
    """
    try:
        ray: Any = import_module("ray")
        ray_data: Any = import_module("ray.data")
    except ImportError as error:
        raise ImportError("Ray is not installed: say `pip install vibe[ray]`, or leave --ray out") from error
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    started = not ray.is_initialized()
    if started:
        _knock(address)
        size = {"num_cpus": workers + 1, "include_dashboard": False} if address == "local" else {}
        try:
            ray.init(address, log_to_driver=False, logging_level="ERROR", **size)
        except ConnectionError as error:
            raise OSError(f"no Ray cluster is at {address} ({error}): start one, or check the address") from error
    context = ray_data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = [{"number": number, "task": task} for number, task in enumerate(tasks)]
    answers = ray_data.from_items(rows, override_num_blocks=len(rows)).map(
        _Actor,
        fn_constructor_args=(begin,),
        compute=ray_data.ActorPoolStrategy(size=min(workers, len(rows))),
        num_cpus=1,
        num_gpus=gpus,
    )
    try:
        for row in answers.iter_rows():
            yield row["number"], row["answer"]
    except ray.exceptions.RayError as error:
        raise OSError(f"Ray could not go on: {error}") from error
    finally:
        if started:
            ray.shutdown()
