"""CRC-32C (Castagnoli's polynomial), compiled."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from vibe.results.shading import jit


def _table() -> ndarray:
    """What each byte makes of a CRC."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = table >> 1 ^ (table & 1) * np.uint32(0x82F63B78)
    return table


TABLE = _table()


@jit
def crc32c(content: UInt8[ndarray, "byte"]) -> np.uint32:
    """The checksum of some bytes."""
    crc = np.uint32(0xFFFFFFFF)
    for byte in content:
        crc = TABLE[(crc ^ byte) & np.uint32(255)] ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)
