"""vibe_output.pkl: a result in the published program's form, for the tools that were built on it.

Names, shapes and axes are its own (docs/conventions.md, "vibe_output.pkl"). One thing differs: the cameras of the whole
picture use the side of the crop that the camera was found in, where the published ones take the box before it is
widened by 1.1 and so draw people 9 % too small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from vibe import cameras
from vibe.assets import whole_file
from vibe.body import Body, find_body, joints_and_keypoints, vertices
from vibe.motion import Motion, Result
from vibe.records import Progress
from vibe.results.pickles import Stream, write_pickle
from vibe.skeletons import COCO, STAF21, convert

CHUNK = 64
"""Frames whose vertices are held at a time."""


def write_legacy(path: Path, result: Result, body: Body, progress: Progress | None = None) -> None:
    """Write everybody's motion whole or not at all, people numbered from 1; raises OSError.

    `body` is the one that the result was made with; ValueError if it is another.
    """
    find_body(result.body, body)
    size = result.camera.width, result.camera.height
    total = sum(len(motion.frames) for motion in result.people)
    count = _counter(progress, total)
    content = {number: _person(motion, body, size, count) for number, motion in enumerate(result.people, start=1)}
    with whole_file(Path(path)) as file:
        write_pickle(file.write, content)


def _person(
    motion: Motion, body: Body, size: tuple[int, int], count: Callable[[int], None]
) -> dict[str, NDArray | Stream]:
    """The ten arrays of one person, in the published order."""
    pose = torch.cat([motion.global_orient, motion.body_pose], 1)
    betas = motion.betas.expand(len(pose), -1)
    centre_px, side_px = motion.box_px[:, :2], cameras.crop_side(motion.box_px)
    with torch.no_grad():
        read = [joints_and_keypoints(body, *chunk, points="spin49")[1] for chunk in _chunks(pose, betas)]
    joints = torch.cat(read)
    in_crop = cameras.project_in_crop(joints, motion.pred_cam)
    return {
        "pred_cam": _array(motion.pred_cam),
        "orig_cam": _array(cameras.picture_camera(motion.pred_cam, centre_px, side_px, size)),
        "verts": Stream((len(pose), len(body.v_template), 3), _surfaces(body, pose, betas, count)),
        "pose": _array(pose),
        "betas": _array(betas),
        "joints3d": _array(joints),
        "joints2d": _array(convert(motion.keypoints_px, [f"op_{name}" for name in COCO], STAF21)),
        "joints2d_img_coord": _array(cameras.crop_to_picture(in_crop, centre_px, side_px)),
        "bboxes": _array(torch.cat([centre_px, motion.box_px[:, 2:].amax(1, keepdim=True).expand(-1, 2)], 1)),
        "frame_ids": motion.frames.numpy().astype(np.int64),
    }


def _chunks(
    pose: Float[Tensor, "time 72"], betas: Float[Tensor, "time 10"]
) -> Iterator[tuple[Float[Tensor, "chunk 24 3 3"], Float[Tensor, "chunk 10"]]]:
    """Rotations and betas, some frames at a time; an empty chunk if there are none."""
    for start in range(0, max(len(pose), 1), CHUNK):
        rotvec = pose[start : start + CHUNK].unflatten(1, (24, 3))
        yield roma.rotvec_to_rotmat(rotvec), betas[start : start + CHUNK]


def _surfaces(
    body: Body, pose: Float[Tensor, "time 72"], betas: Float[Tensor, "time 10"], count: Callable[[int], None]
) -> Iterator[NDArray[np.float32]]:
    """Vertices, some frames at a time, about the body's own origin."""
    for rotmat, shape in _chunks(pose, betas):
        with torch.no_grad():
            surface = vertices(body, rotmat, shape)
        count(len(rotmat))
        yield _array(surface)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.numpy().astype(np.float32)


def _counter(progress: Progress | None, total: int) -> Callable[[int], None]:
    """Adds up the frames that are done and passes the sum on."""
    done = 0

    def count(frames: int) -> None:
        nonlocal done
        done += frames
        if progress:
            progress("vertices", done, total)

    return count
