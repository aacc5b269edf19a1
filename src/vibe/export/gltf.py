"""GLB: everybody as a skinned, moving body with an action of their own, and the camera; metres, y up. And VRM animation
(.vrma): a motion for avatars, which take it over by the names of VRM's humanoid bones.

The container holds the JSON of a glTF file and the bytes that it points into.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from vibe import __version__, assets
from vibe.body.record import Body, strongest
from vibe.export.armature import Armature, build_armature
from vibe.export.rigs import RIGS
from vibe.motion.scene import Character, Scene
from vibe.rotations import continuous, quaternions_from_rotmat

KINDS = {np.dtype(np.float32): 5126, np.dtype(np.uint32): 5125, np.dtype(np.uint16): 5123, np.dtype(np.uint8): 5121}
SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


class GltfFile:
    """A glTF file in the making, a new one or what is added to another."""

    def __init__(self, head: dict[str, Any] | None = None, content: bytes = b"") -> None:
        self.json: dict[str, Any] = {"accessors": [], "bufferViews": []} if head is None else head
        self._bytes = [content + b"\0" * (-len(content) % 4)]
        self._size = len(self._bytes[0])

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
        """The whole file; raises ValueError if it is too long for the format."""
        text = json.dumps(self.json | {"buffers": [{"byteLength": self._size}]}, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        size = 12 + 8 + len(text) + 8 + self._size
        if size >= 1 << 32:
            raise ValueError(f"the file would have {size >> 30} GB, glTF ends at 4: write a part by --start and --end")
        head = struct.pack("<4sII", b"glTF", 2, size) + struct.pack("<I4s", len(text), b"JSON") + text
        return b"".join([head, struct.pack("<I4s", self._size, b"BIN\0"), *self._bytes])


def sampled(file: GltfFile, fps: float, first: int, paths: list[tuple[int, NDArray, str]]) -> dict[str, Any]:
    """Channels of numbers of nodes, one for each frame from the first, straight lines between them.

    A path is a node, [time, n] numbers and what of the node they are.
    """
    clock = file.array(((first + np.arange(len(paths[0][1]))) / fps).astype(np.float32)[:, None], bounds=True)
    samplers, channels = [], []
    for node, numbers, what in paths:
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": what}})
        samplers.append({"input": clock, "output": file.array(numbers), "interpolation": "LINEAR"})
    return {"channels": channels, "samplers": samplers}


INFLUENCES = 4
"""Joints that may carry a vertex: what every program reads."""
VERTICES, FACES = 34962, 34963
"""What a buffer is for, in OpenGL's numbers."""
R_CAM_GLTF = np.diag([1.0, -1.0, -1.0, 1.0])
"""From glTF's camera (y up, looks along -z) to ours."""


def write_glb(path: Path, scene: Scene, body: Body, clothed: bool = True, rig: str = "smpl") -> None:
    """Everybody, written whole or not at all; raises OSError, and ValueError if z is to point up.

    Each person has a mesh, a skin, a skeleton (`rig` is one of `RIGS`; with the fingers of who has them) and an
    animation `person N`, and the camera one where it moves, on one clock. Of several the first animation is
    `everybody`, of all: most programs begin with the first, and play one. A vertex follows its four strongest joints.
    What a pose does to the flesh beyond the skeleton (SMPL's pose blend shapes) has no place in a skin. Vertices have
    the colours of films and pages, and the open body its clothes; else a person has one colour.
    """
    if scene.up != "y":
        raise ValueError("glTF's y points up, always: leave --up out, programs turn it to their own axes")
    file = GltfFile()
    file.json["asset"] = {
        "version": "2.0",
        "generator": f"vibe {__version__}",
        "extras": scene.about(body) | RIGS[rig].about,
    }
    nodes = [node for character in scene.characters for node in _person(file, scene, character, body, clothed, rig)]
    if scene.t_scene_cam is not None:
        nodes.append(_camera(file, scene, scene.t_scene_cam))
    if len(file.json["animations"]) > 1:
        file.json["animations"].insert(0, _together(file.json["animations"]))
    file.add("scenes", {"nodes": nodes})
    file.json["scene"] = 0
    assets.write_whole(path, file.content())


def _person(file: GltfFile, scene: Scene, character: Character, body: Body, clothed: bool, rig: str) -> list[int]:
    """Mesh, skeleton and action of one person; the nodes of the scene."""
    from vibe.body.outfit import dressed

    name = f"person {character.number}"
    armature = build_armature(RIGS[rig], scene, character, body, dressed(body) if clothed else body)
    bones = add_bones(file, armature)
    R_bone_body = armature.R_body_bone.mT
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(bones), 1, 1))
    inverse[:, :3, :3] = R_bone_body.mT  # columns one after the other, as glTF stores matrices
    inverse[:, 3, :3] = -(R_bone_body @ armature.rest[..., None])[..., 0]
    skin = {"name": name, "joints": bones, "skeleton": bones[0], "inverseBindMatrices": file.array(inverse)}
    surface = _mesh(file, character, armature, body, clothed)
    mesh = {"name": f"{name} skin", "mesh": surface, "skin": file.add("skins", skin)}
    extras = {"person": character.number, "first_frame": character.first, "betas": character.smpl.betas.tolist()}
    file.add("animations", {"name": name} | sampled(file, scene.fps, character.first, bone_paths(armature, bones)))
    # Each skeleton under a node of its own: of skeletons side by side Blender makes one.
    skeleton = {"name": name, "children": [bones[0]], "extras": extras}
    return [file.add("nodes", skeleton), file.add("nodes", mesh)]


