"""Arrays in numpy's files and members of zip files, with bounds that are checked before anything is unpacked."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

MAX_DIRECTORY = 1 << 22
"""Bytes of a zip file's table of contents."""
MAX_ARRAY = 1 << 27
"""Bytes of one array; SMPL's largest has 50 MB."""
NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
MAX_HEADER = 4096
SLACK, RATIO = 1 << 26, 20
"""A zip file may unpack to so many bytes, and so many times its size more."""
HEADER = re.compile(
    r"\{\s*'descr':\s*('[^']*'|\[.*\]),\s*'fortran_order':\s*(True|False),\s*'shape':\s*\(([\d, L]*)\),?\s*\}\s*", re.S
)
LARGEST = 1 << 31
"""Bytes that the arrays of one .npz file may take."""
KINDS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|[US]\d{1,6})")
"""Numbers, truth values and text."""
END = struct.Struct("<4s4H2LH")
"""The last record of a zip file that has no comment."""
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError, OverflowError, ValueError)
"""What reading a damaged zip file raises."""


class _Directory(io.BufferedReader):
    """A file whose table of contents may not be larger than these files have."""

    limit: int | None = MAX_DIRECTORY

    def read(self, size: int | None = -1, /) -> bytes:
        if self.limit is not None and size is not None and size > self.limit:
            raise zipfile.BadZipFile(f"its table of contents has {size} bytes")
        return super().read(size)


class Zip(zipfile.ZipFile):
    """A zip file whose members are each read once it is known how large they are; every fault is a ValueError."""

    def __init__(self, file: io.BytesIO | io.FileIO) -> None:
        directory = _Directory(file)  # pyright: ignore[reportArgumentType]
        try:
            super().__init__(directory)
            directory.limit = None
            self.length = directory.seek(-END.size, io.SEEK_END) + END.size
            held = [info.filename for info in self.infolist()]
            # Python does not compare what the last record counts with what it finds.
            if END.unpack(directory.read(END.size))[4] != len(held):
                raise ValueError("its table of contents is not as long as it says")
        except BROKEN as error:
            raise ValueError(f"it is a damaged zip file ({error}): copy the file again") from error
        if len(self.NameToInfo) != len(held):
            twice = next(name for name, count in Counter(held).items() if count > 1)
            raise ValueError(f"it is a zip file that holds {ascii(twice[:60])} twice")

    def check_size(self, names: Collection[str], largest: int = LARGEST) -> None:
        """Raises ValueError if members unpack to more than files of these kinds do."""
        infos = [self.getinfo(name) for name in names]
        size, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
        if size > min(largest, SLACK + RATIO * min(packed, self.length)):
            raise ValueError(f"it unpacks to {size >> 20} MB, more than any file of its kind and size")

    def content(self, name: str, most: int) -> bytes:
        """All of a member, which has at most so many bytes."""
        with self._opened(name) as member:
            content = member.read(most + 1)
            if len(content) != self.getinfo(name).file_size or len(content) > most:
                raise ValueError(f"has {len(content)} bytes and announces {self.getinfo(name).file_size}")
        return content

    def array(self, name: str) -> NDArray[Any]:
        """An array, once its header asks for as many bytes as there are: numbers, truth values or text."""
        with self._opened(f"{name}.npy") as member:
            dtype, fortran, shape, start = header(member.read(MAX_HEADER + 12))
            wanted = math.prod(shape) * np.dtype(dtype).itemsize if KINDS.fullmatch(dtype) else -1
            if wanted != self.getinfo(f"{name}.npy").file_size - start:
                raise ValueError("holds no plain numbers, or not as many as it says")
            buffer = bytearray(wanted)
            member.seek(start)
            if member.readinto(buffer) != wanted or member.read(1):  # pyright: ignore[reportAttributeAccessIssue]
                raise ValueError("is cut off")
        array = np.frombuffer(buffer, dtype).reshape(shape, order="F" if fortran else "C")
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        """A member, whose faults are ValueErrors that name it."""
        shown = ascii(name.removesuffix(".npy")[:60])[1:-1]
        try:
            if self.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("is packed in a way that these files are not")
            with self.open(name) as member:
                yield member
        except BROKEN as error:
            raise ValueError(f"{shown} {str(error)[:200]}: the file is damaged, copy it again") from error


