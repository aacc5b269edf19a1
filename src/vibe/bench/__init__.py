"""How fast everything is on this machine."""

from vibe.bench.run import Bench, bench

__all__ = ["Bench", "bench"]
