"""A video in, everyone's 3D motion out, in SMPL's format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vibe.pipeline import estimate

__all__ = ["estimate"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Brings the pipeline in when it is asked for, so that `import vibe` is quick."""
    if name == "estimate":
        from vibe.pipeline import estimate

        return estimate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
