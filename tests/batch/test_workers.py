"""How many workers a machine or a container carries."""

import os
from pathlib import Path

import pytest

from vibe.batch import workers

GB = 2**30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """64 cores and 100 GB."""
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(workers, "PROC", tmp_path / "proc")
    monkeypatch.setattr(workers, "CGROUPS", tmp_path / "cgroup")
    write(tmp_path / "proc" / "meminfo", f"MemTotal: 1 kB\nMemAvailable: {100 * 2**20} kB\n")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_without_a_container_there_is_a_worker_a_core_if_memory_allows(machine: Path) -> None:
    assert workers.available_cores() == 64
    assert workers.usual_workers(1000) == 64 and workers.usual_workers(3) == 3
    write(machine / "proc" / "meminfo", f"MemAvailable: {10 * 2**20} kB\n")
    assert workers.usual_workers(1000) == 6
    (machine / "proc" / "meminfo").unlink()
    assert workers.usual_workers(1000) == 64


def test_the_limits_of_a_container_hold_in_version_2_also_those_of_groups_above(machine: Path) -> None:
    write(machine / "proc" / "self" / "cgroup", "0::/app/run\n")
    inner, outer = machine / "cgroup" / "app" / "run", machine / "cgroup" / "app"
    write(inner / "cpu.max", "max 100000\n")
    write(outer / "cpu.max", "250000 100000\n")
    assert workers.available_cores() == 3
    write(inner / "memory.max", f"{8 * GB}\n")
    write(inner / "memory.current", f"{6 * GB}\n")
    write(inner / "memory.stat", f"anon 1\ninactive_file {4 * GB}\n")
    assert workers.free_memory() == 6 * GB
    assert workers.usual_workers(1000) == 3
    write(outer / "memory.max", f"{2 * GB}\n")
    write(outer / "memory.current", f"{GB}\n")
    assert workers.usual_workers(1000) == 1


def test_the_limits_of_a_container_hold_in_version_1_where_only_the_root_is_visible(machine: Path) -> None:
    write(machine / "proc" / "self" / "cgroup", "5:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n")
    write(machine / "cgroup" / "cpu,cpuacct" / "cpu.cfs_quota_us", "150000\n")
    write(machine / "cgroup" / "cpu,cpuacct" / "cpu.cfs_period_us", "100000\n")
    write(machine / "cgroup" / "memory" / "memory.limit_in_bytes", f"{4 * GB}\n")
    write(machine / "cgroup" / "memory" / "memory.usage_in_bytes", f"{GB}\n")
    assert workers.available_cores() == 2
    assert workers.free_memory() == 3 * GB


@pytest.mark.parametrize("quota", ["-1", "0", "nonsense", ""])
def test_what_is_no_limit_is_none(quota: str, machine: Path) -> None:
    write(machine / "proc" / "self" / "cgroup", "1:cpu:/\n0::/\nnonsense\n")
    write(machine / "cgroup" / "cpu" / "cpu.cfs_quota_us", quota)
    write(machine / "cgroup" / "cpu" / "cpu.cfs_period_us", "100000")
    write(machine / "cgroup" / "cpu.max", "max 100000")
    assert workers.available_cores() == 64
