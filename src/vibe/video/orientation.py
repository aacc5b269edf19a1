"""Which way up a picture is shown: the display matrix of a video, the EXIF block of a photo and the numbers in it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import av
import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

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


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways to show a picture: rows and columns exchanged first, then mirrored."""

    transposed: bool = False
    mirrored: bool = False
    """Left and right exchanged."""
    flipped: bool = False
    """Top and bottom exchanged."""

    def apply(self, rgb: UInt8[ndarray, "height width 3"]) -> UInt8[ndarray, "shown_height shown_width 3"]:
        """The picture as it is shown."""
        picture = cv2.transpose(rgb) if self.transposed else rgb
        if self.mirrored or self.flipped:
            picture = cv2.flip(picture, -1 if self.mirrored and self.flipped else int(self.mirrored))
        return np.asarray(picture, np.uint8)


EXIF = {
    1: Orientation(),
    2: Orientation(mirrored=True),
    3: Orientation(mirrored=True, flipped=True),
    4: Orientation(flipped=True),
    5: Orientation(transposed=True),
    6: Orientation(transposed=True, mirrored=True),
    7: Orientation(transposed=True, mirrored=True, flipped=True),
    8: Orientation(transposed=True, flipped=True),
}
"""By the value of EXIF's tag 0x0112."""
TURNED = {0: EXIF[1], 90: EXIF[8], 180: EXIF[3], 270: EXIF[6]}
"""By the angle counter-clockwise in degrees."""
ORIENTATION_TAG = 0x0112


def frame_orientation(frame: av.VideoFrame) -> Orientation:
    """How a player shows a frame, by the display matrix that comes with it.

    The stored point (p, q) is shown at (a p + c q, b p + d q), where (a b u / c d v / x y w) is the matrix; it is taken
    for the nearest of the eight orientations. `frame.rotation` is an angle, which knows no mirroring.
    """
    try:
        sides = frame.side_data
    except ValueError:  # PyAV names no kind of side data that is newer than itself, and then gives none at all
        return TURNED[round(frame.rotation / 90) * 90 % 360]
    if "DISPLAYMATRIX" not in sides:
        return Orientation()
    a, b, _, c, d = (int(number) for number in np.frombuffer(bytes(sides["DISPLAYMATRIX"]), np.int32)[:5])
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    across, down = (c, b) if transposed else (a, d)
    return Orientation(transposed, across < 0, down < 0)


def exif_orientation(content: bytes) -> Orientation:
    """How a photo is shown, by the EXIF block of its file; as it is stored if it has none that can be read."""
    return EXIF.get(exif_numbers(content).get(ORIENTATION_TAG, 1), EXIF[1])
