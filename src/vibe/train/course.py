"""What a generator learns from, whatever that is made of: motion imitated on the fly, or clips of data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.model.vibe import VIBE
from vibe.records import Theta

Answer = Callable[[Any], Theta]
"""What the generator says of evidence, wherever that lies."""


@dataclass(frozen=True)
class Course:
    """The material of a run, and how the run is judged."""

    build: Callable[[], VIBE]
    """The generator with fresh parameters; its regressor begins at the mean pose of the material."""
    batch: Callable[[torch.Generator], Any]
    """Windows for one step, the same in every process: a record of tensors on the CPU that has `evidence`."""
    motion: Callable[[torch.Generator], Float[Tensor, "real time 24 3 3"]]
    """As many windows of real motion."""
    losses: Callable[[Theta, Any], dict[str, Float[Tensor, ""]]]
    """Each term, times its weight, of what the generator made of a process' share of the windows."""
    validate: Callable[[Answer], dict[str, float]]
    """Errors on what is never trained on, by name."""
    score: str
    """The error that decides which weights are the best, and that a plateau is told by."""
    data: Mapping[str, str]
    """Checksums of all that is read, by name."""
