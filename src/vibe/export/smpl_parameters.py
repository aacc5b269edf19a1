"""SMPL's own parameters: AMASS's .npz, for Blender's add-on and aitviewer; JSON with the smplx package's names; and
vibe_output.pkl, the published program's format, for the tools built on it (nothing is pickled).
"""

from __future__ import annotations

import io
import json
import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import NDArray

from vibe import __version__, assets, cameras
from vibe.arrays import as_numpy
from vibe.assets import whole_file
from vibe.body import Body, find_body, joints_and_keypoints, vertices
from vibe.motion import Motion, Result
from vibe.motion.scene import Character, Scene
from vibe.records import Progress, SmplParams
from vibe.rotations import rotvec_from_rotmat
from vibe.skeletons import COCO, STAF21, convert_joints

BODY_JOINTS = 22
"""Joints that SMPL, SMPL-H and SMPL-X share: pelvis to wrists."""
COLUMNS = 156
"""Of a pose in SMPL-H: 52 joints; those of the fingers are 0 of who has none."""


def in_smpl(scene: Scene, character: Character, body: Body) -> tuple[SmplParams, Float[ndarray, "3"], str]:
    """The person as SMPL's software takes them, the place of the pelvis at rest, and the gender.

    Betas are zero, and the pelvis at rest is the mean body's, where the motion was made with a body whose betas mean
    other shapes. The translation that SMPL adds to a posed body (`transl`, AMASS's `trans`) is the pelvis minus that.
    """
    if not scene.body.name.lower().startswith("smpl"):
        smpl = SmplParams(character.smpl.rotmat, np.zeros_like(character.smpl.betas), character.smpl.pelvis)
        return smpl, body.J_template[0], "neutral"
    words = scene.body.name.lower().split()
    return character.smpl, character.rest[0], next((word for word in ("female", "male") if word in words), "neutral")


def write_amass(path: Path, scene: Scene, character: Character, body: Body) -> None:
    """One person's motion, written whole or not at all; raises OSError."""
    smpl, pelvis_at_rest, gender = in_smpl(scene, character, body)
    poses = np.zeros((len(smpl.rotmat), COLUMNS))
    poses[:, : 3 * BODY_JOINTS] = rotvec_from_rotmat(smpl.rotmat[:, :BODY_JOINTS]).reshape(len(poses), -1)
    if character.fingers is not None:
        poses[:, 3 * BODY_JOINTS :] = rotvec_from_rotmat(character.fingers).reshape(len(poses), -1)
    content = io.BytesIO()
    contacts: dict[str, Any] = {} if character.contacts is None else {"contacts": character.contacts}
    np.savez(
        content,
        poses=poses.astype(np.float32),
        betas=smpl.betas.astype(np.float32),
        trans=(smpl.pelvis - pelvis_at_rest).astype(np.float32),
        pelvis=smpl.pelvis.astype(np.float32),
        pelvis_at_rest=pelvis_at_rest.astype(np.float32),
        gender=np.array(gender),
        mocap_framerate=np.array(scene.fps),
        mocap_frame_rate=np.array(scene.fps),
        surface_model_type=np.array("smplh"),
        axes=np.array(f"right-handed, {scene.up} up; metres, radians"),
        space=np.array(scene.space),
        start_seconds=np.array(scene.start + character.first / scene.fps),
        confidence=character.confidence.astype(np.float32),
        body=np.array([scene.body.name, scene.body.sha256]),
        body_betas=character.smpl.betas.astype(np.float32),
        vibe_version=np.array(__version__),
        **contacts,
    )
    assets.write_whole(path, content.getvalue())


def write_smplx_json(path: Path, scene: Scene, character: Character, body: Body) -> None:
    """One person's motion, a row a frame, written whole or not at all; raises OSError.

    `transl` is for a body whose pelvis rests at `pelvis_at_rest`: for another, SMPL-X's among them, it is `pelvis`
    minus that body's own.
    """
    smpl, pelvis_at_rest, gender = in_smpl(scene, character, body)
    poses = rotvec_from_rotmat(smpl.rotmat[:, :BODY_JOINTS])
    content = {
        "gender": gender,
        "betas": _rounded(smpl.betas),
        "fps": scene.fps,
        "start_seconds": scene.start + character.first / scene.fps,
        "units": "metres, seconds, radians",
        "axes": f"right-handed, {scene.up} up",
        "space": scene.space,
        "body": {"name": scene.body.name, "sha256": scene.body.sha256, "betas": _rounded(character.smpl.betas)},
        "vibe_version": __version__,
        "global_orient": _rounded(poses[:, 0]),
        "body_pose": _rounded(poses[:, 1:].reshape(len(poses), -1)),
        "transl": _rounded(smpl.pelvis - pelvis_at_rest),
        "pelvis": _rounded(smpl.pelvis),
        "pelvis_at_rest": _rounded(pelvis_at_rest),
        **({} if character.contacts is None else {"contacts": _rounded(character.contacts)}),
        **_hands(character),
    }
    assets.write_whole(path, (json.dumps(content) + "\n").encode())


def _hands(character: Character) -> dict[str, list]:
    """A row a frame of either hand; nothing of who has no fingers."""
    if character.fingers is None:
        return {}
    flat = rotvec_from_rotmat(character.fingers).reshape(len(character.fingers), 2, -1)
    return {f"{side}_hand_pose": _rounded(flat[:, hand]) for hand, side in enumerate(("left", "right"))}


