"""vibe_output.pkl: a result in the published program's format, for the tools built on it; nothing is pickled."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe import cameras
from vibe.arrays import as_numpy
from vibe.assets import whole_file
from vibe.body import Body, find_body, joints_and_keypoints, vertices
from vibe.motion import Motion, Result
from vibe.records import Progress, SmplParams
from vibe.skeletons import COCO, STAF21, convert_joints

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
