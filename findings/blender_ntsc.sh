#!/usr/bin/env bash
# Blender 5.0.1 (bpy) at 29.97 or 23.976 frames a second (fps 30 or 24, base 1.001): glTF's exporter multiplies fps by the
# base instead of dividing, so ten minutes come out 1.2 s short; its importer does the same the other way round. FBX goes
# out right and comes in 0.1 % too long (0.6 s). BVH brought in with `use_fps_scale` at such a rate is 0.1 % too long too. USD is
# written right, but its importer leaves the scene's rate alone and keeps frame for frame. No word in any case.
# Exchange at a whole number of frames a second. Prints the lengths of one motion; exits with 1 if all are right.
# Needs Python 3.11.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet bpy==5.0.1
cat > "$place/rates.py" <<'PROGRAM'
import json
import math
import re
import sys
from pathlib import Path

import bpy

FRAMES, HERE = 300, Path.cwd()


def new_scene(fps, base):
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.context.scene.render.fps, bpy.context.scene.render.fps_base = fps, base


def add_arm():
    """One bone that turns from frame 0 to frame 300."""
    data = bpy.data.armatures.new("arm")
    arm = bpy.data.objects.new("arm", data)
    bpy.context.collection.objects.link(arm)
    bpy.context.view_layer.objects.active = arm
    bpy.ops.object.mode_set(mode="EDIT")
    bone = data.edit_bones.new("upper")
    bone.head, bone.tail = (0, 0, 0), (0, 0, 0.3)
    bpy.ops.object.mode_set(mode="POSE")
    upper = arm.pose.bones["upper"]
    upper.rotation_mode = "XYZ"
    for frame in (0, FRAMES):
        upper.rotation_euler = (frame / FRAMES, 0, 0)
        upper.keyframe_insert("rotation_euler", frame=frame)
    bpy.ops.object.mode_set(mode="OBJECT")
    arm.select_set(True)
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 0, FRAMES


def length():
    """Seconds from the first to the last key of the arm in the scene, at the scene's rate."""
    (arm,) = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
    first, last = arm.animation_data.action.frame_range
    render = bpy.context.scene.render
    return (last - first) * render.fps_base / render.fps


def exported():
    bpy.ops.export_scene.gltf(filepath=f"{HERE}/arm.gltf", export_format="GLTF_SEPARATE")
    head = json.loads(Path("arm.gltf").read_text())
    keys = [head["accessors"][sampler["input"]] for sampler in head["animations"][0]["samplers"]]
    bpy.ops.export_anim.bvh(filepath=f"{HERE}/arm.bvh", frame_start=0, frame_end=FRAMES)
    count, step = re.search(r"Frames: (\d+)\s+Frame Time: (\S+)", Path("arm.bvh").read_text()).groups()
    bpy.ops.wm.usd_export(filepath=f"{HERE}/arm.usda", export_animation=True)
    rate = float(re.search(r"timeCodesPerSecond = (\S+)", Path("arm.usda").read_text())[1])
    bpy.ops.export_scene.fbx(filepath=f"{HERE}/arm.fbx", add_leaf_bones=False)
    return {
        "glTF's keys": max(key["max"][0] for key in keys) - min(key["min"][0] for key in keys),
        "BVH's text": (int(count) - 1) * float(step),
        "USD's text": FRAMES / rate,
    }


IMPORTS = {
    "glTF": lambda: bpy.ops.import_scene.gltf(filepath=f"{HERE}/arm.gltf"),
    "FBX": lambda: bpy.ops.import_scene.fbx(filepath=f"{HERE}/arm.fbx"),
    "BVH": lambda: bpy.ops.import_anim.bvh(filepath=f"{HERE}/arm.bvh", use_fps_scale=True),
    "USD": lambda: bpy.ops.wm.usd_import(filepath=f"{HERE}/arm.usda"),
}
lines, worst = [f"bpy {bpy.app.version_string}"], 0.0
for fps, base in ((30, 1.0), (30, 1.001), (24, 1.001)):
    new_scene(fps, base)
    add_arm()
    true, found = FRAMES * base / fps, exported()
    for into in ((30, 1.0), (30, 1.001)):
        for name, read in IMPORTS.items():
            new_scene(*into)
            read()
            found[f"{name} read at {into[0] / into[1]:.2f}"] = length()
    lines.append(f"{fps / base:.3f} frames a second, {true:.3f} s:")
    for name, seconds in found.items():
        off = seconds / true - 1
        worst = max(worst, abs(off))
        lines.append(f"  {name:19} {seconds:7.3f} s, {100 * off:+.2f} %")
assert math.isfinite(worst)
print("\n".join(lines), file=sys.stderr)
sys.exit(worst < 5e-4)
PROGRAM
cd "$place"
"$python" rates.py > blender.log
