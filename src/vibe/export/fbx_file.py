"""A binary FBX file that Blender wrote, whose bones at rest get the keys of a motion.

Blender itself reads, poses and writes every bone in every frame one by one, ten times as long as all else takes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

from vibe.export.armature import orthonormal
from vibe.rotations import rotmat_from_rotvec, steady_angles

MAGIC = b"Kaydara FBX Binary  \0\x1a\0"
START = len(MAGIC) + 4
"""Where the elements begin, behind the version."""
VERSIONS = range(7100, 7500)
"""Of the format, whose offsets have 4 bytes and whose seconds have `TICKS`."""
HEAD = struct.Struct("<IIIB")
"""Of an element: where it ends, how many properties it has, their bytes, those of its name."""
TICKS = 46186158000
MARK, ALIGNED, TAIL = 16, 16, 140
"""Bytes behind the elements: a mark, zeros so that what follows is aligned, and what is always the same."""
LARGEST = 0xFFFFFFFF
"""Bytes of a file."""
ORDER = "ZYX"
"""A model's rotation is Rz Ry Rx: the last is applied first."""
NUMBERS = {"C": "?", "Y": "h", "I": "i", "F": "f", "D": "d", "L": "q"}
ARRAYS = {"int32": b"i", "int64": b"l", "float32": b"f"}


@dataclass(frozen=True)
class BonePath:
    """A bone's motion in a scene whose y points up; metres."""

    R_scene_rest: Float[ndarray, "3 3"]
    R_scene_bone: Float[ndarray, "time 3 3"]
    places: Float[ndarray, "time 3"] | None = None
    """None where it stays in its parent."""


@dataclass
class Element:
    """A named part of the file: its properties as they stand there, and the parts inside."""

    name: bytes
    count: int = 0
    properties: bytes = b""
    inside: list[Element] = field(default_factory=list)
    closed: bool = False
    """Whether an empty element stands at the end of the parts inside, as it may also where there are none."""

    def __getitem__(self, name: bytes) -> Element:
        return next(self.all(name))

    def all(self, name: bytes) -> Iterator[Element]:
        """The parts of a name."""
        return (each for each in self.inside if each.name == name)

    @property
    def values(self) -> list[Any]:
        """The properties, up to the first array: numbers and bytes."""
        found, place = [], 0
        while place < len(self.properties) and (kind := chr(self.properties[place])) in "SR" + "".join(NUMBERS):
            if kind in NUMBERS:
                form, place = f"<{NUMBERS[kind]}", place + 1
            else:
                (size,) = struct.unpack_from("<I", self.properties, place + 1)
                form, place = f"<{size}s", place + 5
            found += struct.unpack_from(form, self.properties, place)
            place += struct.calcsize(form)
        return found

    @property
    def settings(self) -> dict[bytes, list[Any]]:
        """The values by name of a part that has such a list."""
        return {name: values for name, _, _, _, *values in (each.values for each in self[b"Properties70"].inside)}

    @property
    def size(self) -> int:
        """Bytes in the file."""
        inside = sum(each.size for each in self.inside) + HEAD.size * self.closed
        return HEAD.size + len(self.name) + len(self.properties) + inside

    def written(self, place: int) -> Iterator[bytes]:
        """The bytes of the parts inside, the first of which stands at this place of the file."""
        for each in self.inside:
            stop = place + each.size
            yield HEAD.pack(stop, each.count, len(each.properties), len(each.name)) + each.name + each.properties
            yield from each.written(place + HEAD.size + len(each.name) + len(each.properties))
            place = stop
        yield bytes(HEAD.size * self.closed)


def read_elements(content: bytes) -> tuple[Element, int]:
    """All elements, in one without a name, and the place behind them; raises ValueError if it is no binary FBX 7."""
    version = int.from_bytes(content[len(MAGIC) : START], "little")
    if not content.startswith(MAGIC) or version not in VERSIONS:
        raise ValueError("it is no binary FBX file of version 7")
    root = Element(b"")
    return root, _read_inside(root, content, START, len(content))


def _read_inside(element: Element, content: bytes, place: int, end: int) -> int:
    while place < end:
        stop, count, size, length = HEAD.unpack_from(content, place)
        place += HEAD.size
        if stop == 0:
            element.closed = True
            break
        inner = Element(content[place : place + length], count, content[place + length : place + length + size])
        _read_inside(inner, content, place + length + size, stop)
        element.inside.append(inner)
        place = stop
    return place


@dataclass(frozen=True)
class _Model:
    """An object or bone at rest."""

    parent: int
    """Number of the model that it hangs on; 0 of none."""
    local: Float[ndarray, "4 4"]


