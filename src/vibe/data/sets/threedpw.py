"""3DPW: people outdoors before a moving camera, with SMPL parameters from inertial sensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from vibe import assets
from vibe.assets import pickle_arrays
from vibe.body.keypoint_regressor import keypoints
from vibe.body.load import BESIDE, load_smpl
from vibe.body.record import Body
from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets import annotations
from vibe.skeletons import OPENPOSE

LAYOUT = (
    "sequenceFiles/{train,validation,test}/SEQUENCE.pkl and imageFiles/SEQUENCE/image_00000.jpg ..., as its two "
    "archives unpack"
)
SPLITS = ("train", "validation", "test")
GENDERS = {"m": "male", "f": "female"}
FPS = 30.0
LARGEST = 1 << 30
"""Bytes of one sequence's file."""
COCO18 = [*OPENPOSE[:8], *OPENPOSE[9:19]]
"""The joints of `poses2d`: what OpenPose's COCO model finds."""
LIMBS = slice(2, 14)
SEEN = 0.3
"""Confidence above which a joint counts as seen, as in the published preparation."""
COUNTED = 6
"""A frame counts if more than so many of the twelve joints of arms and legs are seen, as published."""
MEDIAN, SIGMA = 11, 8.0
"""Frames of the median filter, and standard deviation of the Gaussian one, over centre and 1 / side of the boxes."""


def _files(root: Path) -> list[File]:
    annotations.require(root, LAYOUT, "sequenceFiles")
    for file in (*(f"smpl_{gender}.npz" for gender in GENDERS.values()), *BESIDE.values()):
        assets.library(file)
    files = []
    for split in SPLITS:
        paths = annotations.find_files(root, f"sequenceFiles/{split}/*.pkl")
        files += [(f"{split}/{path.stem}", path) for path in paths] or [(split, root / f"sequenceFiles/{split}/*.pkl")]
    return files


def _read(root: Path, _: str, path: Path) -> Iterator[Recording]:
    content = annotations.read_annotation_pickle(path, ("cam_poses", "cam_intrinsics", "poses"), "3DPW", LARGEST)
    cam_poses, K_px = (
        pickle_arrays.numbers(content[key], f"{path}: {key}").astype(np.float64)
        for key in ("cam_poses", "cam_intrinsics")
    )
    if cam_poses.shape[1:] != (4, 4):
        raise ValueError(
            f"{path}: cam_poses have the shape {cam_poses.shape}, expected frames by 4 by 4: copy it again"
        )
    K_px = annotations.check_numbers(K_px, (3, 3), f"{path}: cam_intrinsics")
    people = content["poses"]
    if not isinstance(people, list) or not people:
        raise ValueError(f"{path} is an annotation without a person: copy it again")
    persons = range(len(people))
    return annotations.read_each(partial(_person, root, path, content, cam_poses, K_px, person) for person in persons)


def _numbers(path: Path, content: Mapping[str, Any], key: str, person: int) -> ndarray:
    """One person's part of a list, or of an array of all persons; raises ValueError, which names it."""
    what, held = f"{path}: {key} of person {person}", content.get(key)
    parts = held if isinstance(held, list) else pickle_arrays.numbers(held, f"{path}: {key}")
    if np.ndim(parts) == 0 or len(parts) <= person:
        raise ValueError(f"{what} is not there: the annotation is damaged, copy it again")
    return pickle_arrays.numbers(parts[person], what) if parts is held else parts[person]


