"""AIST++: dancers before nine cameras, with SMPL's motion fitted to them; as motion alone, or with the videos."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from numpy import ndarray

from vibe.assets import pickle_arrays
from vibe.data.motion import FPS
from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets import annotations
from vibe.data.sets.mocap import MOCAP_RECIPE, mocap_recording, pelvis_at_rest
from vibe.errors import damaged
from vibe.records import SmplParams

RATE = 60.0
"""Frames a second of videos and annotations."""
STEP = int(RATE / FPS)
VIEWS = tuple(f"c{number:02d}" for number in range(1, 10))
GENDER = "male"
"""Of the body that the set's owners fitted to everyone, in the mean shape."""
LARGEST = 1 << 28
"""Bytes of a pickle."""
LAYOUT = "motions/*.pkl, splits/pose_train.txt, pose_val.txt and pose_test.txt, and ignore_list.txt"
VIDEO_LAYOUT = f"{LAYOUT}, keypoints2d/*.pkl, keypoints3d/*.pkl, cameras/mapping.txt and setting*.json, videos/*.mp4"


def read_motion(path: Path) -> tuple[SmplParams, float]:
    """The motion in the set's world, y up, in metres of the mean body, which the set scales to its dancer; and how many
    of that world's units, about centimetres, make one of these. Raises OSError, or ValueError with the file and what is
    wrong."""
    content = _content(path, ("smpl_poses", "smpl_trans", "smpl_scaling"))
    poses = _numbers(path, content, "smpl_poses")
    poses = annotations.check_numbers(poses.reshape(len(poses), -1), (None, 72), f"{path}: smpl_poses")
    trans = annotations.check_numbers(_numbers(path, content, "smpl_trans"), (len(poses), 3), f"{path}: smpl_trans")
    scaling = _numbers(path, content, "smpl_scaling").reshape(-1)[:1]
    unit = float(annotations.check_numbers(scaling, (1,), f"{path}: smpl_scaling")[0])
    if not 1 < unit < 1000:
        raise ValueError(
            f"{path}: smpl_scaling is {unit}, and about 90 is expected: the file is damaged, copy it again"
        )
    rotmat = roma.rotvec_to_rotmat(torch.from_numpy(poses).unflatten(1, (-1, 3)))
    pelvis = torch.from_numpy(trans) / unit + pelvis_at_rest()
    return SmplParams(rotmat, pelvis.new_zeros(10), pelvis), unit


def _content(path: Path, keys: Sequence[str]) -> dict[Any, Any]:
    return annotations.read_annotation_pickle(path, keys, "AIST++", LARGEST)


def _numbers(path: Path, content: dict[Any, Any], key: str) -> ndarray:
    return pickle_arrays.numbers(content[key], f"{path}: {key}")


def _files(raw: Path) -> list[File]:
    """The motion of each sequence, without those to be ignored; raises FileNotFoundError if a list is missing."""
    lists = [f"splits/pose_{name}.txt" for name in annotations.SPLITS]
    annotations.require(raw, LAYOUT, "motions", "ignore_list.txt", *lists)
    ignored = set((raw / "ignore_list.txt").read_text("utf-8", "replace").split())
    return [(path.stem, path) for path in annotations.find_files(raw, "motions/*.pkl") if path.stem not in ignored]


def _subject(name: str) -> str:
    return next((word for word in name.split("_") if word[:1] == "d" and word[1:].isdecimal()), "")


def _take(raw: Path, name: str, path: Path) -> tuple[str, SmplParams, float]:
    """A sequence's split, and what `read_motion` says of it."""
    for listed, split in reversed(annotations.SPLITS.items()):
        names = (raw / "splits" / f"pose_{listed}.txt").read_text("utf-8", "replace")
        if name in re.sub("_c0[1-9]_", "_cAll_", names).split():  # some lists name the videos of each camera
            return split, *read_motion(path)
    raise ValueError(f"{name} is in none of splits/pose_*.txt: whether it may be trained on is not known")


def _read(raw: Path, name: str, path: Path) -> Iterator[Recording]:
    split, smpl, _ = _take(raw, name, path)
    yield mocap_recording(name, smpl, RATE, _subject(name), split=split, gender=GENDER)


def cameras(raw: Path, name: str) -> dict[str, dict[str, Any]]:
    """The cameras by view, in the world's units: K_px, R_cam_world, t_cam_world; raises OSError, ValueError."""
    path = raw / "cameras" / "mapping.txt"
    lines = map(str.split, path.read_text("utf-8", "replace").splitlines())
    setting = dict(words[:2] for words in lines if len(words) > 1).get(name)
    if setting is None:
        raise ValueError(f"{path} does not name the cameras of {name}: copy it again")
    path = raw / "cameras" / f"{setting}.json"
    found = {}
    with damaged(f"{path} is no list of cameras that can be read"):
        for camera in json.loads(path.read_text("utf-8")):
            rotvec = annotations.check_numbers(camera["rotation"], (3,), "rotation")
            found[str(camera["name"])] = {
                "K_px": annotations.check_numbers(camera["matrix"], (3, 3), "matrix"),
                "R_cam_world": roma.rotvec_to_rotmat(torch.from_numpy(rotvec)).numpy(),
                "t_cam_world": annotations.check_numbers(camera["translation"], (3,), "translation"),
            }
    return found


