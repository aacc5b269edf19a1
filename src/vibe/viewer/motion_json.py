"""What a page is told of a motion: numbers in few bytes, as JSON.

Real numbers are rounded to what nobody sees: rotations to 0.003 degrees, the surface to 0.03 mm. Frames and units are
those of docs/conventions.md; the page itself skins and interpolates (`page/src/`). Where the world is known people are
in it, y up, and the camera has a place in every frame; else they are in the camera's frame, and it has one place.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int16, Shaped, UInt16
from numpy import ndarray

from vibe import __version__
from vibe.arrays import as_numpy
from vibe.body.hands import ARMS, relaxed, relaxed_rotmat, smplh_rotmat, with_fingers
from vibe.body.outfit import colour, dressed, vertex_colours
from vibe.body.pose import rest_joints, rest_vertices, turn_root
from vibe.body.record import Body
from vibe.distortion import farthest_seen
from vibe.motion.platforms import Platform, find_platforms
from vibe.motion.record import Motion, Result
from vibe.motion.scene import R_SCENE_CAM, R_SCENE_WORLD, STILL, SceneOptions, build_scene
from vibe.records import Camera
from vibe.rotations import quaternions_from_rotmat
from vibe.skeletons import COCO, SMPL, SMPL_PARENTS, SMPLH

INFLUENCES = 4
"""Joints that may carry a vertex on a graphics card, as three.js does it."""
QUATERNION_UNIT = 32767
"""What 1 becomes in a quaternion."""
WEIGHT_UNIT = 65535
"""What 1 becomes in a weight of the skin."""
LEVEL = np.array(R_SCENE_CAM["y"])[None], np.array([[0.0, 1.5, 0.0]])
"""R and t from the camera to a level scene with y up and the lowest foot at height 0, where nobody tells it."""
ANGLE_UNIT = 10
"""What a degree becomes in a joint angle."""
SIDE_ANGLES = {
    "hip": "hip_flexion", "knee": "knee_flexion", "ankle": "ankle_dorsiflexion", "foot": "toes_extension",
    "shoulder": "shoulder_elevation", "elbow": "elbow_flexion", "wrist": "wrist_flexion",
}  # fmt: skip
MAIN_ANGLES = {"pelvis": "pelvis_tilt", "spine3": "lumbar_extension", "head": "neck_extension"} | {
    f"{side}_{joint}": f"{side}_{angle}" for side in ("left", "right") for joint, angle in SIDE_ANGLES.items()
}
"""The angle that is told of a joint, of several."""
R_SCENE = np.array(R_SCENE_WORLD["y"], np.float32)
"""From the world to the page's axes, whose y points up."""


def motion_json(
    result: Result, body: Body, edits: Mapping[str, Any] | None = None,
    points_px: Sequence[Sequence[Float[ndarray, "_ 27 2"]]] = (),
) -> str:  # fmt: skip
    """The whole motion, without a character that would end the script it stands in; raises ValueError.

    `body` is the one that the motion was made with. A shape in every frame becomes their mean. With `edits`, what their
    file says, they can be changed on the page; `points_px` are then everybody's `DETECTED27` in each view's picture.
    """
    plain = as_numpy(body)
    body, notes, world, where = plain, list(result.notes), result.world, LEVEL
    if any(len(motion.frames) for motion in result.people):
        scene = build_scene(result, body, SceneOptions(up="y", ground=True))
        assert scene.t_scene_cam is not None
        where = scene.R_scene_cam[:1], scene.t_scene_cam[:1]
        notes += [note for note in scene.notes if world is None and not note.startswith("person")]
    if world is not None:
        where = R_SCENE @ world.R_world_cam, world.t_world_cam @ R_SCENE.T
        notes.append(f"The world: {world}.")
    if body.hands is not None and any(motion.left_hand_pose is not None for motion in result.people):
        body = with_fingers(body)
    return _json(
        result.clip.path.name,
        result.camera,
        body,
        **_camera_path("camera" if world is None else "world", *where),
        views=_views(result, where[0][0], where[1][0]) if len(where[0]) else [],
        timestamps=_array(result.clip.timestamps.astype(np.float64)),
        platforms=[_platform(each) for each in find_platforms(result.numbered())] if world is not None else [],
        people=[
            _person(number, motion.in_world(world), body, plain)
            | ({"points": [_array(each) for each in points_px[number - 1]]} if points_px else {})
            for number, motion in enumerate(result.people, start=1)
        ],
        edits=edits,
        notes=notes,
    )


