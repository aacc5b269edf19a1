# pyright: reportMissingImports=false, reportInvalidTypeForm=false
"""Blender add-on, 4.2 and later: File, Import, "vibe motion" opens a motion.npz, or a GLB that `vibe export` wrote.

The scene gets the video's frame rate, frame 0 being the video's first; the camera, with the video behind it; the
floor; and everybody as an armature. Of a motion.npz that has SMPL's 24 joints at rest in the person's size; the skin
comes with the GLB. docs/export.md says how it is installed, docs/conventions.md what is in the files.
"""

import json
import math
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import bpy
import numpy as np
from bpy.props import StringProperty
from bpy_extras.io_utils import ImportHelper
from mathutils import Matrix

bl_info = {
    "name": "vibe motion",
    "author": "vibe",
    "version": (1, 0, 0),
    "blender": (4, 2, 0),
    "location": "File > Import > vibe motion (.npz, .glb)",
    "description": "People, camera, floor and video of a motion that vibe estimated",
    "category": "Import-Export",
}
FORMAT = "vibe-motion 2"
LARGEST, MOST_FRAMES, MOST_PEOPLE, FASTEST = 1 << 31, 1 << 19, 1000, 1000.0
"""Bytes of a file unpacked, frames of all people together, people, and frames a second."""
BROKEN = (
    OSError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy raises of a damaged archive."""
NAMES = (
    "pelvis left_hip right_hip spine1 left_knee right_knee spine2 left_ankle right_ankle spine3 left_foot right_foot "
    "neck left_collar right_collar head left_shoulder right_shoulder left_elbow right_elbow left_wrist right_wrist "
    "left_hand right_hand"
).split()
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
"""SMPL's joints, and what they hang on."""
NEXT = {0: 3, 9: 12, **{PARENTS[joint]: joint for joint in (4, 5, 6, 7, 8, 9, 10, 11, *range(15, 24))}}
"""The joint that a joint's bone points at."""
TIP = 0.08
"""Metres of a bone that points at no joint."""
SAMPLES = 64
"""Frames that the places of joints at rest are read off."""
R_Z_UP_Y_UP = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
"""From the body at rest, which looks along z, to Blender's axes, where it looks along -y."""
R_Z_UP_CAM = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""From a level camera's axes (x right, y down, z forward) to Blender's."""
R_CAM_LENS = np.diag([1.0, -1.0, -1.0])
"""From Blender's camera, which looks along -z, to ours."""
FLOOR = 20
"""Metres, and squares, along a side."""


@dataclass(frozen=True)
class Person:
    """Somebody's motion in Blender's axes, metres."""

    frames: np.ndarray
    """[T] moments in frames of the video, not always whole."""
    rotvec: np.ndarray
    """[T, 24, 3] turns against the parent, of a body whose T-pose has Blender's axes; the first in the scene."""
    pelvis: np.ndarray
    """[T, 3]"""
    rest: np.ndarray
    """[24, 3] the T-pose, its lowest joint at height 0."""
    name: str
    """That somebody gave them, else their number."""


def read_motion(path):
    """The arrays of a motion.npz that are needed here; raises ValueError that says what is wrong with the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > LARGEST:
                raise ValueError(f"unpacks to more than {LARGEST >> 30} GB")
        with np.load(path, allow_pickle=False) as archive:
            version = str(archive["format"])
            if version != FORMAT:
                raise ValueError(f"has format {version[:40]!a}, and {FORMAT!a} is read here")
            return _checked({name: archive[name] for name in archive.files})
    except BROKEN as error:
        said = f"lacks {error}" if isinstance(error, KeyError) else str(error)[:200] or type(error).__name__
        raise ValueError(f"{path.name} {said}: give a motion.npz that this version of vibe wrote, or a GLB") from error


def _checked(arrays):
    """The arrays, once they fit each other; raises ValueError and KeyError."""
    times, people, fps = arrays["timestamps"], int(arrays["people"]), float(arrays["fps"])
    shapes = {"camera/K": (3, 3), "timestamps": (len(times),)}
    if "camera/R_world_cam" in arrays:
        shapes |= {"camera/R_world_cam": (len(times), 3, 3), "camera/t_world_cam": (len(times), 3)}
    if not 0 <= people <= MOST_PEOPLE or not 0 < fps <= FASTEST:
        raise ValueError(f"has {people} people at {fps:g} frames a second, which can't be shown")
    world = "_world" if "camera/R_world_cam" in arrays else ""
    rows = 0
    for number in range(1, people + 1):
        length = len(arrays[f"{number}/frames"])
        rows += length
        shapes |= {
            f"{number}/frames": (length,),
            f"{number}/body_pose": (length, 3 * len(PARENTS) - 3),
            f"{number}/joints": (length, len(PARENTS), 3),
            **{f"{number}/{name}{world}": (length, 3) for name in ("global_orient", "pelvis")},
            f"{number}/global_orient": (length, 3),
        }
        frames, name = arrays[f"{number}/frames"], arrays.get(f"{number}/name", np.array(""))
        if name.dtype.kind != "U" or name.shape or not name.item().isprintable():
            raise ValueError(f"has a damaged name of person {number}")
        if not length or frames.dtype.kind != "i" or not 0 <= frames.min() <= frames.max() < len(times):
            raise ValueError(f"has frames of person {number} that the video has not")
    for name, shape in shapes.items():
        if arrays[name].shape != shape or arrays[name].dtype.kind not in "if" or not np.isfinite(arrays[name]).all():
            raise ValueError(f"has damaged numbers in {name}")
    width, height = int(arrays["width"]), int(arrays["height"])
    if not rows <= MOST_FRAMES or not (0 < width <= 1 << 16 and 0 < height <= 1 << 16):
        raise ValueError(f"has {rows} frames of people and {width} x {height} pixels, which can't be shown")
    if not (arrays["camera/K"].diagonal() > 0).all():
        raise ValueError("has a camera without a focal length")
    return arrays


def people_of(arrays):
    """Everybody in Blender's axes: those of the world, where the motion has one, else of a level camera."""
    moments = arrays["timestamps"] * float(arrays["fps"])
    moments = np.where(np.abs(moments - np.rint(moments)) < 0.05, np.rint(moments), moments)
    world = "camera/R_world_cam" in arrays
    R_scene, suffix = (np.eye(3), "_world") if world else (R_Z_UP_CAM, "")
    people = []
    for number in range(1, int(arrays["people"]) + 1):
        of = {name: arrays[f"{number}/{name}"].astype(float) for name in ("global_orient", "body_pose", "joints")}
        local = of["body_pose"].reshape(len(of["joints"]), -1, 3)
        rest = _rest(rotations(np.concatenate([of["global_orient"][:, None], local], 1)), of["joints"])
        root = R_scene @ rotations(arrays[f"{number}/global_orient{suffix}"].astype(float)) @ R_Z_UP_Y_UP.T
        turns = np.array([_rotvec(matrix) for matrix in root])
        people.append(
            Person(
                frames=moments[arrays[f"{number}/frames"]],
                rotvec=np.concatenate([turns[:, None], local @ R_Z_UP_Y_UP.T], 1),
                pelvis=arrays[f"{number}/pelvis{suffix}"].astype(float) @ R_scene.T,
                rest=rest,
                name=str(arrays.get(f"{number}/name", "")) or f"person {number}",
            )
        )
    return people


def _rest(local, joints):
    """Joints at rest in Blender's axes: the steps between joints as their parents see them, which do not change."""
    rows = np.unique(np.linspace(0, len(joints) - 1, SAMPLES).astype(int))
    local, joints = local[rows], joints[rows]
    turned, rest = [local[:, 0]], [np.zeros(3)]
    for joint, parent in enumerate(PARENTS[1:], start=1):
        turned.append(turned[parent] @ local[:, joint])
        steps = np.einsum("tji,tj->ti", turned[parent], joints[:, joint] - joints[:, parent])
        rest.append(rest[parent] + R_Z_UP_Y_UP @ np.median(steps, 0))
    rest = np.stack(rest)
    return rest - [0, 0, rest[:, 2].min()]


def rotations(rotvec):
    """Rotation matrices [..., 3, 3] of axis-angle vectors [..., 3]."""
    angle = np.linalg.norm(rotvec, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(rotvec, -1, 0)
    cross = np.stack([0 * x, -z, y, z, 0 * x, -x, -y, x, 0 * x], -1).reshape(*rotvec.shape, 3)
    return np.eye(3) + np.sinc(angle / np.pi) * cross + 0.5 * np.sinc(angle / 2 / np.pi) ** 2 * cross @ cross


def _unit(way):
    return way / max(np.linalg.norm(way), 1e-9)


def _rotvec(matrix):
    axis, angle = Matrix(matrix).to_quaternion().to_axis_angle()
    return np.array(axis) * angle


def quaternions(rotvec):
    """Quaternions w x y z [T, 4] of axis-angle vectors [T, 3], without a change of sign from one to the next."""
    half = np.linalg.norm(rotvec, axis=-1, keepdims=True) / 2
    turns = np.concatenate([np.cos(half), np.sinc(half / np.pi) * rotvec / 2], -1)
    flips = np.where((turns[1:] * turns[:-1]).sum(-1) < 0, -1.0, 1.0)
    turns[1:] *= np.cumprod(flips)[:, None]
    return turns


def add_person(collection, person):
    """An armature whose action has a key in each of the person's frames."""
    armature = bpy.data.objects.new(person.name, bpy.data.armatures.new(person.name))
    collection.objects.link(armature)
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    for joint, place in enumerate(person.rest):
        bone, parent = armature.data.edit_bones.new(NAMES[joint]), PARENTS[joint]
        way = person.rest[NEXT[joint]] - place if joint in NEXT else TIP * _unit(place - person.rest[parent])
        bone.head, bone.tail = place, place + (way if np.linalg.norm(way) > TIP / 10 else [0, 0, TIP])
        bone.parent = armature.data.edit_bones[NAMES[parent]] if joint else None
    bpy.ops.object.mode_set(mode="OBJECT")
    action = new_action(armature, person.name)
    for joint, name in enumerate(NAMES):
        R_body_bone = np.array(armature.data.bones[name].matrix_local)[:3, :3]
        path = f'pose.bones["{name}"].'
        turns = quaternions(person.rotvec[:, joint] @ R_body_bone)
        add_keys(action, armature, path + "rotation_quaternion", person.frames, turns)
        if not joint:
            add_keys(action, armature, path + "location", person.frames, (person.pelvis - person.rest[0]) @ R_body_bone)


def new_action(thing, name):
    """An action that moves an object."""
    action = bpy.data.actions.new(name)
    thing.animation_data_create().action = action
    return action


def add_keys(action, thing, path, frames, numbers):
    """Keys [T, n] of n numbers of an object, straight lines between them."""
    for index, column in enumerate(numbers.T):
        if hasattr(action, "fcurve_ensure_for_datablock"):
            curve = action.fcurve_ensure_for_datablock(thing, path, index=index)
        else:
            curve = action.fcurves.new(path, index=index)
        curve.keyframe_points.add(len(frames))
        curve.keyframe_points.foreach_set("co", np.stack([frames, column], 1).astype(np.float32).ravel())
        curve.keyframe_points.foreach_set("interpolation", np.ones(len(frames), np.int32))  # LINEAR
        curve.update()


def add_camera(scene, collection, arrays):
    """The camera that the video was seen with; the picture's size and the shape of its pixels are the scene's."""
    (fx, _, cx), (_, fy, cy), _ = arrays["camera/K"].tolist()
    width, height = int(arrays["width"]), int(arrays["height"])
    render = scene.render
    render.resolution_x, render.resolution_y, render.resolution_percentage = width, height, 100
    render.pixel_aspect_x, render.pixel_aspect_y = max(1, fy / fx), max(1, fx / fy)
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    collection.objects.link(camera)
    camera.data.sensor_fit, camera.data.lens = "HORIZONTAL", fx / width * camera.data.sensor_width
    camera.data.shift_x, camera.data.shift_y = (width / 2 - cx) / width, (cy - height / 2) / width * fx / fy
    camera.rotation_mode = "QUATERNION"
    if "camera/R_world_cam" not in arrays:
        camera.matrix_world = Matrix(R_Z_UP_CAM @ R_CAM_LENS).to_4x4()
        return camera
    turns = quaternions(np.array([_rotvec(matrix) for matrix in arrays["camera/R_world_cam"] @ R_CAM_LENS]))
    places, frames = arrays["camera/t_world_cam"], arrays["timestamps"] * float(arrays["fps"])
    if np.ptp(turns, 0).max() < 1e-6 and np.ptp(places, 0).max() < 1e-6:
        frames, turns, places = frames[:1], turns[:1], places[:1]
    action = new_action(camera, "camera")
    add_keys(action, camera, "rotation_quaternion", frames, turns)
    add_keys(action, camera, "location", frames, places)
    return camera


def add_floor(collection):
    """Squares of a metre at height 0, which catch shadows in Cycles."""
    lines, row = np.arange(FLOOR + 1) - FLOOR / 2, FLOOR + 1
    first = [number for number in range(FLOOR * row) if number % row < FLOOR]
    mesh = bpy.data.meshes.new("floor")
    mesh.from_pydata([(x, y, 0) for y in lines for x in lines], [], [(k, k + 1, k + row + 1, k + row) for k in first])
    floor = bpy.data.objects.new("floor", mesh)
    floor.display_type, floor.is_shadow_catcher = "WIRE", True
    collection.objects.link(floor)


def read_glb(path):
    """The JSON of a GLB that vibe wrote, all its bytes, and what it says of its video; raises ValueError."""
    content = bytearray(path.read_bytes())
    try:
        magic, version, length, size, kind = struct.unpack_from("<4sIII4s", content)
        head = json.loads(content[20 : 20 + size])
        said = [each.get("extras", {}) for each in (head["asset"], *head.get("animations", []))]
        about = next(each for each in said if "start_seconds" in each)
        fps, start, video = float(about["fps"]), float(about["start_seconds"]), str(about["video"])
    except (*BROKEN, RecursionError, StopIteration, struct.error, AttributeError) as error:
        raise ValueError(f"{path.name} is no GLB that vibe export wrote: use File, Import, glTF 2.0") from error
    whole = (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    if not whole or not 0 < fps <= FASTEST or not 0 <= start < 1e6:
        raise ValueError(f"{path.name} is a damaged GLB: export it again")
    return head, content, about | {"fps": fps, "first": -start * fps, "video": video}


def stretch(head, content, share):
    """Stretch the times of a GLB's animations in its bytes; raises what `BROKEN` has."""
    binary = 28 + struct.unpack_from("<I", content, 12)[0]
    for index in {each["input"] for animation in head.get("animations", []) for each in animation["samplers"]}:
        accessor = head["accessors"][index]
        first = binary + head["bufferViews"][accessor["bufferView"]].get("byteOffset", 0)
        times = np.frombuffer(content, "<f4", accessor["count"], first + accessor.get("byteOffset", 0))
        times *= share


def open_glb(scene, path):
    """Blender's own importer's people and camera, with keys on whole frames, and the floor; the camera and notes.

    Importers (5.0) place keys late at rates such as 29.97, so the file's clock is brought to a whole rate before.
    """
    head, content, about = read_glb(path)
    before, actions = set(scene.objects), set(bpy.data.actions)
    scene.render.fps, scene.render.fps_base = max(1, round(about["fps"])), 1
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        try:
            stretch(head, content, about["fps"] / scene.render.fps)
            copy.write_bytes(content)
            bpy.ops.import_scene.gltf(filepath=str(copy), bone_heuristic="BLENDER")
        except (*BROKEN, AttributeError) as error:
            raise ValueError(f"{path.name} can't be read ({str(error)[:200]}): export it again") from error
    scene.frame_end = max([1, *(math.ceil(each.frame_range[1]) for each in set(bpy.data.actions) - actions)])
    if about.get("space") == "world":
        add_floor(scene.collection)
    cameras = [each for each in scene.objects if each.type == "CAMERA" and each not in before]
    if cameras:
        shape = next(iter(head.get("cameras", [])), {}).get("perspective", {}).get("aspectRatio") or 16 / 9
        scene.render.resolution_y = max(4, round(scene.render.resolution_x / shape))
    return (cameras or [None])[0], about


def open_motion(scene, path):
    """People as armatures, the camera and the floor of a motion.npz; the camera and what is known of the video."""
    arrays = read_motion(path)
    people = people_of(arrays)
    if not people:
        raise ValueError(f"{path.name} has nobody in it: choose the motion of a video in which somebody was found")
    collection = bpy.data.collections.new(path.parent.name or path.stem)
    scene.collection.children.link(collection)
    for person in people:
        add_person(collection, person)
    if "camera/R_world_cam" in arrays:
        add_floor(collection)
    scene.frame_end = max(1, len(arrays["timestamps"]) - 1)
    about = {"fps": float(arrays["fps"]), "first": 0.0, "video": str(arrays["video"])}
    if "camera/distortion" in arrays:
        about["note"] = "the lens bends the picture, Blender's camera does not: bodies lie beside people near its rim"
    return add_camera(scene, collection, arrays), about


def find_video(told, motion, chosen):
    """The video that was chosen, or the one of that name beside the motion or above it, or at its full path.

    A path of a network's is never followed: the file may be a stranger's. None where there is no such video.
    """
    name = PureWindowsPath(told).name
    places = [folder / name for folder in (motion.parent, *list(motion.parent.parents)[:3])] if name else []
    if Path(told).is_absolute() and not str(PureWindowsPath(told)).startswith("\\\\"):  # by either slash, or both
        places.append(Path(told))
    return next((each for each in ([Path(chosen)] if chosen else places) if each.is_file()), None)


def show_video(scene, camera, video, about):
    """The video behind the camera, from the frame at which it begins; a sentence on what does not fit, or None."""
    clip = bpy.data.movieclips.load(str(video))
    if not min(clip.size):
        bpy.data.movieclips.remove(clip)
        return f"{video.name} is no video that Blender can read: convert it to H.264 in MP4"
    clip.frame_start = round(about["first"])
    picture = camera.data.background_images.new()
    picture.source, picture.clip, picture.alpha = "MOVIE_CLIP", clip, 1
    camera.data.show_background_images = True
    shape = scene.render.resolution_x / scene.render.resolution_y
    if abs(clip.size[0] / clip.size[1] / shape - 1) > 0.01:
        return f"{video.name} has {clip.size[0]} x {clip.size[1]} pixels, which is not the shape of the motion's video"
    scene.render.resolution_x, scene.render.resolution_y = clip.size
    if abs(clip.fps / about["fps"] - 1) > 0.01:
        return f"{video.name} has {clip.fps:.5g} frames a second, the motion {about['fps']:.5g}: they run apart"
    return None


class ImportVibeMotion(bpy.types.Operator, ImportHelper):
    """Import people, camera, floor and video of a motion.npz, or of a GLB that vibe exported"""

    bl_idname = "import_scene.vibe_motion"
    bl_label = "Import vibe motion"
    bl_options = {"REGISTER", "UNDO"}
    filter_glob: StringProperty(default="*.npz;*.glb", options={"HIDDEN"})
    video: StringProperty(name="Video", description="Where it is not beside the motion", subtype="FILE_PATH")

    def execute(self, context):
        """What Blender calls once the file is chosen."""
        path, scene = Path(bpy.path.abspath(self.filepath)), context.scene
        if context.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        try:
            if not path.is_file() or path.stat().st_size > LARGEST:
                raise ValueError(f"{path} is no file of at most {LARGEST >> 30} GB: choose a motion.npz or a GLB")
            opened = open_glb if path.suffix.lower() == ".glb" else open_motion
            camera, about = opened(scene, path)
        except (ValueError, OSError) as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        scene.frame_start, scene.render.fps = 0, max(1, round(about["fps"]))
        scene.render.fps_base = scene.render.fps / about["fps"]
        notes = [about["note"]] if "note" in about else []
        if camera:
            scene.camera = camera
            video = find_video(about["video"], path, bpy.path.abspath(self.video))
            lost = f"the video {about['video'][:200]} is not beside the motion: choose it in the import dialog"
            notes.append(show_video(scene, camera, video, about) if video else lost)
        for note in filter(None, notes):
            self.report({"WARNING"}, note)
        return {"FINISHED"}


def menu(self, _):
    """The line in File, Import."""
    self.layout.operator(ImportVibeMotion.bl_idname, text="vibe motion (.npz, .glb)")


def register():
    """What Blender calls when the add-on is switched on."""
    bpy.utils.register_class(ImportVibeMotion)
    bpy.types.TOPBAR_MT_file_import.append(menu)


def unregister():
    """When it is switched off."""
    bpy.types.TOPBAR_MT_file_import.remove(menu)
    bpy.utils.unregister_class(ImportVibeMotion)
