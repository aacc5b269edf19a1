"""Arrays in numpy's files and members of zip files, with bounds that are checked before anything is unpacked."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

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
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    OverflowError,
    ValueError,
    struct.error,
)


class _Directory(io.BytesIO):
    """A file whose table of contents may not be larger than these files have."""

    limit: int | None = MAX_DIRECTORY

    def read(self, size: int | None = -1, /) -> bytes:
        if self.limit is not None and size is not None and size > self.limit:
            raise zipfile.BadZipFile(f"its table of contents has {size} bytes")
        return super().read(size)


class Zip:
    """A zip file in memory; every fault is a ValueError."""

    def __init__(self, content: bytes) -> None:
        directory = _Directory(content)
        try:
            self._archive = zipfile.ZipFile(directory)
        except BROKEN as error:
            raise ValueError(f"it is a damaged zip file ({error}): copy the file again") from error
        directory.limit = None
        self._members = {info.filename: info for info in self._archive.infolist()}
        size = sum(info.file_size for info in self._archive.infolist())
        if size > SLACK + RATIO * len(content):
            raise ValueError(f"it is a zip file of {len(content)} bytes that would unpack to {size >> 20} MB")
        twice = [
            name for name, count in Counter(info.filename for info in self._archive.infolist()).items() if count > 1
        ]
        if twice:
            raise ValueError(f"it is a zip file that holds {ascii(twice[0][:60])} twice")

    def names(self) -> list[str]:
        """What the members are called."""
        return list(self._members)

    def size(self, name: str) -> int:
        """Bytes that a member announces; reading it gives as many or fails."""
        return self._members[name].file_size

    def read(self, name: str, size: int) -> bytes:
        """The first `size` bytes of a member, checked by its sum if that is all of it."""
        info = self._members[name]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"its member {ascii(name[:60])} is compressed in a way that these files are not")
        try:
            with self._archive.open(info) as member:
                content = member.read(size)
                if len(content) != min(size, info.file_size) or (size >= info.file_size and member.read(1)):
                    raise EOFError(f"{len(content)} of {info.file_size} bytes")
        except BROKEN as error:
            reason = str(error)[:200]
            raise ValueError(f"its member {ascii(name[:60])} is damaged ({reason}): copy the file again") from error
        return content


def npy(content: bytes) -> NDArray[Any]:
    """The numbers of an .npy file; raises ValueError."""
    dtype, fortran, shape, start = header(content[: MAX_HEADER + 12])
    return array_from_bytes(memoryview(content)[start:], dtype, shape, fortran)


def npz(archive: Zip) -> dict[str, Callable[[], Any]]:
    """By its name, what reads each array of an .npz file: its numbers, or its text where it is text."""
    return {name[:-4]: _reader(archive, name) for name in archive.names() if name.endswith(".npy")}


def read_npz(
    path: Path, names: Collection[str] | None = None, largest: int = LARGEST, content: bytes | None = None
) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file, or those of `names` that it has: numbers, truth values and text.

    Nothing is unpickled or evaluated, and no array takes more memory than the file fills. `content` is what the file
    holds where it was read before. Raises OSError, or ValueError with the path and what is wrong.
    """
    try:
        with zipfile.ZipFile(path if content is None else io.BytesIO(content)) as archive:
            held = archive.infolist()
            if _announced(archive) != len(held):
                raise ValueError("its table of contents is not as long as it says")
            found = {info.filename[:-4]: info for info in held if info.filename.endswith(".npy")}
            if twice := [name for name, count in Counter(info.filename for info in held).items() if count > 1]:
                raise ValueError(f"it holds {ascii(twice[0][:60])} twice")
            if names is None and len(found) < len(held):
                strange = next(info.filename for info in held if not info.filename.endswith(".npy"))
                raise ValueError(f"it holds {ascii(strange[:60])}, which is no array")
            wanted = {name: info for name, info in found.items() if names is None or name in names}
            size = sum(info.file_size for info in wanted.values())
            if size > min(largest, SLACK + RATIO * sum(info.compress_size for info in wanted.values())):
                raise ValueError(f"it unpacks to {size >> 20} MB, more than any file of its kind and size")
            return {name: _member(archive, info) for name, info in wanted.items()}
    except BROKEN as error:
        if isinstance(error, OSError) and error.filename is not None:
            raise
        raise ValueError(
            f"{path} is no .npz file of plain arrays, or a damaged one ({str(error)[:200]}): nothing is unpickled; "
            "copy it again"
        ) from error


