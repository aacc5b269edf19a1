"""A user's own character: the nodes, the rest pose and the skin of a stranger's GLB or VRM file, read with bounds."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.errors import damaged, shorten

SUFFIXES = (".glb", ".vrm")
LARGEST = 1 << 30
"""Bytes of a file that is read."""
MOST_NODES, MOST_VERTICES = 1 << 16, 1 << 21
HEAD = struct.Struct("<4sII")
CHUNK = struct.Struct("<I4s")
NUMBERS = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
COMPRESSED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_meshopt_compression")
ADVICE = "export the character again as glTF Binary (.glb)"


@dataclass(frozen=True)
class CharacterFile:
    """A glTF file with a skinned character at rest; places are metres in the file's scene, whose y points up."""

    path: Path
    head: dict[str, Any]
    """The JSON."""
    content: bytes
    """The binary chunk."""
    names: tuple[str, ...]
    """Of the nodes; empty where a node has none."""
    parents: tuple[int, ...]
    """-1 of what is in no other node."""
    matrices: Float[ndarray, "node 4 4"]
    """From each node's axes to the scene's, at rest."""
    bones: tuple[int, ...]
    """The nodes that carry skin."""
    skin: Float[ndarray, "vertex 3"]
    """At rest."""
    carrier: Int[ndarray, "vertex"]
    """The node that carries most of each vertex."""


def read_character(path: Path) -> CharacterFile:
    """Read a GLB or VRM file; ValueError, naming the file, says what is wrong with it and what to do, OSError that it
    can't be read."""
    if path.suffix.lower() == ".fbx":
        raise ValueError(f"{path} is FBX, which stays FBX: give --to fbx, or export it as glTF Binary from Blender")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path} is no character: give a .glb or .vrm file")
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(
            f"{path} has {size / 1e9:.1f} GB, {LARGEST / 1e9:.1f} at most are read: give the character smaller textures"
        )
    with damaged(f"{path} can't be read", ADVICE, RecursionError, struct.error):
        head, content = _chunks(path.read_bytes())
        nodes = _entries(head, "nodes")
        parents = _parents(nodes)
        matrices = _matrices(nodes, parents)
        names = tuple(str(node.get("name", "")) for node in nodes)
        for name in ("accessors", "bufferViews", "animations"):
            _entries(head, name)
        joints = [[_place(nodes, joint) for joint in skin["joints"]] for skin in _entries(head, "skins")]
    if not any(joints):
        raise ValueError(f"{path} has no skeleton: give a character whose mesh is skinned to bones")
    with damaged(f"the skin of {path} can't be read", ADVICE, struct.error):
        skin, carrier = _skin(head, content, matrices, joints)
    bones = tuple(sorted({joint for each in joints for joint in each}))
    return CharacterFile(path, head, content, names, parents, matrices, bones, skin, carrier)


def _chunks(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The JSON and the binary chunk of a GLB."""
    magic, version, length = HEAD.unpack_from(data)
    if magic != b"glTF":
        raise ValueError("it is no GLB file")
    if version != 2 or length > len(data):
        raise ValueError(f"it is glTF {version}" if version != 2 else "it is cut off")
    size, kind = CHUNK.unpack_from(data, HEAD.size)
    start = HEAD.size + CHUNK.size
    if kind != b"JSON" or start + size > length:
        raise ValueError("it does not begin with JSON")
    head = json.loads(data[start : start + size])
    if not isinstance(head, dict):
        raise ValueError("its JSON is no glTF")
    (buffer,) = _entries(head, "buffers") or [{}]
    if "uri" in buffer or start + size + CHUNK.size > length:
        raise ValueError("its numbers are in another file")
    room, kind = CHUNK.unpack_from(data, start + size)
    content = data[start + size + CHUNK.size : start + size + CHUNK.size + room]
    if kind != b"BIN\0" or len(content) < room or len(content) < int(buffer.get("byteLength", 0)):
        raise ValueError("its numbers are cut off")
    return head, content


def _entries(head: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of the JSON, which may lack it."""
    entries = head.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"its {name} are no list")
    return entries


def _place(entries: list[Any], index: Any) -> int:
    """An index into a list, checked."""
    if type(index) is not int or not 0 <= index < len(entries):
        raise ValueError(f"{shorten(index)} is the number of nothing")
    return index


def _parents(nodes: list[dict[str, Any]]) -> tuple[int, ...]:
    if len(nodes) > MOST_NODES:
        raise ValueError(f"it has {len(nodes)} nodes, {MOST_NODES} at most are read")
    parents = [-1] * len(nodes)
    for number, node in enumerate(nodes):
        for child in node.get("children", []):
            if parents[_place(nodes, child)] >= 0:
                raise ValueError(f"node {child} hangs on two others")
            parents[child] = number
    return tuple(parents)


def _matrices(nodes: list[dict[str, Any]], parents: tuple[int, ...]) -> Float[ndarray, "node 4 4"]:
    """Where the nodes are at rest, a level of the tree at a time."""
    own = np.stack([_matrix(node) for node in nodes]) if nodes else np.zeros((0, 4, 4))
    if not np.isfinite(own).all():
        raise ValueError("the place of a node is not finite")
    children: list[list[int]] = [[] for _ in nodes]
    for node, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(node)
    level, reached = [node for node, parent in enumerate(parents) if parent < 0], 0
    while level:
        reached += len(level)
        for node in level:
            if parents[node] >= 0:
                own[node] = own[parents[node]] @ own[node]
        level = [child for node in level for child in children[node]]
    if reached < len(nodes):
        raise ValueError("its nodes hang on each other in a circle")
    return own


