"""A video in, everyone's 3D motion out, in SMPL's format.

    import vibe

    result = vibe.estimate("dance.mp4")
    result.save("dance.npz")
    for person in result:
        print(person.joints("coco17").values.shape)  # [frames, 17, 3], metres, in the camera's frame

docs/api.md is the tour of it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vibe.body.load import load_body
    from vibe.export.export import export
    from vibe.inference.estimate import Estimator, estimate, estimate_together, load_estimator
    from vibe.motion.record import Motion, Result, load
    from vibe.render.film import render
    from vibe.viewer.page import view

__all__ = [
    "Estimator",
    "Motion",
    "Result",
    "estimate",
    "estimate_together",
    "export",
    "load",
    "load_body",
    "load_estimator",
    "render",
    "view",
]
__version__ = "0.1.0"

_HOMES = {
    "Estimator": "vibe.inference.estimate",
    "Motion": "vibe.motion.record",
    "Result": "vibe.motion.record",
    "estimate": "vibe.inference.estimate",
    "estimate_together": "vibe.inference.estimate",
    "export": "vibe.export.export",
    "load": "vibe.motion.record",
    "load_body": "vibe.body.load",
    "load_estimator": "vibe.inference.estimate",
    "render": "vibe.render.film",
    "view": "vibe.viewer.page",
}


class _Package(ModuleType):
    """The package itself, in which the name of a function stays a function where a package below has the same."""

    def __setattr__(self, name: str, value: object) -> None:
        # importing `vibe.export.formats` would bind the package to the name of the function `vibe.export`
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Brings in what is asked for, so that `import vibe` is quick."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}: it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    """The names that there are, whether or not they were asked for before."""
    return sorted([*globals(), *__all__])
