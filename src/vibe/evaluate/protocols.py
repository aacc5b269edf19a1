"""What can be evaluated on, by name."""

from __future__ import annotations

from vibe.evaluate.open_benchmark import open_benchmark
from vibe.evaluate.real import real
from vibe.evaluate.scores import Protocol

PROTOCOLS: dict[str, Protocol] = {"open-benchmark": open_benchmark, "real": real}
