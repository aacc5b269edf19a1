"""MPI-INF-3DHP: eight people before 14 cameras, markerless, and six test sequences indoors and outdoors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped
from numpy import ndarray

from vibe.data.recording import File, RawSet, Recording
from vibe.data.sets import annotations
from vibe.data.sets.matlab import read_matlab
from vibe.errors import damaged
from vibe.skeletons import JOINT_SETS
from vibe.video.read import count_frames

LAYOUT = (
    "S1 ... S8, each with Seq1 and Seq2, which hold annot.mat, camera.calibration and imageSequence/video_0.avi ... "
    "(or the frames of a video as images, in imageFrames/video_0 or video_0), and mpi_inf_3dhp_test_set/TS1 ... TS6, "
    "which hold annot_data.mat and imageSequence/img_000001.jpg ..."
)
SUBJECTS, SEQUENCES, TESTS = range(1, 9), (1, 2), range(1, 7)
CHOSEN = (0, 1, 2, 4, 5, 6, 7, 8)
"""The cameras at the height of chests and knees, which the paper and all after it train on."""
CAMERAS = tuple(range(14))
FPS = {"S1/Seq2": 50.0, "S3/Seq1": 50.0, "S3/Seq2": 50.0, "S5/Seq1": 50.0, "S5/Seq2": 50.0}
"""Subjects and sequences at another rate than 25 frames a second, from the set's own table."""
USUAL_FPS = 25.0
"""Of the test sequences this is an assumption: the set does not tell."""
SIDE = 1.3
"""Box over the longer side of the joints: the published crop is 1.1 * 1.3 times as wide."""
SPARE = 25
"""Frames that may be annotated after the end of the pictures: the set's description warns of some."""
Views = Mapping[int, tuple[Float[ndarray, "2"], Float[ndarray, "3 3"]]]
"""By the number of a camera the width and height of its picture, and its intrinsic matrix."""


def _raw_set(title: str, cameras: Sequence[int]) -> RawSet:
    return RawSet(
        title=title,
        licence="MPI-INF-3DHP, Max Planck Institute for Informatics: non-commercial research only, no redistribution.",
        layout=LAYOUT,
        files=_files,
        read=partial(_read, cameras),
        recipe={
            "cameras": list(cameras),
            "train": "annot3 and annot2 of 28 joints; frames with a joint outside the picture left out, as published",
            "test": "univ_annot3 and annot2 of 17 joints, as the set's evaluation; valid as valid_frame",
            "test_fps": USUAL_FPS,
            "box_px": f"square of {SIDE} times the joints' longer side, as published",
        },
        beside=("S[1-8]/Seq[12]/camera.calibration",),
    )


def _files(root: Path) -> list[File]:
    names = [f"S{subject}/Seq{number}" for subject in SUBJECTS for number in SEQUENCES]
    files = [(name, root / name / "annot.mat") for name in names]
    tests = root / "mpi_inf_3dhp_test_set"
    tests = tests if tests.is_dir() else root  # the test set alone may be the raw folder
    return files + [(f"TS{test}", tests / f"TS{test}" / "annot_data.mat") for test in TESTS]


def _read(cameras: Sequence[int], root: Path, name: str, path: Path) -> Iterator[Recording]:
    if name.startswith("TS"):
        return _test(root, path)
    found, views = read_matlab(path, ["annot2", "annot3"]), read_calibration(path.parent / "camera.calibration")
    return annotations.read_each(partial(_seen, root, name, path, found, views, camera) for camera in cameras)


def _seen(root: Path, name: str, path: Path, found: Mapping[str, ndarray], views: Views, camera: int) -> Recording:
    """What one camera saw of one sequence; frames with a joint outside its picture are gaps."""
    pixels = _cell(path, found, "annot2", camera, 2)
    points = _cell(path, found, "annot3", camera, 3) / 1000
    if len(pixels) != len(points):
        raise ValueError(f"{path} has {len(pixels)} rows of annot2 and {len(points)} of annot3 for camera {camera}")
    if camera not in views:
        raise ValueError(f"{path.parent / 'camera.calibration'} has no camera {camera}: copy it again")
    size, K_px = views[camera]
    source, images, seen = _pictures(path.parent, camera)
    count = annotations.shared_frames(len(pixels), seen, SPARE, source)
    keypoints_px = annotations.to_spin49(annotations.all_seen(pixels), "mpii3d28")
    marked = keypoints_px[..., 2] > 0
    inside = np.all((keypoints_px[..., :2] >= 0) & (keypoints_px[..., :2] < size), axis=-1)
    frames = np.flatnonzero(np.all(inside | ~marked, axis=1)[:count])
    if not len(frames):
        raise ValueError(f"{path}: camera {camera} has no frame with the whole person in its picture")
    return Recording(
        f"{name}/video_{camera}",
        frames,
        FPS.get(name, USUAL_FPS),
        columns={
            "points.spin49": annotations.to_spin49(points[frames], "mpii3d28"),
            "keypoints_px.spin49": keypoints_px[frames],
            "box_px": annotations.square_boxes(annotations.boxes_around(annotations.all_seen(pixels[frames])), SIDE),
        },
        subject=name.split("/")[0],
        source=source.relative_to(root).as_posix(),
        images=tuple(images[frame] for frame in frames) if images else (),
        K_px=K_px,
    )


