"""Whole numbers in the EXIF block of a photo: which way up it is, and through how long a lens it was taken."""

from __future__ import annotations

import struct

WITHIN = 1 << 17
"""Bytes at the start of a file in which EXIF is looked for."""
ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
"""How a block begins, by the order of its bytes."""
DETAILS_TAG = 0x8769
"""The place of the second table, which tells of lens and exposure."""
FOCAL_35MM_TAG = 0xA405
SHORT, LONG = 3, 4
"""Kinds of whole numbers."""


def exif_numbers(content: bytes) -> dict[int, int]:
    """The whole numbers in a photo's EXIF block by their tags; none of a block that is damaged or not there."""
    at = content[:WITHIN].find(b"Exif\0\0")
    block = content[at + 6 : at + 6 + WITHIN] if at >= 0 else b""
    order = ORDERS.get(block[:4])
    found: dict[int, int] = {}
    try:
        if order:
            found = _table(block, order, struct.unpack_from(order + "I", block, 4)[0])
            found = {**_table(block, order, found.get(DETAILS_TAG, len(block))), **found}
    except struct.error:
        pass
    return found


def _table(block: bytes, order: str, place: int) -> dict[int, int]:
    """The numbers of one table, up to where the block ends."""
    found: dict[int, int] = {}
    if place + 2 > len(block):
        return found
    (count,) = struct.unpack_from(order + "H", block, place)
    for entry in range(place + 2, min(place + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, number = struct.unpack_from(order + "HHI", block, entry)
        if number == 1 and kind in (SHORT, LONG):
            (found[tag],) = struct.unpack_from(order + ("H" if kind == SHORT else "I"), block, entry + 8)
    return found
