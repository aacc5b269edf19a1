"""EMDB: one person indoors and outdoors before a camera that travels, from body-worn sensors, in one world."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from numpy import ndarray

from vibe import assets
from vibe.assets import pickle_arrays
from vibe.body.keypoint_regressor import keypoints
from vibe.body.load import BESIDE, load_smpl
from vibe.body.pose import joints
from vibe.data.recording import GENDERS, File, RawSet, Recording
from vibe.data.sets import annotations
from vibe.skeletons import SMPL_BODY_POSE

LAYOUT = "P0/SEQUENCE/P0_SEQUENCE_data.pkl and P0/SEQUENCE/images/00000.jpg ..., P1/ ..., as its archives unpack"
FPS = 30.0
LARGEST = 1 << 28
"""Bytes of one sequence's file."""


def _files(root: Path) -> list[File]:
    if not (paths := annotations.find_files(root, "P*/*/*_data.pkl")):
        raise FileNotFoundError(f"there is no P*/*/*_data.pkl in {root}: it should hold {LAYOUT}")
    for file in (*(f"smpl_{gender}.npz" for gender in GENDERS[1:]), *BESIDE.values()):
        assets.library(file)
    return [(path.stem.removesuffix("_data"), path) for path in paths]


def _read(part: str, root: Path, name: str, path: Path) -> Iterator[Recording]:
    content = annotations.read_annotation_pickle(
        path, ("camera", "smpl", "bboxes", "gender", "good_frames_mask", "n_frames", part), "EMDB", LARGEST
    )
    if pickle_arrays.scalar(content[part], f"{path}: {part}"):
        yield _recording(root, name, path, content)


def _held(path: Path, content: dict[Any, Any], group: str, key: str, *shape: int | None) -> ndarray:
    """Numbers of one of the file's dicts; raises ValueError, which names them."""
    where, held = f"{path}: {key} of {group}", content[group]
    if not isinstance(held, dict) or key not in held:
        raise ValueError(f"{where} is not there: the annotation is damaged, copy it again")
    return annotations.check_numbers(pickle_arrays.numbers(held[key], where), shape, where)


def _recording(root: Path, name: str, path: Path, content: dict[Any, Any]) -> Recording:
    count = pickle_arrays.scalar(content["n_frames"], f"{path}: n_frames")
    good = annotations.check_numbers(
        pickle_arrays.numbers(content["good_frames_mask"], f"{path}: good_frames_mask"), (None,), f"{path}: its mask"
    )
    if count != len(good):
        raise ValueError(
            f"{path} has {count} frames and a mask of {len(good)}: the annotation is damaged, copy it again"
        )
    gender = pickle_arrays.text(content["gender"])
    if gender not in GENDERS:
        raise ValueError(f"{path}: the gender is none of {', '.join(GENDERS)}: copy the file again")
    read = partial(_held, path, content)
    T_cam_world, K_px = read("camera", "extrinsics", len(good), 4, 4), read("camera", "intrinsics", 3, 3)
    corners = read("bboxes", "bboxes", len(good), 4)
    poses = np.concatenate(
        [read("smpl", "poses_root", len(good), 3), read("smpl", "poses_body", len(good), SMPL_BODY_POSE)], 1
    )
    trans, betas = read("smpl", "trans", len(good), 3), read("smpl", "betas", None).ravel()[:10]
    if len(betas) != 10:
        raise ValueError(f"{path} has {len(betas)} numbers of shape, not 10: copy the file again")
    body = load_smpl(gender).to(dtype=torch.float64)
    rotmat, trans = annotations.turned_into_camera(T_cam_world, poses, trans, betas, body)
    shape, R_world_cam = torch.from_numpy(betas), T_cam_world[:, :3, :3].transpose(0, 2, 1)
    source = path.parent.relative_to(root) / "images"
    columns = {
        "poses": np.concatenate([roma.rotmat_to_rotvec(rotmat[:, 0]).numpy(), poses[:, 3:]], 1),
        "betas": np.tile(betas, (len(good), 1)),
        "trans": trans.numpy(),
        "points.smpl24": (joints(body, rotmat, shape) + trans[:, None]).numpy(),
        "points.spin49": (keypoints(body, rotmat, shape, "spin49") + trans[:, None]).numpy(),
        "box_px": np.concatenate([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], 1),
        "R_world_cam": R_world_cam,
        "t_world_cam": -(R_world_cam @ T_cam_world[:, :3, 3:])[..., 0],
        "valid": good > 0,
    }
    images = annotations.check_images(root / source, [f"{frame:05d}.jpg" for frame in range(len(good))])
    return Recording(
        name, np.arange(len(good)), FPS, columns, name.partition("_")[0], "test", source.as_posix(), images,
        gender=gender, K_px=K_px,
    )  # fmt: skip


def _set(number: int, what: str) -> RawSet:
    return RawSet(
        title=f"EMDB {number}, {what}",
        licence="EMDB, ETH Zurich: non-commercial scientific research only, no redistribution.",
        layout=LAYOUT,
        files=_files,
        read=partial(_read, f"emdb{number}"),
        recipe={
            "fps": FPS,
            "points.smpl24": "joints of the gendered SMPL body",
            "points.spin49": "SPIN's 49 joints of the gendered SMPL body",
            "box_px": "bboxes of the files",
            "valid": "good_frames_mask of the files",
        },
    )


EMDB_1 = _set(1, "the sequences on which poses are measured")
EMDB_2 = _set(2, "the sequences on which motion in the world is measured")
