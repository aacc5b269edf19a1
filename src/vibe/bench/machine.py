"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

PACKAGES = ("vibe-motion", "torch", "numpy", "ai-edge-litert", "opencv-python-headless", "av")
"""On which speed depends."""


def processor() -> str:
    """Its name, as far as the system tells."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def machine() -> str:
    """Processor, cores and system."""
    return f"{processor()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def versions() -> dict[str, str]:
    """Of what speed depends on, where it is installed."""
    found = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def device(name: str | None) -> str:
    """Where the networks run."""
    import torch

    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    return f"{name} ({torch.cuda.get_device_name(name)})" if name.startswith("cuda") else name


def peak_mb() -> float | None:
    """The most memory that this process has held, MB; None where the system does not tell.

    Linux's `ru_maxrss` is that of the process which started this one, if that held more.
    """
    with suppress(OSError):
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
        for line in lines:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