def _rounded(numbers: ndarray) -> list:
    """The numbers, the finest step a hundredth of a millimetre or of a milliradian."""
    return numbers.astype(np.float64).round(5).tolist()


KINDS = {"float32": "f4", "int64": "i8"}
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
"""An empty array, to be filled."""


@dataclass(frozen=True)
class PickleStream:
    """An array that comes in parts along its first axis."""

    shape: tuple[int, ...]
    parts: Iterable[NDArray]
    kind: str = "float32"


Value = PickleStream | NDArray | Mapping
Write = Callable[[bytes | memoryview], object]


def write_pickle(write: Write, content: Mapping[int, Value] | Mapping[str, Value]) -> None:
    """Hand the bytes of nested dictionaries to `write`: keys are words or numbers, arrays float32 or int64."""
    write(b"\x80\x04")
    _write_value(write, content)
    write(b".")


def _write_value(write: Write, value: Value) -> None:
    if isinstance(value, Mapping):
        write(b"}")
        for key, below in value.items():
            write(_word(key) if isinstance(key, str) else _number(key))
            _write_value(write, below)
            write(b"s")
    else:
        _write_array(
            write, value if isinstance(value, PickleStream) else PickleStream(value.shape, (value,), value.dtype.name)
        )


def _write_array(write: Write, array: PickleStream) -> None:
    """The call that makes an array, then its state: version, shape, kind of number, order of axes, bytes."""
    kind = np.dtype(KINDS[array.kind]).newbyteorder("<")
    size = math.prod(array.shape) * kind.itemsize
    shape = b"(" + b"".join(map(_number, array.shape)) + b"t"
    number = b"cnumpy\ndtype\n" + _word(KINDS[array.kind]) + b"\x89\x88\x87R"
    order = b"(K\x03" + _word("<") + b"NNN" + _number(-1) + _number(-1) + b"K\x00tb"
    write(RECONSTRUCT + b"(K\x01" + shape + number + order + b"\x89\x8e" + struct.pack("<Q", size))
    written = 0
    for part in array.parts:
        content = np.ascontiguousarray(part, kind)
        assert content.shape[1:] == array.shape[1:], "a part has another shape than the whole"
        write(content.data)
        written += content.nbytes
    assert written == size, f"{written} bytes came, {size} were promised"
    write(b"tb")


def _number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def _word(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


CHUNK = 64
"""Frames whose vertices are held at a time."""


def write_legacy(path: Path, result: Result, body: Body, progress: Progress | None = None) -> None:
    """Write everybody's motion whole or not at all, people numbered from 1; raises OSError.

    `body` is the one that the result was made with; ValueError if it is another.
    """
    body = as_numpy(find_body(result.body, body))
    size = result.camera.width, result.camera.height
    done, total = 0, sum(len(motion) for motion in result.people)

    def count(frames: int) -> None:
        nonlocal done
        done += frames
        if progress:
            progress("vertices", done, total)

    content = {number: _person(motion, body, size, count) for number, motion in enumerate(result.people, start=1)}
    with whole_file(Path(path)) as file:
        write_pickle(file.write, content)


def _person(
    motion: Motion, body: Body, size: tuple[int, int], count: Callable[[int], None]
) -> dict[str, NDArray | PickleStream]:
    """The ten arrays of one person, in the published order."""
    smpl, frames = motion.smpl_shaped, len(motion)
    centre_px, side_px = motion.box_px[:, :2], cameras.crop_side(motion.box_px)
    read = [joints_and_keypoints(body, part.rotmat, part.betas, points="spin49")[1] for part in _chunks(smpl)]
    joints = np.concatenate(read)
    in_crop = cameras.project_in_crop(joints, motion.pred_cam)
    content = {
        "pred_cam": motion.pred_cam,
        "orig_cam": cameras.picture_camera(motion.pred_cam, centre_px, side_px, size),
        "verts": PickleStream((frames, len(body.v_template), 3), _surfaces(body, smpl, count)),
        "pose": np.concatenate([motion.global_orient, motion.body_pose], 1),
        "betas": np.broadcast_to(smpl.betas, (frames, smpl.betas.shape[-1])),
        "joints3d": joints,
        "joints2d": convert_joints(motion.keypoints_px, [f"op_{name}" for name in COCO], STAF21),
        "joints2d_img_coord": cameras.crop_to_picture(in_crop, centre_px, side_px),
        "bboxes": np.concatenate([centre_px, motion.box_px[:, 2:].max(1, keepdims=True).repeat(2, 1)], 1),
    }
    single = {name: each.astype(np.float32) if isinstance(each, np.ndarray) else each for name, each in content.items()}
    return {**single, "frame_ids": motion.frames.astype(np.int64)}


def _chunks(smpl: SmplParams) -> Iterator[SmplParams]:
    """Some frames at a time; an empty chunk if there are none."""
    for start in range(0, max(len(smpl.rotmat), 1), CHUNK):
        yield smpl.at(slice(start, start + CHUNK))


def _surfaces(body: Body, smpl: SmplParams, count: Callable[[int], None]) -> Iterator[NDArray[np.float32]]:
    """Vertices, some frames at a time, about the body's own origin."""
    for part in _chunks(smpl):
        yield vertices(body, part.rotmat, part.betas)
        count(len(part.rotmat))
