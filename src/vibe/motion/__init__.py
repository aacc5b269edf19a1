"""Finished motions: the records that `vibe.estimate` returns, what can be asked of them, and their file."""

from vibe.motion.record import Motion, Result, load
from vibe.motion.series import Series

__all__ = ["Motion", "Result", "Series", "load"]