def _camera_path(
    space: str, R_scene_cam: Float[ndarray, "frame 3 3"], t_scene_cam: Float[ndarray, "frame 3"]
) -> dict[str, Any]:
    """Where the camera is in the scene: in every frame, or once where it stands still."""
    paths = {"R_scene_cam": R_scene_cam.astype(np.float64), "t_scene_cam": t_scene_cam.astype(np.float64)}
    if all(len(path) and np.ptp(path, axis=0).max() <= STILL for path in paths.values()):
        return {"space": space, **{name: path[0].flatten().tolist() for name, path in paths.items()}}
    return {"space": space, **{name: _array(path.astype(np.float32)) for name, path in paths.items()}}


def _views(
    result: Result, R_scene_cam: Float[ndarray, "3 3"], t_scene_cam: Float[ndarray, "3"]
) -> list[dict[str, Any]]:
    """The still cameras of several videos in the scene, where the first stands there; empty of one video."""
    views = []
    for view in result.views:
        R_scene_view = R_scene_cam @ view.R_view_ref.T
        t_scene_view = t_scene_cam - R_scene_view @ view.t_view_ref
        views.append({
            "video": view.clip.path.name,
            "timestamps": _array(view.clip.timestamps.astype(np.float64)),
            "offset": view.offset_s,
            **_seen_with(view.camera),
            "R_scene_cam": R_scene_view.astype(np.float64).flatten().tolist(),
            "t_scene_cam": t_scene_view.astype(np.float64).tolist(),
        })  # fmt: skip
    return views


def _seen_with(camera: Camera) -> dict[str, Any]:
    """What a page knows of a pinhole."""
    return {"width": camera.width, "height": camera.height, "K": camera.K_px.flatten().tolist()}


def _platform(platform: Platform) -> dict[str, Any]:
    """What people stand on above the floor, from a frame to a frame, in the page's axes."""
    centre = R_SCENE @ np.append(platform.centre, platform.height)
    return {
        "first": platform.first, "last": platform.last, "centre": centre.tolist(), "radius": platform.radius,
        "people": platform.people,
    }  # fmt: skip


def live_json(name: str, camera: Camera, body: Body) -> str:
    """The same for a page that people's poses are sent to as they happen: nobody is in it yet."""
    nothing = {"platforms": [], "people": [], "notes": [], "views": [], **_camera_path("camera", *LEVEL)}
    return _json(name, camera, body, live=True, timestamps=_array(np.zeros(1)), **nothing)


def _json(video: str, camera: Camera, body: Body, **rest: Any) -> str:
    joints, weights = body.influences(INFLUENCES)
    faces = as_numpy(body.faces)
    content = {
        "version": __version__,
        "video": video,
        **_seen_with(camera),
        "lens": _lens(camera),
        "joint_names": SMPL if body.parents == SMPL_PARENTS else SMPLH,
        "angle_names": MAIN_ANGLES,
        "keypoint_names": COCO,
        "parents": body.parents,
        "body": {
            "name": body.origin.name,
            "licence": body.origin.licence,
            "joints": _array(joints.astype(np.uint8)),
            "weights": _array(quantised_weights(weights)),
            "faces": _array(faces.astype(np.uint32 if len(body.v_template) > 65535 else np.uint16)),
        },
        **rest,
    }
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _lens(camera: Camera) -> dict[str, Any] | None:
    """How the film's lens bends, and up to which radius at unit distance that holds; None where it does not."""
    if camera.distortion is None:
        return None
    return {"distortion": camera.distortion.tolist(), "fisheye": camera.fisheye, "reach": farthest_seen(camera)}


