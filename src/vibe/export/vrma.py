"""VRM animation (.vrma): a motion for avatars, which take it over by the names of VRM's humanoid bones."""

from __future__ import annotations

from pathlib import Path

from vibe import __version__, assets
from vibe.body.record import Body
from vibe.export.armature import build_armature
from vibe.export.gltf import add_bones, bone_paths
from vibe.export.gltf_file import GltfFile, sampled
from vibe.export.rigs import RIGS
from vibe.motion.scene import Character, Scene

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