def add_bones(file: GltfFile, armature: Armature) -> list[int]:
    """The bones at rest as nodes of the file; their indices."""
    turned = quaternions_from_rotmat(armature.rest_rotmat)
    bones = []
    for bone, step, turn in zip(armature.bones, armature.steps.tolist(), turned.tolist(), strict=True):
        rotation = {} if turn == [0, 0, 0, 1] else {"rotation": turn}
        bones.append(file.add("nodes", {"name": bone, "translation": step, **rotation}))
    for child, parent in zip(bones, armature.parents, strict=True):
        if parent >= 0:
            file.json["nodes"][bones[parent]].setdefault("children", []).append(child)
    return bones


def bone_paths(armature: Armature, bones: list[int]) -> list[tuple[int, Float[ndarray, "_ _"], str]]:
    """The numbers of an animation: the rotations of all bones, and the places of those that travel."""
    places = [(bones[bone], armature.moves(bone).astype(np.float32), "translation") for bone in armature.travels]
    turns = [continuous(quaternions_from_rotmat(armature.turns(bone))) for bone in range(len(bones))]
    return [*places, *((node, turn.astype(np.float32), "rotation") for node, turn in zip(bones, turns, strict=True))]


def _mesh(file: GltfFile, character: Character, armature: Armature, body: Body, clothed: bool) -> int:
    """The body at rest with the bones that carry it."""
    from vibe.body.mesh import vertex_normals
    from vibe.body.outfit import colour

    surface, faces = armature.surface, body.faces
    bones, weights = strongest(armature.weights, INFLUENCES)
    attributes = {
        "POSITION": file.array(surface, VERTICES, bounds=True),
        "NORMAL": file.array(vertex_normals(surface, faces), VERTICES),
        "JOINTS_0": file.array(bones.astype(np.uint8), VERTICES),
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


def _together(animations: list[dict[str, Any]]) -> dict[str, Any]:
    """One animation of several, over the same numbers."""
    samplers, channels = [], []
    for animation in animations:
        channels += [channel | {"sampler": channel["sampler"] + len(samplers)} for channel in animation["channels"]]
        samplers += animation["samplers"]
    return {"name": "everybody", "channels": channels, "samplers": samplers}


def _camera(file: GltfFile, scene: Scene, places: Float[ndarray, "frame 3"]) -> int:
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
    file.add("animations", {"name": "camera"} | sampled(file, scene.fps, 0, paths))
    return index


def camera_matrices(scene: Scene, places: Float[ndarray, "frame 3"]) -> Float[ndarray, "frame 4 4"]:
    """From the axes that glTF's and USD's cameras have (y up, looking along -z) to the scene, in every frame."""
    matrices = np.tile(np.eye(4), (len(places), 1, 1))
    matrices[:, :3, :3], matrices[:, :3, 3] = scene.R_scene_cam, places
    return matrices @ R_CAM_GLTF


EXTENSION = "VRMC_vrm_animation"
RIG = "vrm"
"""Of `RIGS`: a T-pose that looks along z, which every turn is taken against, and stands on its soles: avatars scale the
place of the hips by its height above them."""


def write_vrma(path: Path, scene: Scene, character: Character, body: Body) -> None:
    """One person's motion, written whole or not at all; raises OSError, and ValueError if z is to point up.

    VRM animation 1.0: the nodes of a skeleton at rest and one animation with the turns of all bones and the place of
    the hips, in metres from the person's first frame; no skin.
    """
    if scene.up != "y":
        raise ValueError("a VRM animation's y points up, always: leave --up out")
    file = GltfFile()
    extras = scene.about(body) | RIGS[RIG].about | {"person": character.number, "first_frame": character.first}
    file.json["asset"] = {"version": "2.0", "generator": f"vibe {__version__}", "extras": extras}
    armature = build_armature(RIGS[RIG], scene, character, body, body)
    bones = add_bones(file, armature)
    file.add(
        "animations", {"name": f"person {character.number}"} | sampled(file, scene.fps, 0, bone_paths(armature, bones))
    )
    humanoid = {"humanBones": {name: {"node": node} for name, node in zip(armature.bones, bones, strict=True)}}
    file.json["extensionsUsed"] = [EXTENSION]
    file.json["extensions"] = {EXTENSION: {"specVersion": "1.0", "humanoid": humanoid}}
    file.add("scenes", {"nodes": [bones[0]]})
    file.json["scene"] = 0
    assets.write_whole(path, file.content())