def _person(number: int, motion: Motion, body: Body, plain: Body) -> dict[str, Any]:
    rotmat, pelvis = motion.smpl.rotmat, motion.smpl.pelvis
    if motion.R_world_cam is not None:
        rotmat, pelvis = turn_root(R_SCENE @ motion.R_world_cam, rotmat), motion.pelvis_world @ R_SCENE.T
    maybe = {} if motion.contacts is None else {"contacts": _levels(motion.contacts)}
    if motion.joints_std is not None:
        # of the mean axis: one number says on a page how far a joint may be off
        mean = np.sqrt(np.square(motion.joints_std[..., [0, 0, 1]]).mean(-1))
        maybe["std"] = _array(np.rint(1000 * mean).clip(max=np.iinfo(np.uint16).max).astype(np.uint16))
    return {
        **at_rest(number, motion.smpl.betas, body),
        **maybe,
        "name": motion.name,
        "frames": _array(motion.frames.astype(np.int32)),
        "rotations": _array(quantised_rotations(_with_fingers(rotmat, motion, body, plain))),
        "angles": _array(quantised_angles(motion.joint_angles(plain)[list(MAIN_ANGLES.values())].values)),
        "pelvis": _array(pelvis.astype(np.float32)),
        "confidence": _levels(motion.confidence),
        "keypoint_confidence": _levels(motion.keypoints_px[..., 2]),
    }


def _with_fingers(
    rotmat: Float[ndarray, "time 24 3 3"], motion: Motion, body: Body, plain: Body
) -> Float[ndarray, "time joint 3 3"]:
    """The rotations of the body's joints: with fingers where it has them, relaxed ones of who has none."""
    if body.parents == SMPL_PARENTS:
        return rotmat
    if motion.left_hand_pose is not None and motion.right_hand_pose is not None:
        return smplh_rotmat(rotmat, motion.left_hand_pose, motion.right_hand_pose)
    fingers = relaxed_rotmat(plain)
    return np.concatenate([rotmat[:, :ARMS], np.broadcast_to(fingers, (len(rotmat), *fingers.shape))], 1)


def _levels(confidence: Float[ndarray, "*b"]) -> dict[str, str]:
    """From 0 to 255; 0 is nothing at all."""
    return _array(np.ceil(255 * np.nan_to_num(confidence).clip(0, 1)).astype(np.uint8))


def at_rest(number: int, betas: Float[ndarray, "10"], body: Body) -> dict[str, Any]:
    """What one person looks like in the T-pose, without fingers that move with the hands hanging."""
    body = relaxed(dressed(body)) if body.parents == SMPL_PARENTS else with_fingers(dressed(body))
    surface = rest_vertices(body, betas).astype(np.float64)
    low = surface.min(0)
    step = float((surface - low).max()) / np.iinfo(np.uint16).max
    return {
        "number": number,
        "colour": colour(number).tolist(),
        "paint": _array(np.rint(255 * vertex_colours(body, number)).astype(np.uint8)),
        "rest": _array(rest_joints(body, betas).astype(np.float32)),
        "surface": _array(np.rint((surface - low) / step).astype(np.uint16)),
        "surface_low": low.tolist(),
        "surface_step": step,
    }


def quantised_angles(angles_deg: Float[ndarray, "time angle"]) -> Int16[ndarray, "time angle"]:
    """Tenths of degrees; what is wound up farther than an integer counts is brought back by whole turns."""
    short = angles_deg - 360 * np.round(angles_deg / 360) * (np.abs(angles_deg) > 3000)
    return np.rint(ANGLE_UNIT * short).astype(np.int16)


def quantised_rotations(rotmat: Float[ndarray, "time joint 3 3"]) -> Int16[ndarray, "time joint 4"]:
    """Unit quaternions x, y, z, w as whole numbers, 32767 for 1."""
    return np.rint(quaternions_from_rotmat(rotmat.astype(np.float64)) * QUATERNION_UNIT).astype(np.int16)


def quantised_weights(weights: Float[ndarray, "vertex 4"]) -> UInt16[ndarray, "vertex 4"]:
    """Weights of the skin as whole numbers whose sum is 65535 exactly: the first, which is the largest, gives way."""
    whole = np.rint(weights.astype(np.float64) * WEIGHT_UNIT).astype(np.int64)
    whole[:, 0] += WEIGHT_UNIT - whole.sum(1)
    return whole.astype(np.uint16)


def _array(numbers: Shaped[ndarray, "..."]) -> dict[str, str]:
    """An array for JSON: its kind of number, and its bytes, little-endian, row by row."""
    content = np.ascontiguousarray(numbers, numbers.dtype.newbyteorder("<")).tobytes()
    return {"kind": numbers.dtype.name, "base64": base64.b64encode(content).decode()}