def _announced(archive: zipfile.ZipFile) -> int:
    """Members that the last record of a file counts, which Python does not compare with what it finds."""
    assert archive.fp is not None
    archive.fp.seek(-END.size, io.SEEK_END)
    return END.unpack(archive.fp.read(END.size))[4]


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """One array of a file, once its header asks for as many bytes as there are."""
    name = ascii(info.filename[:-4][:60])[1:-1]
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed in a way that NumPy does not pack")
    with archive.open(info) as member:
        try:
            dtype, fortran, shape, start = header(member.read(MAX_HEADER + 12))
        except ValueError as error:
            raise ValueError(f"{name} {error}") from error
        wanted = math.prod(shape) * np.dtype(dtype).itemsize if KINDS.fullmatch(dtype) else -1
        if wanted != info.file_size - start:
            raise ValueError(f"{name} holds no plain numbers, or not as many as it says")
        buffer = bytearray(wanted)
        member.seek(start)
        if member.readinto(buffer) != wanted or member.read(1):  # pyright: ignore[reportAttributeAccessIssue]
            raise ValueError(f"{name} is cut off")
    array = np.frombuffer(buffer, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _reader(archive: Zip, name: str) -> Callable[[], Any]:
    def read() -> Any:
        try:
            dtype, fortran, shape, start = header(archive.read(name, MAX_HEADER + 12))
            if re.fullmatch(r"[<>|=]?[US]\d+", dtype) and shape == () and archive.size(name) < MAX_HEADER:
                content = archive.read(name, MAX_HEADER)[start:]
                return content.decode("utf-32-le" if "U" in dtype else "latin1", "replace").rstrip("\0")
            check_array(dtype, shape, archive.size(name) - start)
            return array_from_bytes(memoryview(archive.read(name, archive.size(name)))[start:], dtype, shape, fortran)
        except ValueError as error:
            raise ValueError(f"{name[:-4]} {error}") from error

    return read


def header(start: bytes) -> tuple[str, bool, tuple[int, ...], int]:
    """Dtype, order, shape and length of an .npy file's header."""
    if start[:6] != b"\x93NUMPY" or len(start) < 12 or start[6] not in (1, 2, 3):
        raise ValueError("has no header of an array: copy the file again")
    first, size = (
        (10, int.from_bytes(start[8:10], "little")) if start[6] == 1 else (12, int.from_bytes(start[8:12], "little"))
    )
    found = HEADER.fullmatch(start[first : first + size].decode("latin1")) if size <= MAX_HEADER else None
    if found is None or first + size > len(start):
        raise ValueError("has a header that is not one of a plain array")
    sizes = [part.strip(" L") for part in found[3].split(",")]
    if not all(len(part) < 14 and " " not in part for part in sizes):
        raise ValueError("has an impossible shape")
    return found[1].strip("'"), found[2] == "True", tuple(int(part) for part in sizes if part), first + size


def array_from_bytes(
    content: bytes | memoryview, dtype: str, shape: Sequence[Any], fortran: bool = False
) -> NDArray[Any]:
    """Numbers out of their bytes, as a view; raises ValueError if they are not as many as they should be."""
    check_array(dtype, shape, len(content))
    array = np.frombuffer(content, dtype)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    return array.reshape(tuple(shape), order="F" if fortran else "C")


def check_array(dtype: str, shape: Sequence[Any], size: int) -> None:
    """Raises ValueError unless these are plain numbers, of a possible shape, that take `size` bytes."""
    if not NUMBERS.fullmatch(dtype):
        raise ValueError(f"is an array of {ascii(dtype[:20])}, not of numbers")
    if len(shape) > 8 or not all(isinstance(side, int) and 0 <= side < 1 << 40 for side in shape):
        raise ValueError(f"has an impossible shape ({ascii(tuple(shape[:8]))[:60]})")
    wanted = math.prod(shape) * np.dtype(dtype).itemsize
    if wanted != size or wanted > MAX_ARRAY:
        raise ValueError(f"has {size} bytes, its shape {tuple(shape)} asks for {wanted} and {MAX_ARRAY} are allowed")