def npy(content: bytes) -> NDArray[Any]:
    """The numbers of an .npy file; raises ValueError."""
    try:
        dtype, fortran, shape, start = header(content[: MAX_HEADER + 12])
        return array_from_bytes(memoryview(content)[start:], dtype, shape, fortran)
    except ValueError as error:
        raise ValueError(f"the array {error}") from error


def read_npz(
    path: Path, names: Collection[str] | None = None, largest: int = LARGEST, content: bytes | None = None
) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file, or those of `names` that it has: numbers, truth values and text.

    Nothing is unpickled or evaluated, and no array takes more memory than the file fills. `content` is what the file
    holds where it was read before. Raises OSError, or ValueError with the path and what is wrong.
    """
    try:
        with io.FileIO(path) if content is None else io.BytesIO(content) as file, Zip(file) as archive:
            held = archive.namelist()
            if names is None and (strange := [name for name in held if not name.endswith(".npy")]):
                raise ValueError(f"it holds {ascii(strange[0][:60])}, which is no array")
            wanted = [name for name in held if name.endswith(".npy") and (names is None or name[:-4] in names)]
            archive.check_size(wanted, largest)
            return {name[:-4]: archive.array(name[:-4]) for name in wanted}
    except ValueError as error:
        raise ValueError(
            f"{path} is no .npz file of plain arrays, or a damaged one ({str(error)[:200]}): nothing is unpickled; "
            "copy it again"
        ) from error


def header(start: bytes) -> tuple[str, bool, tuple[int, ...], int]:
    """Dtype, order, shape and length of an .npy file's header."""
    if start[:6] != b"\x93NUMPY" or len(start) < 12 or start[6] not in (1, 2, 3):
        raise ValueError("has no header of an array: copy the file again")
    first = 10 if start[6] == 1 else 12
    size = int.from_bytes(start[8:first], "little")
    found = HEADER.fullmatch(start[first : first + size].decode("latin1")) if size <= MAX_HEADER else None
    if found is None or first + size > len(start):
        raise ValueError("has a header that is not one of a plain array")
    sizes = [part.strip(" L") for part in found[3].split(",")]
    if not all(len(part) < 14 and " " not in part for part in sizes):
        raise ValueError("has an impossible shape")
    return found[1].strip("'"), found[2] == "True", tuple(int(part) for part in sizes if part), first + size


def is_shape(value: Any) -> bool:
    """Whether these are the sides of an array that may be, or its steps."""
    right = isinstance(value, (tuple, list)) and len(value) <= 8
    return right and all(isinstance(side, int) and 0 <= side < 1 << 40 for side in value)


def array_from_bytes(
    content: bytes | memoryview, dtype: str, shape: Sequence[Any], fortran: bool = False
) -> NDArray[Any]:
    """Numbers out of their bytes, as a view; raises ValueError if they are none, or not as many as they should be."""
    if not NUMBERS.fullmatch(dtype):
        raise ValueError(f"is an array of {ascii(dtype[:20])}, not of numbers")
    if not is_shape(shape):
        raise ValueError(f"has an impossible shape ({ascii(tuple(shape[:8]))[:60]})")
    wanted = math.prod(shape) * np.dtype(dtype).itemsize
    if wanted != len(content) or wanted > MAX_ARRAY:
        raise ValueError(f"has {len(content)} bytes, its shape {tuple(shape)} asks for {wanted} of {MAX_ARRAY} allowed")
    array = np.frombuffer(content, dtype)
    return array.astype(array.dtype.newbyteorder("="), copy=False).reshape(shape, order="F" if fortran else "C")
