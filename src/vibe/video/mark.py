"""A place in a video from which another process can read on, as if it had read from the beginning."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

REMEMBERED = 16
"""Frames before a mark that must be found again, pixel for pixel: as many as H.264 and H.265 build later ones on."""

FIRST, LAST = -(1 << 63), (1 << 63) - 1
"""Before and behind all time stamps."""


@dataclass(frozen=True)
class Mark:
    """All that was known of a video between two of its frames."""

    times: array
    """Seconds of all frames so far, as doubles."""
    stamps: tuple[int | None, ...]
    """The last frames' own time stamps, in ticks of the file."""
    checks: tuple[int, ...]
    """Their `checksum`."""
    packet: int
    """Time stamp of decoding of the packet read last; `FIRST` if it had none, `LAST` at the end of the file."""
    start: float | None
    """Second 0 on the file's own clock, in seconds."""
    damaged: int
    """Packets that could not be decoded."""
    notes: tuple[tuple[str, int], ...]
    """What was repaired, and how often."""

    @property
    def can_be_sought(self) -> bool:
        """Whether the stamps tell the last frames apart; they do not where they are missing, doubled or begin anew."""
        known = [stamp for stamp in self.stamps if stamp is not None]
        grow = all(one < other for one, other in pairwise(known))
        return self.packet > FIRST and len(known) == len(self.stamps) > 0 and grow


def checksum(rgb: UInt8[ndarray, "height width 3"]) -> int:
    """A number that another picture has by chance only: the sum of the pixels, eight bytes at a time."""
    flat = rgb.reshape(-1)
    whole = flat.size // 8 * 8
    return int(flat[:whole].view(np.uint64).sum()) ^ int(flat[whole:].sum())