def animated(content: bytes, paths: Mapping[str, BonePath], fps: float) -> bytes:
    """The file with keys in every frame for these bones, which have curves of a few keys at rest in it.

    Bones may have other axes in it than those of `paths`: what they are turned by since the rest pose is the same.
    Raises ValueError if it is no such file, or would be too long.
    """
    root, end = read_elements(content)
    names, models = _models(root[b"Objects"], root[b"Connections"])
    if lost := [name for name in paths if name not in names]:
        raise ValueError(f"it has no bone {lost[0]}")
    metre = 100 / root[b"GlobalSettings"].settings[b"UnitScaleFactor"][0]
    _move(_curves(root), models, {names[name]: path for name, path in paths.items()}, metre, fps)
    if root.size > LARGEST:
        raise ValueError(f"the file would have {root.size >> 30} GB, FBX ends at 4: write a part by --start and --end")
    parts = b"".join([content[:START], *root.written(START), content[end : end + MARK], bytes(4)])
    return parts + bytes(ALIGNED - len(parts) % ALIGNED) + content[-TAIL:]


def _models(objects: Element, connections: Element) -> tuple[dict[str, int], dict[int, _Model]]:
    """The numbers of bones by name, and objects and bones by number, each behind what it hangs on."""
    found = {each.values[0]: each for each in objects.all(b"Model")}
    names = {
        element.values[1].partition(b"\0")[0].decode(): number
        for number, element in found.items()
        if element.values[2] == b"LimbNode"
    }
    links = [each.values for each in connections.inside]
    parents = {child: parent for kind, child, parent, *_ in links if kind == b"OO" and {child, parent} <= set(found)}
    models = {}
    for number, element in found.items():
        told = element.settings
        local = np.eye(4)
        angles = np.radians(np.array(told.get(b"Lcl Rotation", [0, 0, 0]), np.float64))
        x, y, z = (rotmat_from_rotvec(angle * axis) for angle, axis in zip(angles, np.eye(3), strict=True))
        local[:3, :3] = z @ y @ x * np.array(told.get(b"Lcl Scaling", [1, 1, 1]))
        local[:3, 3] = told.get(b"Lcl Translation", [0, 0, 0])
        models[number] = _Model(parents.get(number, 0), local)
    return names, models


def _curves(root: Element) -> dict[tuple[int, bytes], list[Element]]:
    """The curves for x, y and z of a model's property."""
    elements = {each.values[0]: each for each in root[b"Objects"].all(b"AnimationCurve")}
    links = [each.values for each in root[b"Connections"].inside if each.values[0] == b"OP"]
    properties = {child: (parent, name) for _, child, parent, name in links if child not in elements}
    found: dict[tuple[int, bytes], list[Element]] = {}
    for _, child, parent, _ in sorted((each for each in links if each[1] in elements), key=lambda each: each[3]):
        found.setdefault(properties[parent], []).append(elements[child])
    return found


def _move(
    curves: dict[tuple[int, bytes], list[Element]], models: dict[int, _Model], paths: dict[int, BonePath], metre: float,
    fps: float,
) -> None:  # fmt: skip
    """Put the motion of bones, by number, into their curves; a metre has so many of the file's units."""
    matrices: dict[int, ndarray] = {0: np.eye(4)}

    def at_rest(number: int) -> Float[ndarray, "4 4"]:
        if number not in matrices:
            matrices[number] = at_rest(models[number].parent) @ models[number].local
        return matrices[number]

    def R_rest(number: int) -> Float[ndarray, "3 3"]:
        return at_rest(number)[:3, :3] / np.linalg.norm(at_rest(number)[:3, :3], axis=0)

    frames = len(next(iter(paths.values())).R_scene_bone)
    clock = _packed((np.arange(frames) / fps * TICKS).astype(np.int64))
    R_scene = {number: path.R_scene_bone @ (path.R_scene_rest.T @ R_rest(number)) for number, path in paths.items()}
    for number, path in paths.items():
        parent = above = models[number].parent
        while above and above not in paths:
            above = models[above].parent
        R_parent = R_scene[above] @ (R_rest(above).T @ R_rest(parent)) if above else R_rest(parent)
        turns = orthonormal(np.swapaxes(R_parent, -1, -2) @ R_scene[number].astype(np.float64))
        _key(curves[number, b"Lcl Rotation"], steady_angles(turns[:, None], ORDER)[:, 0, ::-1], clock)
        if path.places is not None:
            carried = paths[parent].places if parent in paths else None
            origin = at_rest(parent)[:3, 3] if carried is None else metre * carried
            way = np.swapaxes(R_parent, -1, -2) @ (metre * path.places - origin)[..., None]
            _key(curves[number, b"Lcl Translation"], way[..., 0] / np.linalg.norm(at_rest(parent)[:3, 0]), clock)


def _key(curves: list[Element], numbers: Float[ndarray, "time 3"], clock: bytes) -> None:
    """One key a frame, of the kind that the curves' own keys have."""
    for curve, column in zip(curves, numbers.T, strict=True):
        curve[b"KeyTime"].properties = clock
        curve[b"KeyValueFloat"].properties = _packed(column.astype(np.float32))
        curve[b"KeyAttrRefCount"].properties = _packed(np.array([len(column)], np.int32))


def _packed(numbers: Shaped[ndarray, "_"]) -> bytes:
    """An array as a property."""
    content = zlib.compress(numbers.tobytes(), 1)
    return ARRAYS[numbers.dtype.name] + struct.pack("<III", len(numbers), 1, len(content)) + content
