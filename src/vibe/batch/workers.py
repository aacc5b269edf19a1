"""How many workers this machine, or the container that vibe runs in, carries, and where they compute."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

WORKER_GB = 1.5
"""Memory that a worker may take."""
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def available_cores() -> int:
    """Those that this process may use: by its affinity and its container's quota, at least 1."""
    cores = float(os.cpu_count() or 1)
    with suppress(AttributeError):
        cores = min(cores, len(os.sched_getaffinity(0)))
    for folder in _groups("cpu"):
        older = (folder / f"cpu.cfs_{name}_us" for name in ("quota", "period"))
        quota = _words(folder / "cpu.max") or [word for path in older for word in _words(path)]
        with suppress(ValueError, IndexError, ZeroDivisionError):
            share = int(quota[0]) / int(quota[1])  # "max" and -1 are no limit
            cores = min(cores, share) if share > 0 else cores
    return max(1, math.ceil(cores))


def free_memory() -> float:
    """Bytes that this machine and its container have left; infinite where nobody says."""
    free = math.inf
    lines = [line.split() for line in _lines(PROC / "meminfo")]
    with suppress(ValueError, IndexError, StopIteration):
        free = 1024 * float(next(line[1] for line in lines if line[0] == "MemAvailable:"))
    for folder in _groups("memory"):
        for most, now in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            with suppress(ValueError, IndexError):
                # The page cache counts as used, but makes room.
                cache = dict(line.split(" ", 1) for line in _lines(folder / "memory.stat") if " " in line)
                reclaimable = int(cache.get("total_inactive_file", cache.get("inactive_file", 0)))
                free = min(free, int(_words(folder / most)[0]) - int(_words(folder / now)[0]) + reclaimable)
    return free


def usual_workers(videos: int) -> int:
    """One a core, which computes as fast as on several, if the free memory carries them."""
    carried = min(available_cores(), videos, free_memory() / (WORKER_GB * 2**30))
    return max(1, int(carried))


def usual_devices(wanted: str | None) -> tuple[str, ...]:
    """All graphics cards by turns, unless the user names one."""
    import torch

    if wanted not in (None, "cuda") or not torch.cuda.is_available():
        return ()
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process' control group and of those above it, for versions 1 and 2 of Linux' cgroups.

    In a container the path may be the host's, of which only the root is visible.
    """
    for line in _lines(PROC / "self" / "cgroup"):
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            root = CGROUPS
        elif controller in controllers.split(","):
            root = CGROUPS / controllers if (CGROUPS / controllers).is_dir() else CGROUPS / controller
        else:
            continue
        group = root / path.lstrip("/")
        yield from (folder for folder in (group, *group.parents) if folder == root or root in folder.parents)


def _lines(path: Path) -> list[str]:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="ascii").splitlines()
    return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()
