"""Writes TensorFlow's files of records as its own writer does, one plain byte at a time, to test what reads them."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Feature = Sequence[bytes] | Sequence[float] | Sequence[int]


def crc32c(content: bytes) -> int:
    """CRC-32C, bit after bit."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(content: bytes) -> bytes:
    """The checksum as it stands in the file."""
    crc = crc32c(content)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + masked(length) + content + masked(content)


def write_records(path: Path, contents: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(record, contents)))


def varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    content = b""
    while number > 127:
        content += bytes([number & 127 | 128])
        number >>= 7
    return content + bytes([number])


def sized(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def feature(values: Feature) -> bytes:
    """A list of bytes, of floats or of integers, packed as protocol buffers of version 3 do."""
    if values and isinstance(values[0], bytes):
        return sized(1, b"".join(sized(1, value) for value in values))
    if values and isinstance(values[0], float):
        return sized(2, sized(1, struct.pack(f"<{len(values)}f", *values)))
    return sized(3, sized(1, b"".join(map(varint, values))))


def example(features: Mapping[str, Feature]) -> bytes:
    entries = [sized(1, sized(1, name.encode()) + sized(2, feature(values))) for name, values in features.items()]
    return sized(1, b"".join(entries))
