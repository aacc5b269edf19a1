"""What Blender's own Python finds in a file: run by it, not by pytest.

    python in_blender.py FILE OUT.npz

Positions are Blender's own, metres, z up, at the moments of the keys of each skeleton's action.
"""

import os
import sys

import bpy
import numpy as np

CLOCK = 30
"""Frames a second of the scene that files are read into."""
IMPORT = {
    ".glb": lambda path: bpy.ops.import_scene.gltf(filepath=path),
    ".fbx": lambda path: bpy.ops.import_scene.fbx(filepath=path),
    ".bvh": lambda path: bpy.ops.import_anim.bvh(filepath=path, global_scale=0.01, update_scene_fps=True),
    ".usdc": lambda path: bpy.ops.wm.usd_import(filepath=path),
}


def main(path, out):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.fps = CLOCK
    IMPORT[path[path.rindex(".") :]](path)
    found = {
        "fps": scene.render.fps / scene.render.fps_base,
        "actions": [action.name for action in bpy.data.actions],
        "cameras": [each.name for each in scene.objects if each.type == "CAMERA"],
        "objects": [each.name for each in scene.objects],
    }
    armatures = [each for each in scene.objects if each.type == "ARMATURE"]
    for number, armature in enumerate(sorted(armatures, key=lambda each: each.name), start=1):
        for name, what in _person(scene, armature).items():
            found[f"{number}/{name}"] = what
    np.savez(out, **found)


def _person(scene, armature):
    keys = [key.co[0] for key in _curve(armature.animation_data).keyframe_points]
    meshes = [each for each in scene.objects if each.type == "MESH" and each.find_armature() == armature]
    joints, surface = [], []
    for moment in keys:
        scene.frame_set(int(np.floor(moment)), subframe=moment - np.floor(moment))
        joints.append([armature.matrix_world @ bone.head for bone in armature.pose.bones])
        if meshes:
            posed = meshes[0].evaluated_get(bpy.context.evaluated_depsgraph_get())
            points = np.empty(3 * len(posed.data.vertices), np.float32)
            posed.data.vertices.foreach_get("co", points)
            matrix = np.array(posed.matrix_world)
            surface.append(points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3])
    return {
        "name": armature.name,
        "action": armature.animation_data.action.name,
        "scale": np.array(armature.matrix_world.to_scale()),
        "range": np.array([keys[0], keys[-1]]),
        "bones": [bone.name for bone in armature.data.bones],
        "rest": np.array([armature.matrix_world @ bone.head_local for bone in armature.data.bones]),
        "joints": np.array(joints),
        "surface": np.array(surface, np.float32),
    }


def _curve(moved):
    """The curve of most keys of what is moved; Blender 4.4 put them into layers."""
    if not getattr(moved.action, "layers", None):
        return max(moved.action.fcurves, key=lambda curve: len(curve.keyframe_points))
    (layer,) = moved.action.layers
    return max(layer.strips[0].channelbag(moved.action_slot).fcurves, key=lambda curve: len(curve.keyframe_points))


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # some of Blender's packages crash where Python ends by itself
