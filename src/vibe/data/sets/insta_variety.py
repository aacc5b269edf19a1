"""InstaVariety: videos of people with OpenPose's keypoints, as the shards that go with Learning 3D Human Dynamics.

The shards are TFRecord files. Their pictures stay in them and are decoded when they are asked for: the image `BYTE#N`
of a recording is the N-th picture of the record that begins at that byte of the shard.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from vibe.body.mesh import jit
from vibe.cameras import CROP_SCALE
from vibe.data.pictures import decode_picture
from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets.annotations import SPLITS, check_numbers, find_files, read_each, to_spin49

TABLE = np.arange(256, dtype=np.uint32)
"""What each byte makes of a CRC."""
for _ in range(8):
    TABLE = TABLE >> 1 ^ (TABLE & 1) * np.uint32(0x82F63B78)


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


def read_records(path: Path, place: int = 0) -> Iterator[tuple[int, bytes | None]]:
    """Place and content of the records from a place on, None if the checksum is wrong; raises OSError, ValueError."""
    with path.open("rb") as file:
        size = path.stat().st_size
        while place < size:
            file.seek(place)
            head = file.read(HEAD)
            length, checksum = struct.unpack("<QI", head) if len(head) == HEAD else (size, 0)
            if len(head) == HEAD and masked_crc(head[:8]) != checksum:
                raise ValueError(f"{path} is no TFRecord, or damaged: the checksum at byte {place} is wrong")
            if length > size - place - HEAD - TAIL:
                raise ValueError(f"{path} is cut off: it ends inside of the record at byte {place}, copy it again")
            content = file.read(length)
            yield place, content if masked_crc(content) == struct.unpack("<I", file.read(TAIL))[0] else None
            place += HEAD + length + TAIL


def read_record(path: Path, place: int) -> bytes:
    """The record at that place of the file; raises OSError or ValueError."""
    _, content = next(read_records(path, place), (place, None))
    if content is None:
        raise ValueError(f"{path} is damaged: the checksum of its record at byte {place} is wrong, copy it again")
    return content


def read_example(content: bytes, names: Collection[str]) -> dict[str, list[bytes] | ndarray]:
    """An example's features of these names, lists of bytes or arrays of float32 or int64; raises ValueError."""
    found: dict[str, list[bytes] | ndarray] = {}
    for features in _parts(memoryview(content), 1):
        for entry in _parts(features, 1):
            name = b"".join(_parts(entry, 1)).decode("utf-8", "replace")
            if name in names:
                found[name] = _values(memoryview(b"".join(_parts(entry, 2))))
    return found


def masked_crc(content: bytes) -> int:
    """CRC-32C of the content, masked as these files do it."""
    crc = int(crc32c(np.frombuffer(content, np.uint8)))
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _values(feature: memoryview) -> list[bytes] | ndarray:
    for kind, value in _fields(feature):
        if kind == BYTES:
            return [bytes(part) for part in _parts(value, 1)]
        content = memoryview(b"".join(_parts(value, 1)))
        if kind == FLOATS:
            return np.frombuffer(content, "<f4")
        if kind == INTEGERS:
            return np.array(list(_integers(content)), np.int64)
    return []


def _integers(packed: memoryview) -> Iterator[int]:
    """Numbers of 64 bits with a sign."""
    at = 0
    while at < len(packed):
        number, at = _varint(packed, at)
        yield number - (1 << 64) if number >> 63 else number


def _parts(message: memoryview, wanted: int) -> Iterator[memoryview]:
    return (value for number, value in _fields(message) if number == wanted)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Numbers and contents of a message's fields; one number, or many that were packed, are the same bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        size = {EIGHT_BYTES: 8, FOUR_BYTES: 4}.get(tag & 7, len(message))
        if tag & 7 == VARINT:
            size = _varint(message, at)[1] - at
        elif tag & 7 == SIZED:
            size, at = _varint(message, at)
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


LAYOUT = "train/*.tfrecord, and test/*.tfrecord if there are any"
FPS = 25.0
"""Assumed: the set does not tell."""
PICTURES = "image/encoded"
COUNT, VISIBLE, SCALED = "meta/N", "image/visibilities", "image/phis"
POINTS = {"image/xys": (2, 14), "image/face_pts": (3, 5), "image/toe_pts": (3, 6)}
"""Rows (x, y, and confidence but for the first) and joints of each group, which together are `insta25`."""


