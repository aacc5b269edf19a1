"""What Blender runs to make an FBX file: its own Python, or one with its package, with nothing of ours.

Arguments: the GLB of one person, the FBX, frames a second, frames.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

STEP = 100
"""Frames between keys, the most that Blender allows: all bones are at rest, and get their motion behind it."""


def glb_to_fbx(glb: str, fbx: str, fps: float, frames: int) -> None:
    """Import one, export the other at rest, with curves of all bones for so many frames.

    FBX's unit is the centimetre, and here the scene's too: otherwise objects get a scale of 100, which other programs
    show or stumble over. Bones keep the axes of the file, so that a T-pose is no rotation.
    """
    bpy = import_module("bpy")
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.unit_settings.system, scene.unit_settings.scale_length = "METRIC", 0.01
    bpy.ops.import_scene.gltf(filepath=glb, bone_heuristic="BLENDER")
    whole = max(1, round(fps))
    scene.render.fps, scene.render.fps_base = whole, whole / fps
    scene.frame_start, scene.frame_end = 0, frames - 1
    (armature,) = [each for each in scene.objects if each.type == "ARMATURE"]
    scene.name, armature.name = armature.name, "Armature"
    armature.data.pose_position = "REST"
    for each in scene.objects:
        each.select_set(each == armature or each.find_armature() == armature)
    scene.frame_set(0)
    bpy.ops.export_scene.fbx(
        filepath=fbx,
        use_selection=True,
        object_types={"ARMATURE", "MESH"},
        add_leaf_bones=False,
        mesh_smooth_type="OFF",
        use_armature_deform_only=False,
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False,
        bake_anim_step=STEP,
        bake_anim_simplify_factor=0.0,
    )


if __name__ == "__main__":
    glb, fbx, fps, frames = sys.argv[sys.argv.index("--") + 1 :]
    glb_to_fbx(glb, fbx, float(fps), int(frames))
    sys.stdout.flush()
    os._exit(0)  # some of Blender's packages crash where Python ends by itself
