"""TensorFlow's files of records, and the `tf.train.Example` inside, without TensorFlow."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from vibe.body.mesh import jit


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


HEAD, TAIL = 12, 4
"""Bytes before and after a record's content."""
VARINT, EIGHT_BYTES, SIZED, FOUR_BYTES = 0, 1, 2, 5
"""Protocol buffers' ways to write a value."""
BYTES, FLOATS, INTEGERS = 1, 2, 3
"""Fields of a `tf.train.Feature`."""


def read_records(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """Each record's place in the file and its content; None for a content whose checksum is wrong.

    Raises OSError, and ValueError, which names the file and the place, where it is cut off or no such file.
    """
    with path.open("rb") as file:
        size, place = path.stat().st_size, 0
        while place < size:
            content = _read(file, size, place)
            yield place, content
            place = file.tell()


def read_record(path: Path, place: int) -> bytes:
    """The record at that place of the file; raises OSError or ValueError."""
    with path.open("rb") as file:
        content = _read(file, path.stat().st_size, place)
    if content is None:
        raise ValueError(f"{path} is damaged: the checksum of its record at byte {place} is wrong, copy it again")
    return content


def read_example(content: bytes, names: Collection[str]) -> dict[str, list[bytes] | ndarray]:
    """The features of these names that an example has: lists of bytes, or arrays of float32 or int64.

    Raises ValueError for what is no example.
    """
    found: dict[str, list[bytes] | ndarray] = {}
    for features in _parts(memoryview(content), 1):
        for entry in _parts(features, 1):
            name = b"".join(_parts(entry, 1)).decode("utf-8", "replace")
            if name in names:
                found[name] = _values(b"".join(_parts(entry, 2)))
    return found


def _read(file: IO[bytes], size: int, place: int) -> bytes | None:
    """The record at a place of a file of this size; None if its checksum is wrong."""
    file.seek(place)
    head = file.read(HEAD)
    if len(head) == HEAD:
        length, checksum = struct.unpack("<QI", head)
        if masked_crc(head[:8]) != checksum:
            raise ValueError(f"{file.name} is no TFRecord, or damaged: the checksum at byte {place} is wrong")
        if length <= size - place - HEAD - TAIL:
            content = file.read(length)
            return content if masked_crc(content) == struct.unpack("<I", file.read(TAIL))[0] else None
    raise ValueError(f"{file.name} is cut off: it ends inside of the record at byte {place}, copy it again")


def masked_crc(content: bytes) -> int:
    """CRC-32C of the content, masked as these files do it."""

    crc = int(crc32c(np.frombuffer(content, np.uint8)))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _values(feature: bytes) -> list[bytes] | ndarray:
    """The one list that a feature has."""
    for kind, value in _fields(memoryview(feature)):
        if not isinstance(value, int):
            if kind == BYTES:
                return [bytes(part) for part in _parts(value, 1)]
            if kind == FLOATS:
                return np.frombuffer(b"".join(_parts(value, 1)), "<f4")
            if kind == INTEGERS:
                return np.array([number for part in _fields(value) for number in _integers(part[1])], np.int64)
    return []


def _integers(value: int | memoryview) -> list[int]:
    """One number, or many that were packed; they are of 64 bits with a sign."""
    numbers, at = [value] if isinstance(value, int) else [], 0
    while not isinstance(value, int) and at < len(value):
        number, at = _varint(value, at)
        numbers.append(number)
    return [number - (1 << 64) if number >> 63 else number for number in numbers]


def _parts(message: memoryview, wanted: int) -> Iterator[memoryview]:
    """The fields of that number which are not bare numbers."""
    return (value for number, value in _fields(message) if number == wanted and not isinstance(value, int))


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Numbers and values of a message's fields."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if tag & 7 == SIZED:
            size, at = _varint(message, at)
        else:
            size = {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(tag & 7, len(message))
        if size > len(message) - at:
            raise ValueError(f"no tf.train.Example: a field of {size} bytes in the {len(message) - at} that are left")
        yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and where it ends."""
    number = 0
    for place, byte in enumerate(message[at : at + 10]):
        number |= (byte & 127) << 7 * place
        if byte < 128:
            return number & (1 << 64) - 1, at + place + 1
    raise ValueError("no tf.train.Example: a number without an end")