def _person(
    root: Path, path: Path, content: Mapping[str, Any], cam_poses: ndarray, K_px: ndarray, person: int
) -> Recording:
    count, name, where = len(cam_poses), f"{path.stem}_{person}", f"{path}: %s of person {person}"

    def read(key: str, *shape: int) -> ndarray:
        return annotations.check_numbers(_numbers(path, content, key, person), (count, *shape), where % key)

    held = content.get("genders")
    gender = GENDERS.get(pickle_arrays.text(held[person]) if isinstance(held, list) and len(held) > person else "")
    if gender is None:
        raise ValueError(f"{where % 'the gender'} is neither m nor f: copy the file again")
    found = read("poses2d", 3, 18).transpose(0, 2, 1)
    seen = found[..., 2] > SEEN
    box_px, framed = _boxes(found)
    frames = np.flatnonzero((read("campose_valid") > 0) & framed)
    if not len(frames):
        raise ValueError(f"{where % 'no frame'} has both a camera and a box: the annotation is of no use")
    values: dict[str, ndarray] = {}
    for key, width in {"poses": 72, "trans": 3, "jointPositions": 72}.items():
        given = _numbers(path, content, key, person)
        if given.shape != (count, width):
            raise ValueError(f"{where % key} has the shape {given.shape}, not {(count, width)}: copy the file again")
        what = where % f"{key}, frames with a camera,"
        values[key] = annotations.check_numbers(given[frames], (len(frames), width), what)
    betas = annotations.check_numbers(_numbers(path, content, "betas", person).ravel()[:10], (10,), where % "betas")
    camera = annotations.check_numbers(cam_poses[frames], (len(frames), 4, 4), f"{path}: cam_poses that are valid")
    folder = Path("imageFiles") / path.stem
    images = annotations.check_images(root / folder, [f"image_{frame:05d}.jpg" for frame in frames])
    marked = annotations.all_seen(found[frames, :, :2])
    poses, trans, points = _in_camera(camera, values, betas, load_smpl(gender).to(dtype=torch.float64))
    return Recording(
        name,
        frames,
        FPS,
        subject=name,
        split=path.parent.name,
        source=folder.as_posix(),
        images=images,
        gender=gender,
        K_px=K_px,
        columns={
            "poses": poses,
            "betas": np.tile(betas, (len(frames), 1)),
            "trans": trans,
            **points,
            "keypoints_px.spin49": annotations.to_spin49(marked * seen[frames, :, None], COCO18),
            "box_px": box_px[frames],
            "valid": seen[frames, LIMBS].sum(1) > COUNTED,
        },
    )


def _in_camera(
    camera: Float[ndarray, "time 4 4"], values: Mapping[str, ndarray], betas: Float[ndarray, "10"], body: Body
) -> tuple[Float[ndarray, "time 72"], Float[ndarray, "time 3"], dict[str, Float[ndarray, "time joint 3"]]]:
    """Poses, translations and joints, turned from the world into the camera's frame."""
    R_cam_world, t_cam_world = (torch.from_numpy(part) for part in (camera[:, :3, :3], camera[:, :3, 3]))
    rotmat, trans = annotations.turned_into_camera(camera, values["poses"], values["trans"], betas, body)
    shape = torch.from_numpy(betas)
    given = torch.from_numpy(values["jointPositions"]).unflatten(-1, (-1, 3))
    points = {"points.smpl24": given @ R_cam_world.mT + t_cam_world[:, None]}
    for joints in ("common14", "spin49"):
        points[f"points.{joints}"] = keypoints(body, rotmat, shape, joints) + trans[:, None]
    return (
        roma.rotmat_to_rotvec(rotmat).flatten(1).numpy(),
        trans.numpy(),
        {name: part.numpy() for name, part in points.items()},
    )


def _boxes(found: Float[ndarray, "time 18 3"]) -> tuple[Float[ndarray, "time 4"], Bool[ndarray, "time"]]:
    """A box for each frame, as published, and which lie between the first and the last frame with joints seen.

    The crop is 1.1 * 1.2 times as wide as the diagonal of the joints, so a box 1.2 times, which is the diagonal of a
    box with margins. Where no joint is seen the box is drawn in a straight line from one that is to the next.
    """
    from scipy import ndimage

    box = annotations.boxes_around(found, SEEN)
    side = np.hypot(box[:, 2], box[:, 3])
    known = np.nan_to_num(side) > 0.5
    if not known.any():
        return np.zeros((len(found), 4)), known
    first, last = np.flatnonzero(known)[[0, -1]]
    framed = (np.arange(len(found)) >= first) & (np.arange(len(found)) <= last)
    path = np.full((len(found), 3), np.nan)
    path[known] = np.concatenate([box[known, :2], 1 / side[known, None]], 1)
    path = annotations.interpolate_gaps(path, known)
    path = ndimage.median_filter(path, (MEDIAN, 1), mode="nearest")
    path = ndimage.gaussian_filter1d(path, SIGMA, axis=0, mode="nearest")
    return np.concatenate([path[:, :2], 1 / path[:, 2:], 1 / path[:, 2:]], 1), framed


THREEDPW = RawSet(
    title="3DPW",
    licence="3DPW, Max Planck Society: non-commercial scientific research only, no redistribution.",
    layout=LAYOUT,
    files=_files,
    read=_read,
    recipe={
        "fps": FPS,
        "points.smpl24": "jointPositions of the files",
        "points.common14": "H36M regressor on the surface of the gendered SMPL body",
        "points.spin49": "SPIN's 49 joints of the gendered SMPL body",
        "keypoints_px.spin49": f"poses2d, 1 where more confident than {SEEN}",
        "box_px": "crop of 1.32 diagonals of the joints seen, as published (1.1 x 1.2)",
        "box_filters": {"median": MEDIAN, "gaussian": SIGMA, "ends": "nearest"},
        "valid": f"more than {COUNTED} of 12 joints seen",
    },
)
