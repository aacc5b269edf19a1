"""The focal length that a camera wrote into its file: in boxes of a video, in the EXIF block of a photo.

Apple's phones write that of the lens, as if the film were 35 mm wide, into the metadata of the video's track, under
`com.apple.quicktime.camera.focal_length.35mm_equivalent` (a whole number, a real one, or a text such as "26.00mm").
Android's and Samsung's own boxes hold the maker and the frame rate, no focal length. A GoPro writes the angle of view
across the diagonal (ZFOV), which is a pinhole's where the picture is without distortion (VFOV is L, "Linear").
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from vibe.video.container import Box, walk_boxes
from vibe.video.orientation import FOCAL_35MM_TAG, WITHIN, exif_numbers
from vibe.video.stills import CODECS, numbered_pictures

FILM_MM = math.hypot(36, 24)
"""Diagonal of the film that focal lengths are told for: 43.27 mm."""
SENSOR = 4 / 3
"""Sides of a phone's sensor, of whose whole diagonal the focal length is told; wider videos show its whole width."""
LENGTHS_MM = (6.5, 390.0)
"""Angles of view of about 150 to 5 degrees, which are those of `--fov`; what a file tells beyond is nonsense."""
KEY = b"camera.focal_length.35mm_equivalent"
"""How the name of the number ends."""
HOLDING = {b"moov", b"trak", b"udta"}
MOST_METADATA = 64
"""Boxes of metadata in a file, and ..."""
MOST_ITEMS = 1000
"""... boxes in each, that are looked at."""
LARGEST_KEYS = 1 << 16
"""Bytes of the names in a box of metadata."""
FORMS = {
    21: "bhiq",
    22: "BHIQ",
    23: "f",
    24: "d",
    65: "b",
    66: "h",
    67: "i",
    74: "q",
    75: "B",
    76: "H",
    77: "I",
    78: "Q",
}
"""Numbers in QuickTime's metadata, as Python packs them, by their kind; whole ones of several sizes."""
TEXT = 1


def file_focal_px(path: Path, width: int, height: int) -> tuple[float, str] | None:
    """The focal length in pixels of an upright picture of this size, and a remark; None where the file tells none.

    A photo's holds for its own diagonal (EXIF's FocalLengthIn35mmFilm), a phone's video's for that of the whole sensor.
    """
    diagonal_px = math.hypot(width, height)
    if length_mm := _of_photo(path):
        return length_mm / FILM_MM * diagonal_px, ""
    if length_mm := _of_video(path):
        longer, shorter = max(width, height), min(width, height)
        sensor_px = longer * math.hypot(1, 1 / SENSOR) if longer / shorter > SENSOR else diagonal_px
        remark = (
            f"the focal length is the one in the file, {length_mm:g} mm of 35 mm film: a stabilised video shows up to "
            "a fifth less than the lens does; where it matters give --fov or --camera"
        )
        return length_mm / FILM_MM * sensor_px, remark
    if fov_deg := _of_gopro(path):
        return diagonal_px / (2 * math.tan(math.radians(fov_deg) / 2)), ""
    return None


def _of_photo(path: Path) -> float | None:
    """Of a photo, or the first one in a folder of them, in millimetres of 35 mm film."""
    with suppress(OSError):
        if path.is_dir():
            path = next(iter(numbered_pictures(path)), path)
        if path.is_file() and path.suffix.lower() in CODECS:
            with path.open("rb") as file:
                return _possible(exif_numbers(file.read(2 * WITHIN)).get(FOCAL_35MM_TAG, 0))
    return None


def _of_video(path: Path) -> float | None:
    """Of an MP4 or QuickTime file, likewise: the track's own before the file's."""
    found: dict[bool, float] = {}
    with suppress(OSError, struct.error):
        for file, box in _boxes(path, b"meta"):
            for value in _values(file, box):
                found.setdefault(box.holder == b"trak", value)
    return found.get(True, found.get(False))


def _of_gopro(path: Path) -> float | None:
    """The angle of view across the diagonal in a GoPro's box, degrees, where its picture is without distortion."""
    found: dict[bytes, bytes] = {}
    with suppress(OSError, struct.error):
        for file, box in _boxes(path, b"GPMF"):
            file.seek(box.start)
            content, at = file.read(min(box.stop - box.start, LARGEST_KEYS)), 0
            while at + 8 <= len(content):
                key, kind, size, count = struct.unpack_from(">4scBH", content, at)
                length = 0 if kind == b"\0" else size * count  # what holds others is followed by them
                found.setdefault(key, content[at + 8 : at + 8 + length])
                at += 8 + -(-length // 4) * 4
    if found.get(b"VFOV", b"")[:1] != b"L" or len(found.get(b"ZFOV", b"")) != 4:
        return None
    (fov_deg,) = struct.unpack(">f", found[b"ZFOV"])
    return fov_deg if 5 <= fov_deg <= 150 else None


def _boxes(path: Path, kind: bytes) -> Iterator[tuple[IO[bytes], Box]]:
    """The boxes of a kind in an MP4 or QuickTime file; raises OSError, struct.error."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        if file.read(8)[4:] in (b"ftyp", b"moov", b"wide", b"mdat", b"free", b"skip"):
            boxes = (box for box in walk_boxes(file, 0, path.stat().st_size, HOLDING) if box.kind == kind)
            yield from ((file, box) for _, box in zip(range(MOST_METADATA), boxes))


def _values(file: IO[bytes], box: Box) -> Iterator[float]:
    """Focal lengths in a box of metadata: names stand in one box of it, values in another, by the names' numbers."""
    file.seek(box.start)
    plain = file.read(8)[4:] == b"hdlr"  # MP4's has a version before its first box, QuickTime's has none
    parts = list(walk_boxes(file, box.start + (0 if plain else 4), box.stop, {b"ilst"}, MOST_ITEMS))
    wanted: set[bytes] = set()
    for part in parts:
        if part.kind == b"keys":
            file.seek(part.start)
            names = file.read(min(part.stop - part.start, LARGEST_KEYS))
            at, number = 8, 0
            while at + 8 <= len(names):
                (size,), number = struct.unpack_from(">I", names, at), number + 1
                if names[at + 8 : at + size].endswith(KEY):
                    wanted.add(struct.pack(">I", number))
                at += max(size, 8)
    for part in parts:
        if part.holder == b"ilst" and part.kind in wanted:
            file.seek(part.start)
            content = file.read(min(part.stop - part.start, 80))
            if content[4:8] == b"data" and (value := _possible(_number(content))):
                yield value


def _number(content: bytes) -> float:
    """The number in a `data` box, whatever its kind; 0 if it is none."""
    size, kind = struct.unpack_from(">I4xI", content)
    value = content[16:size]
    if kind == TEXT:
        found = re.match(rb"\s*(\d{1,6}(?:\.\d{1,9})?)\s*(?:mm)?\s*$", value)
        return float(found[1]) if found else 0.0
    fitting = [form for form in FORMS.get(kind, "") if struct.calcsize(">" + form) == len(value)]
    return float(struct.unpack(">" + fitting[0], value)[0]) if fitting else 0.0


def _possible(length_mm: float) -> float | None:
    """A focal length that a lens can have; 0, which stands for unknown, and nonsense are none."""
    return length_mm if LENGTHS_MM[0] <= length_mm <= LENGTHS_MM[1] else None
