"""What Blender runs to make an FBX file: its own Python, or one with its package, with nothing of ours.

Arguments: a GLB, or somebody's character in FBX; the FBX that is made; frames a second; frames; name of the animation;
the GLB of the character's skeleton and skin that is made too, or nothing.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

UNREADABLE = 65
"""What the process ends with where a file can't be opened; the reason is the last line that it says."""
STEP = 100
"""Frames between keys, the most that Blender allows: all bones are at rest, and get their motion behind it."""


def make_fbx(source: str, fbx: str, fps: float, frames: int, name: str, glb: str) -> None:
    """Import one, export the other at rest, with curves of all bones for so many frames.

    FBX's unit is the centimetre, and here the scene's too: otherwise objects get a scale of 100, which other programs
    show or stumble over. Bones keep the axes of the file, so that a T-pose is no rotation.
    """
    bpy = import_module("bpy")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.unit_settings.system, scene.unit_settings.scale_length = "METRIC", 0.01
    _open(bpy, source)
    whole = max(1, round(fps))
    scene.name, scene.render.fps, scene.render.fps_base = name, whole, whole / fps
    scene.frame_start, scene.frame_end = 0, frames - 1
    armatures = [each for each in scene.objects if each.type == "ARMATURE"]
    for armature in armatures:
        armature.data.pose_position = "REST"
    if glb:
        bpy.ops.export_scene.gltf(filepath=glb, export_animations=False, export_materials="NONE", export_morph=False)
    else:
        armatures[0].name = "Armature"
    for each in scene.objects:
        each.select_set(each in armatures or each.find_armature() in armatures or bool(glb))
    scene.frame_set(0)
    bpy.ops.export_scene.fbx(
        filepath=fbx,
        use_selection=True,
        object_types={"ARMATURE", "MESH", "EMPTY"},
        add_leaf_bones=False,
        mesh_smooth_type="OFF",
        use_armature_deform_only=False,
        path_mode="COPY",
        embed_textures=True,
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False,
        bake_anim_step=STEP,
        bake_anim_simplify_factor=0.0,
    )


def _open(bpy: Any, source: str) -> None:
    try:
        if Path(source).suffix.lower() == ".fbx":
            bpy.ops.import_scene.fbx(filepath=source, use_anim=False)
        else:
            bpy.ops.import_scene.gltf(filepath=source, bone_heuristic="BLENDER")
    except RuntimeError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        sys.stderr.write(f"{lines[-1] if lines else 'no reason is given'}\n")
        sys.stderr.flush()
        os._exit(UNREADABLE)


if __name__ == "__main__":
    source, fbx, fps, frames, name, glb = sys.argv[sys.argv.index("--") + 1 :]
    make_fbx(source, fbx, float(fps), int(frames), name, glb)
    sys.stdout.flush()
    os._exit(0)  # some of Blender's packages crash where Python ends by itself
