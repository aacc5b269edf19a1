"""GLB: everybody as a skinned, moving body with an action of their own, and the camera; metres, y up."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from vibe import __version__, assets
from vibe.body.pose import rest_vertices
from vibe.body.record import Body
from vibe.motion.scene import Character, Scene
from vibe.rotations import continuous, quaternions_from_rotmat

INFLUENCES = 4
"""Joints that may carry a vertex: what every program reads."""
KINDS = {np.dtype(np.float32): 5126, np.dtype(np.uint32): 5125, np.dtype(np.uint16): 5123, np.dtype(np.uint8): 5121}
SHAPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
VERTICES, FACES = 34962, 34963
"""What a buffer is for, in OpenGL's numbers."""
R_CAM_GLTF = np.diag([1.0, -1.0, -1.0, 1.0])
"""From glTF's camera (y up, looks along -z) to ours."""


class _File:
    """A glTF file in the making: the JSON, and the bytes that it points into."""

    def __init__(self) -> None:
        self.json: dict[str, Any] = {"accessors": [], "bufferViews": []}
        self._bytes: list[bytes] = []
        self._size = 0

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        """Append to a list of the file; its index there."""
        entries = self.json.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1

    def array(self, numbers: NDArray, target: int | None = None, bounds: bool = False) -> int:
        """An accessor of an array, a row an element."""
        numbers = np.ascontiguousarray(numbers)
        flat = numbers.reshape(len(numbers), -1)
        view = {"buffer": 0, "byteOffset": self._size, "byteLength": numbers.nbytes}
        content = numbers.tobytes()
        self._bytes.append(content + b"\0" * (-len(content) % 4))
        self._size += len(self._bytes[-1])
        accessor = {
            "bufferView": self.add("bufferViews", view | ({"target": target} if target else {})),
            "componentType": KINDS[numbers.dtype],
            "count": len(flat),
            "type": SHAPES[flat.shape[1]],
        }
        if bounds:
            accessor |= {"min": flat.min(0).tolist(), "max": flat.max(0).tolist()}
        return self.add("accessors", accessor)

    def content(self) -> bytes:
        """The whole file."""
        text = json.dumps(self.json | {"buffers": [{"byteLength": self._size}]}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        size = 12 + 8 + len(text) + 8 + self._size
        if size >= 1 << 32:
            raise ValueError(f"the file would have {size >> 30} GB, glTF ends at 4: write a part by --start and --end")
        head = struct.pack("<4sII", b"glTF", 2, size) + struct.pack("<I4s", len(text), b"JSON") + text
        return b"".join([head, struct.pack("<I4s", self._size, b"BIN\0"), *self._bytes])


def write_glb(path: Path, scene: Scene, body: Body, clothed: bool = True) -> None:
    """Everybody, written whole or not at all; raises OSError, and ValueError if z is to point up.

    Each person has a mesh, a skin, a skeleton of SMPL's joints, or SMPL-H's of who has fingers, and an animation
    `person N`, and the camera one where it moves, on one clock. Of several the first animation is `everybody`, of all:
    most programs begin with the first, and play one. A vertex follows its four strongest joints. What a pose does to
    the flesh beyond the skeleton (SMPL's pose blend shapes) has no place in a skin. Vertices have the colours of films
    and pages, and the open body its clothes; else a person has one colour.
    """
    if scene.up != "y":
        raise ValueError("glTF's y points up, always: leave --up out, programs turn it to their own axes")
    file = _File()
    file.json["asset"] = {"version": "2.0", "generator": f"vibe {__version__}", "extras": scene.about(body)}
    nodes = [node for character in scene.characters for node in _person(file, scene, character, body, clothed)]
    if scene.t_scene_cam is not None:
        nodes.append(_camera(file, scene, scene.t_scene_cam))
    if len(file.json["animations"]) > 1:
        file.json["animations"].insert(0, _together(file.json["animations"]))
    file.add("scenes", {"nodes": nodes})
    file.json["scene"] = 0
    assets.write_whole(path, file.content())


def _person(file: _File, scene: Scene, character: Character, body: Body, clothed: bool) -> list[int]:
    """Mesh, skeleton and action of one person; the nodes of the scene."""
    character, body = character.with_fingers(body)
    name, rest, steps = f"person {character.number}", character.rest, character.steps.tolist()
    joints = [file.add("nodes", {"name": joint, "translation": step}) for joint, step in zip(character.names, steps)]
    for child, parent in enumerate(character.parents):
        if parent >= 0:
            file.json["nodes"][joints[parent]].setdefault("children", []).append(joints[child])
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(rest), 1, 1))
    inverse[:, 3, :3] = -rest  # columns one after the other, as glTF stores matrices
    skin = {"name": name, "joints": joints, "skeleton": joints[0], "inverseBindMatrices": file.array(inverse)}
    mesh = {"name": f"{name} skin", "mesh": _mesh(file, character, body, clothed), "skin": file.add("skins", skin)}
    extras = {"person": character.number, "first_frame": character.first, "betas": character.smpl.betas.tolist()}
    file.add("animations", {"name": name} | _action(file, scene, character, joints))
    # Each skeleton under a node of its own: of skeletons side by side Blender makes one.
    skeleton = {"name": name, "children": [joints[0]], "extras": extras}
    return [file.add("nodes", skeleton), file.add("nodes", mesh)]


