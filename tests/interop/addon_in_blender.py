"""What Blender's own Python finds in its scene once our add-on has opened a file: run by it, not by pytest.

python addon_in_blender.py ADD-ON FILE OUT.npz
"""

import os
import sys

import bpy
import numpy as np
from bpy_extras.object_utils import world_to_camera_view


def main(addon, path, out):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_install(filepath=addon)
    bpy.ops.preferences.addon_enable(module="vibe_import")
    try:
        bpy.ops.import_scene.vibe_motion(filepath=path)
    except RuntimeError as error:
        sys.stderr.write(str(error))
        return
    scene = bpy.context.scene
    render, clips, scale = scene.render, bpy.data.movieclips, np.array([1, -1]) * 1.0
    found = {
        "fps": render.fps / render.fps_base,
        "range": [scene.frame_start, scene.frame_end],
        "size": [render.resolution_x, render.resolution_y],
        "video": [clip.frame_start for clip in clips],
        "shown": [each.clip.name for each in scene.camera.data.background_images if each.clip],
        "objects": [each.name for each in scene.objects],
    }
    armatures = sorted((each for each in scene.objects if each.type == "ARMATURE"), key=lambda each: each.name)
    scale *= found["size"]
    for number, armature in enumerate(armatures, start=1):
        places, seen = [], []
        for frame in range(scene.frame_start, scene.frame_end + 1):
            scene.frame_set(frame)
            joints = [armature.matrix_world @ bone.head for bone in armature.pose.bones]
            places.append(joints)
            seen.append([world_to_camera_view(scene, scene.camera, joint)[:2] for joint in joints])
        found[f"{number}/bones"] = [bone.name for bone in armature.pose.bones]
        found[f"{number}/joints"] = np.array(places)
        found[f"{number}/joints_px"] = (np.array(seen) - [0, 1]) * scale
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(0)  # some of Blender's packages crash where Python ends by itself