def _matrix(node: dict[str, Any]) -> Float[ndarray, "4 4"]:
    """From a node's axes to its parent's."""
    from scipy.spatial.transform import Rotation

    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    matrix = np.eye(4)
    turn = Rotation.from_quat(node.get("rotation", [0, 0, 0, 1])).as_matrix()
    matrix[:3, :3] = turn * np.array(node.get("scale", [1, 1, 1]), np.float64).reshape(3)
    matrix[:3, 3] = np.array(node.get("translation", [0, 0, 0]), np.float64).reshape(3)
    return matrix


def _numbers(head: dict[str, Any], content: bytes, index: Any) -> ndarray:
    """An accessor's numbers, a row an element, within the binary chunk."""
    accessors, views = _entries(head, "accessors"), _entries(head, "bufferViews")
    accessor = accessors[_place(accessors, index)]
    if "sparse" in accessor or "bufferView" not in accessor:
        raise ValueError("its numbers are sparse")
    view = views[_place(views, accessor["bufferView"])]
    if packed := [name for name in COMPRESSED if name in view.get("extensions", {})]:
        raise ValueError(f"it is packed by {packed[0]}: export it without compression")
    kind, width = np.dtype(NUMBERS[accessor["componentType"]]), WIDTHS[accessor["type"]]
    count, size = int(accessor["count"]), np.dtype(NUMBERS[accessor["componentType"]]).itemsize * width
    stride, first = int(view.get("byteStride", size)), int(accessor.get("byteOffset", 0))
    low, room = int(view.get("byteOffset", 0)), int(view["byteLength"])
    inside = low >= 0 and room >= 0 and low + room <= len(content)
    if not inside or count < 1 or stride < size or first < 0 or first + stride * (count - 1) + size > room:
        raise ValueError("its numbers lie beyond its end")
    if count > MOST_VERTICES:
        raise ValueError(f"a list of {count} elements, {MOST_VERTICES} at most are read")
    rows = np.lib.stride_tricks.as_strided(
        np.frombuffer(content, np.uint8, low + room - (low + first), low + first), (count, size), (stride, 1)
    )
    numbers = np.ascontiguousarray(rows).view(kind.newbyteorder("<")).reshape(count, width)
    if accessor.get("normalized") and kind.kind in "iu":
        return numbers.astype(np.float32) / np.iinfo(kind).max
    return numbers


def _skin(
    head: dict[str, Any], content: bytes, matrices: Float[ndarray, "node 4 4"], skin_joints: list[list[int]]
) -> tuple[Float[ndarray, "vertex 3"], Int[ndarray, "vertex"]]:
    """The vertices of all skinned meshes where the bones at rest carry them, and each one's strongest bone."""
    nodes, skins, meshes = (_entries(head, name) for name in ("nodes", "skins", "meshes"))
    surfaces, carriers, known = [np.zeros((0, 3))], [np.zeros(0, int)], set()
    for node in nodes:
        if "skin" not in node or "mesh" not in node:
            continue
        place = _place(skins, node["skin"])
        joints = np.array(skin_joints[place], int)
        bind = np.tile(np.eye(4), (len(joints), 1, 1))
        if "inverseBindMatrices" in skins[place]:
            bind = _numbers(head, content, skins[place]["inverseBindMatrices"])[: len(joints)].reshape(-1, 4, 4)
            bind = bind.mT.astype(np.float64)
        moves = matrices[joints] @ bind
        for primitive in _entries(meshes[_place(meshes, node["mesh"])], "primitives"):
            if packed := [name for name in COMPRESSED if name in primitive.get("extensions", {})]:
                raise ValueError(f"it is packed by {packed[0]}: export it without compression")
            told = [primitive["attributes"].get(name) for name in ("POSITION", "JOINTS_0", "WEIGHTS_0")]
            if (place, *told) in known or None in told:
                continue
            known.add((place, *told))
            points, bones, weights = (_numbers(head, content, index) for index in told)
            if sum(map(len, carriers)) + len(points) > MOST_VERTICES:
                raise ValueError(f"its skin has more than {MOST_VERTICES} vertices")
            if bones.max() >= len(joints) or not len(points) == len(bones) == len(weights):
                raise ValueError("a vertex hangs on a bone that is not there")
            surfaces.append(_carried(points, bones, weights, moves))
            carriers.append(joints[np.take_along_axis(bones, weights.argmax(1)[:, None], 1)[:, 0]])
    skin = np.concatenate(surfaces)
    if not np.isfinite(skin).all():
        raise ValueError("a vertex is at no place")
    return skin.astype(np.float32), np.concatenate(carriers)


def _carried(points: ndarray, bones: ndarray, weights: ndarray, moves: ndarray) -> Float[ndarray, "vertex 3"]:
    """Vertices as the mean of their bones' transforms puts them."""
    moved, total = np.zeros((len(points), 3)), weights.astype(np.float64).sum(1, keepdims=True)
    for bone, weight in zip(bones.T, weights.T, strict=True):
        there = (moves[bone, :3, :3] @ points[..., None].astype(np.float64))[..., 0] + moves[bone, :3, 3]
        moved += weight[:, None] * there
    return moved / np.where(total > 0, total, 1)