def _cell(path: Path, found: Mapping[str, ndarray], name: str, camera: int, axes: int) -> Float[ndarray, "time 28 _"]:
    """One camera's rows, joint after joint."""
    cells, joints = found[name].ravel(), len(JOINT_SETS["mpii3d28"])
    if cells.dtype != object or len(cells) <= camera:
        raise ValueError(f"{path} has no {name} of camera {camera}: it is damaged, copy it again")
    rows = annotations.check_numbers(cells[camera], (None, axes * joints), f"{path}: {name} of camera {camera}")
    if not len(rows):
        raise ValueError(f"{path} is an annotation without a person: {name} of camera {camera} is empty")
    return rows.reshape(-1, joints, axes)


def _pictures(folder: Path, camera: int) -> tuple[Path, list[str], int]:
    """A camera's video, or the folder of its frames and their names; and how many there are."""
    name = f"video_{camera}"
    video = folder / "imageSequence" / f"{name}.avi"
    if video.is_file():
        return video, [], count_frames(video)
    for place in (folder / "imageFrames" / name, folder / name):
        if place.is_dir():
            images = annotations.image_names(place)
            return place, images, len(images)
    raise FileNotFoundError(f"there is neither {video} nor a folder of its frames, imageFrames/{name} or {name}")


def read_calibration(path: Path) -> Views:
    """The cameras of a Skeletool calibration file; raises FileNotFoundError, or ValueError with the file."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: get it from the set's owner")
    views: dict[int, tuple[ndarray, ndarray]] = {}
    name, size = -1, np.zeros(2)
    with damaged(f"{path} is no camera calibration, or damaged"):
        for line in path.read_text(encoding="utf-8").splitlines():
            key, *values = line.split() or [""]
            if key == "name":
                name = int(values[0])
            elif key == "size":
                size = annotations.check_numbers(np.array(values[:2], np.float64), (2,), f"size of camera {name}")
            elif key == "intrinsic":
                K_px = np.array(values, np.float64).reshape(4, 4)[:3, :3]
                views[name] = size, annotations.check_numbers(K_px, (3, 3), f"intrinsic of camera {name}")
    if not views:
        raise ValueError(f"{path} holds no camera: copy it again")
    return views


def _test(root: Path, path: Path) -> Iterator[Recording]:
    """The person of a test sequence, in every frame that has a picture; those that count are `valid`.

    The joints are those of the set's own evaluation: `univ_annot3`, the skeleton scaled to one height for all.
    """
    found = read_matlab(path, ["annot2", "annot3", "univ_annot3", "valid_frame"])
    pixels, points, scaled = (
        _frames(path, name, found[name], axes) for name, axes in (("annot2", 2), ("annot3", 3), ("univ_annot3", 3))
    )
    valid = annotations.check_numbers(found["valid_frame"].ravel(), (len(pixels),), f"{path}: valid_frame") > 0
    if not valid.any() or not len(points) == len(scaled) == len(pixels):
        raise ValueError(f"{path} has {valid.sum()} valid frames of {len(pixels)}, {len(points)} and {len(scaled)}")
    known = np.all(np.isfinite(np.concatenate([pixels, points, scaled], -1)), axis=(1, 2))
    if (valid & ~known).any():
        row = int((valid & ~known).argmax())
        raise ValueError(f"{path} holds NaN in frame {row}, which is valid: it is damaged, copy it again")
    folder = path.parent / "imageSequence"
    pixels, scaled = (np.where(known[:, None, None], part, 0.0) for part in (pixels, scaled))
    marked = annotations.all_seen(pixels)
    boxes = annotations.square_boxes(annotations.boxes_around(marked), SIDE)
    yield Recording(
        path.parent.name,
        np.arange(len(pixels)),
        USUAL_FPS,
        columns={
            "points.spin49": annotations.to_spin49(scaled / 1000, "mpii3d_test17"),
            "keypoints_px.spin49": annotations.to_spin49(marked, "mpii3d_test17") * known[:, None, None],
            "box_px": annotations.interpolate_gaps(boxes, known),
            "has_points": known,
            "valid": valid,
        },
        subject=path.parent.name,
        split="test",
        source=folder.relative_to(root).as_posix(),
        images=annotations.check_images(folder, [f"img_{frame:06d}.jpg" for frame in range(1, len(pixels) + 1)]),
        K_px=annotations.fit_intrinsics(points[known], pixels[known]),
    )


def _frames(path: Path, name: str, array: Shaped[ndarray, "..."], axes: int) -> Float[ndarray, "time 17 _"]:
    """A variable of a test sequence, whose axes are coordinate, joint, person and frame."""
    joints = len(JOINT_SETS["mpii3d_test17"])
    if array.shape[:3] != (axes, joints, 1) or array.ndim > 4 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"{path}: {name} is {array.dtype} of the shape {array.shape}, expected {axes} by {joints} by one person by "
            "frames: copy it again"
        )
    return array.reshape(axes, joints, -1).transpose(2, 1, 0).astype(np.float64)


MPI_INF_3DHP = _raw_set("MPI-INF-3DHP", CHOSEN)
MPI_INF_3DHP_ALL = _raw_set("MPI-INF-3DHP, all 14 cameras", CAMERAS)