def _mesh(file: _File, character: Character, body: Body, clothed: bool) -> int:
    """The body at rest with the joints that carry it."""
    from vibe.body.mesh import vertex_normals
    from vibe.body.outfit import colour, dressed

    surface, faces = rest_vertices(dressed(body) if clothed else body, character.smpl.betas), body.faces
    joints, weights = body.influences(INFLUENCES)
    attributes = {
        "POSITION": file.array(surface, VERTICES, bounds=True),
        "NORMAL": file.array(vertex_normals(surface, faces), VERTICES),
        "JOINTS_0": file.array(joints.astype(np.uint8), VERTICES),
        "WEIGHTS_0": file.array(weights, VERTICES),
    }
    paint: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": 0.6}
    if clothed:
        attributes["COLOR_0"] = file.array(linear_colours(body, character.number), VERTICES)
    else:
        paint["baseColorFactor"] = [*linear_rgb(colour(character.number)).round(3).tolist(), 1.0]
    name = f"person {character.number}"
    primitive = {
        "attributes": attributes,
        "indices": file.array(faces.astype(np.uint32 if len(surface) > 65535 else np.uint16).reshape(-1, 1), FACES),
        "material": file.add("materials", {"name": name, "pbrMetallicRoughness": paint}),
    }
    return file.add("meshes", {"name": name, "primitives": [primitive]})


def linear_colours(body: Body, number: int) -> Float[ndarray, "vertex 3"]:
    """Each vertex's colour as in films and pages, in linear RGB."""
    from vibe.body.outfit import vertex_colours

    return linear_rgb(vertex_colours(body, number).astype(np.float64)).astype(np.float32)


def linear_rgb(srgb: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b 3"]:
    """The light of colours in sRGB."""
    return ((srgb + 0.055) / 1.055) ** 2.4


def _action(file: _File, scene: Scene, character: Character, joints: list[int]) -> dict[str, Any]:
    """Rotations of all joints and the place of the pelvis, straight lines between the frames."""
    turns = continuous(quaternions_from_rotmat(character.smpl.rotmat))
    rotations = [(node, turns[:, joint], "rotation") for joint, node in enumerate(joints)]
    return _sampled(file, scene, character.first, [(joints[0], character.smpl.pelvis, "translation"), *rotations])


def _sampled(
    file: _File, scene: Scene, first: int, paths: Sequence[tuple[int, Float[ndarray, "_ _"], str]]
) -> dict[str, Any]:
    """Channels of numbers of nodes, one for each frame of the scene from the first."""
    clock = file.array(((first + np.arange(len(paths[0][1]))) / scene.fps).astype(np.float32), bounds=True)
    samplers, channels = [], []
    for node, numbers, what in paths:
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": what}})
        samplers.append({"input": clock, "output": file.array(numbers), "interpolation": "LINEAR"})
    return {"channels": channels, "samplers": samplers}


def _together(animations: list[dict[str, Any]]) -> dict[str, Any]:
    """One animation of several, over the same numbers."""
    samplers, channels = [], []
    for animation in animations:
        channels += [channel | {"sampler": channel["sampler"] + len(samplers)} for channel in animation["channels"]]
        samplers += animation["samplers"]
    return {"name": "everybody", "channels": channels, "samplers": samplers}


def _camera(file: _File, scene: Scene, places: Float[ndarray, "frame 3"]) -> int:
    """The camera that the video was seen with, as far as glTF can say it: without an off-centre principal point.

    Where it moves it has an animation.
    """
    (fx, _, _), (_, fy, _), _ = scene.camera.K_px.tolist()
    width, height = scene.camera.width, scene.camera.height
    lens = {
        "yfov": 2 * math.atan(height / 2 / fy),
        "aspectRatio": width / height * fy / fx,
        "znear": 0.01,
    }
    matrices = camera_matrices(scene, places)
    node = {"name": "camera", "camera": file.add("cameras", {"type": "perspective", "perspective": lens})}
    if not scene.camera_moves:
        return file.add("nodes", node | {"matrix": matrices[0].T.flatten().tolist()})
    turns = continuous(quaternions_from_rotmat(matrices[:, :3, :3].astype(np.float32)))
    node |= {"translation": places[0].tolist(), "rotation": turns[0].tolist()}
    index = file.add("nodes", node)
    paths = [(index, places.astype(np.float32), "translation"), (index, turns, "rotation")]
    file.add("animations", {"name": "camera"} | _sampled(file, scene, 0, paths))
    return index


def camera_matrices(scene: Scene, places: Float[ndarray, "frame 3"]) -> Float[ndarray, "frame 4 4"]:
    """From the axes that glTF's and USD's cameras have (y up, looking along -z) to the scene, in every frame."""
    matrices = np.tile(np.eye(4), (len(places), 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = scene.R_scene_cam, places
    return matrices @ R_CAM_GLTF