def _read_videos(raw: Path, name: str, path: Path) -> Iterator[Recording]:
    split, smpl, unit = _take(raw, name, path)
    path = raw / "keypoints3d" / f"{name}.pkl"
    content = _content(path, ())
    points = _numbers(path, content, "keypoints3d_optim" if "keypoints3d_optim" in content else "keypoints3d")
    path = raw / "keypoints2d" / f"{name}.pkl"
    pixels = _numbers(path, _content(path, ("keypoints2d",)), "keypoints2d")
    if points.shape[1:] != (17, 3) or pixels.shape[2:] != (17, 3) or len(pixels) != len(VIEWS):
        raise ValueError(f"{path} and those of 3D hold {pixels.shape} and {points.shape}: copy them again")
    seen, views = cameras(raw, name), [view for view in VIEWS if _video(raw, name, view).is_file()]
    lost = [view for view in views if view not in seen]
    if lost:
        raise ValueError(f"{name} has no camera {', '.join(lost)} in {raw / 'cameras'}: copy it again")

    def recording(view: str) -> Recording:
        """One camera's recording: every other frame, where the dancer was found in it."""
        camera, own = seen[view], pixels[VIEWS.index(view)]
        rows = slice(0, min(len(smpl.rotmat), len(points), len(own)), STEP)
        found = np.isfinite(own[rows]).all(-1, keepdims=True)
        keypoints_px = np.where(found, own[rows], 0)
        boxes = annotations.boxes_around(keypoints_px)
        shown = np.flatnonzero(np.isfinite(boxes).all(1))
        frames = shown * STEP
        R, t = camera["R_cam_world"], camera["t_cam_world"] / unit
        taken = smpl.at(frames)
        turned = torch.from_numpy(R) @ taken.rotmat[:, 0]
        rotmat = torch.cat([turned[:, None], taken.rotmat[:, 1:]], 1)
        joints = points[frames].astype(np.float64) / unit @ R.T + t
        known = np.isfinite(joints).all((1, 2))
        return Recording(
            name=name.replace("cAll", view),
            frames=frames,
            fps=FPS,
            subject=_subject(name),
            split=split,
            source=f"videos/{name.replace('cAll', view)}.mp4",
            step=STEP,
            gender=GENDER,
            K_px=camera["K_px"],
            columns={
                "poses": roma.rotmat_to_rotvec(rotmat).flatten(1).numpy(),
                "betas": taken.betas.expand(len(frames), 10).numpy(),
                "trans": taken.pelvis.numpy() @ R.T + t - pelvis_at_rest().numpy(),
                "points.spin49": annotations.to_spin49(np.where(known[:, None, None], joints, 0), "coco17"),
                "keypoints_px.spin49": annotations.to_spin49(keypoints_px[shown], "coco17"),
                "box_px": boxes[shown],
                "has_points": known,
            },
        )

    yield from annotations.read_each(partial(recording, view) for view in views)


def _video(raw: Path, name: str, view: str) -> Path:
    return raw / "videos" / f"{name.replace('cAll', view)}.mp4"


def _video_files(raw: Path) -> list[File]:
    annotations.require(raw, VIDEO_LAYOUT, "keypoints2d", "keypoints3d", "cameras", "videos")
    return [file for file in _files(raw) if any(_video(raw, file[0], view).is_file() for view in VIEWS)]


LICENCE = (
    "AIST++, by Google LLC: its annotations are CC BY 4.0, free for any use that names their authors; the videos are "
    "the AIST Dance Video Database's, (c) AIST, for research under its own terms of use."
)
HOW = MOCAP_RECIPE | {
    "lengths": "metres of the mean male body: the world's units divided by smpl_scaling",
    "betas": "zero: the set fits a scale and no shape",
    "splits": "pose_train, pose_val and pose_test, its owners' for pose estimation",
}
BESIDE = ("ignore_list.txt", "splits/pose_*.txt", "motions/*.pkl")
AIST = RawSet("AIST++", LICENCE, LAYOUT, _files, _read, HOW, BESIDE)
AIST_VIDEOS = RawSet(
    title="AIST++ with its videos",
    licence=LICENCE,
    layout=VIDEO_LAYOUT,
    files=_video_files,
    read=_read_videos,
    beside=(*BESIDE, "keypoints[23]d/*.pkl", "cameras/*.json", "cameras/mapping.txt"),
    recipe=HOW
    | {
        "resampling": f"every {STEP}nd frame",
        "world": "the camera's frame",
        "points.spin49": "keypoints3d_optim, COCO's 17 joints",
        "K_px": "without the lens's distortion",
    },
)
