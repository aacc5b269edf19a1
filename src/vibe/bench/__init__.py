"""How fast everything is on this machine."""

from vibe.bench.run import Bench, Row, bench

__all__ = ["Bench", "Row", "bench"]