def _shards(raw: Path) -> list[File]:
    paths = find_files(raw, *(f"{split}/*.tfrecord" for split in SPLITS))
    return [(f"{path.parent.name}/{path.stem}", path) for path in paths]


def read_insta_variety(_: Path, name: str, path: Path) -> Iterator[Recording]:
    """The people of one shard, each in a video of their own; raises ValueError, at the end where it can."""
    records = enumerate(read_records(path))
    yield from read_each(partial(_person, path, number, place, content) for number, (place, content) in records)


def pictures(
    path: Path, frames: Sequence[int], images: Sequence[str]
) -> Iterator[tuple[int, UInt8[ndarray, "height width 3"]]]:
    """The wanted pictures of a shard with their places in `images`; see `vibe.data.recording.Pictures`."""
    record, encoded, found, reason = -1, [], False, "it holds no JPEG image there"
    for place, (byte, number) in enumerate(image.split("#") for image in images):
        if record != int(byte):
            record = int(byte)
            try:
                encoded = _pictures(read_example(read_record(path, record), {PICTURES}))
            except ValueError as error:
                encoded, reason = [], str(error)
        rgb = decode_picture(encoded[int(number)]) if int(number) < len(encoded) else None
        if rgb is not None:
            found = True
            yield place, rgb
    if images and not found:
        raise ValueError(f"{path} gives none of {len(images)} pictures: {reason}")


def _person(path: Path, number: int, place: int, content: bytes | None) -> Recording:
    name = f"{path.parent.name}/{path.stem}/{number}"
    if content is None:
        raise ValueError(f"{name} is damaged: the checksum of its record at byte {place} is wrong")
    try:
        found = read_example(content, {PICTURES, COUNT, VISIBLE, SCALED, *POINTS})
    except ValueError as error:
        raise ValueError(f"{name} at byte {place} is {error}") from error
    if missing := sorted({PICTURES, COUNT, VISIBLE, "image/xys", "image/face_pts"} - found.keys()):
        raise ValueError(f"{name} has no {', '.join(missing)}: it is no record of InstaVariety")
    encoded = _pictures(found)
    first = decode_picture(encoded[0]) if encoded else None
    count = int(check_numbers(found[COUNT], (1,), f"{name}: {COUNT}")[0])
    if first is None or len(encoded) != count or count < 1:
        raise ValueError(f"{name} has {len(encoded)} images for {count} frames, or what is no JPEG: it is left out")
    height, width = first.shape[:2]
    points = _points(found, count, name)
    if len(found.get(SCALED, ())):
        points[..., :2] = (points[..., :2] + 1) / 2 * (width, height)
    box_px = np.array([width / 2, height / 2, width / CROP_SCALE, height / CROP_SCALE])
    known = np.where(points[..., 2:] > 0, points, 0)
    columns = {"box_px": np.tile(box_px, (count, 1)), "keypoints_px.spin49": to_spin49(known, "insta25")}
    return Recording(
        name, np.arange(count), FPS, columns, split=SPLITS[path.parent.name],
        source=f"{path.parent.name}/{path.name}", images=tuple(f"{place}#{frame}" for frame in range(count)),
    )  # fmt: skip


def _points(found: dict[str, list[bytes] | ndarray], count: int, name: str) -> Float[ndarray, "{count} 25 3"]:
    """The joints as `insta25`: x, y, confidence."""
    groups = []
    for feature, (rows, joints) in POINTS.items():
        values = found.get(feature, ())
        if feature == "image/toe_pts" and len(values) == 0:
            values = np.zeros(count * rows * joints)
        groups.append(
            check_numbers(values, (count * rows * joints,), f"{name}: {feature}").reshape(count, rows, joints)
        )
    visible = check_numbers(found[VISIBLE], (count * 14,), f"{name}: {VISIBLE}").reshape(count, 1, 14)
    groups[0] = np.concatenate([groups[0], visible > 0], 1)
    return np.concatenate(groups, 2).transpose(0, 2, 1)


def _pictures(found: dict[str, list[bytes] | ndarray]) -> list[bytes]:
    """The files of an example's pictures; none if it has none."""
    encoded = found.get(PICTURES)
    return encoded if isinstance(encoded, list) else []


INSTA_VARIETY = RawSet(
    title="InstaVariety",
    licence="InstaVariety: for research; the videos belong to those who put them on Instagram.",
    layout=LAYOUT,
    files=_shards,
    read=read_insta_variety,
    recipe={"box": "its crop is the whole picture", "fps": FPS, "confidence": "1 if OpenPose saw it, else 0"},
    pictures=pictures,
)
