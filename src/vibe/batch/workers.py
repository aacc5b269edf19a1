"""Who does the work: processes here or actors of a cluster, as many as the machine carries."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from vibe.batch.work import lost_worker
from vibe.parallel import Message, Spread, in_processes

WORKER_GB = 1.5
"""Memory that a worker may take."""


def available_cores() -> int:
    """Those that this process may use."""
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usual_workers(videos: int) -> int:
    """One a core, which computes as fast as on several, if the free memory carries them."""
    carried = available_cores()
    with suppress(OSError, ValueError, IndexError):
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next((line.split()[1] for line in lines if line.startswith("MemAvailable:")), None)
        carried = min(carried, int(int(free) / (WORKER_GB * 2**20))) if free else carried
    return max(1, min(carried, videos))


def usual_devices(wanted: str | None) -> tuple[str, ...]:
    """All graphics cards by turns, unless the user names one."""
    import torch

    if wanted not in (None, "cuda") or not torch.cuda.is_available():
        return ()
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))


def spread_over(workers: int, ray: str | None, heard: Message, gpus: float = 0) -> Spread[Any, Any]:
    """So many workers, here or on the cluster at an address; over a video that kills several the others go on."""
    if ray is None:
        return partial(in_processes, workers=workers, heard=heard, lost=lost_worker)
    from vibe.parallel.ray_cluster import in_ray

    return partial(in_ray, workers=workers, address=ray, gpus=gpus, lost=lost_worker)
