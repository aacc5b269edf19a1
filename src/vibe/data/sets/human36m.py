"""Human3.6M: eleven actors in a studio before four cameras, with marker-based motion capture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.assets.archives import read_npz
from vibe.data.recording import RawJob, RawSet, Recording
from vibe.data.sets.annotations import boxes_around, fit_intrinsics
from vibe.data.sets.cdf import read_cdf
from vibe.data.sets.raw_checks import absent, checked, shared_frames
from vibe.skeletons import convert_joints
from vibe.video.read import count_frames

LAYOUT = (
    "S1, S5, S6, S7, S8, S9 and S11, each with MyPoseFeatures/D2_Positions/Directions.54138969.cdf ..., "
    "MyPoseFeatures/D3_Positions_mono of the same names (or MyPoseFeatures/D3_Positions/Directions.cdf ... beside "
    "metadata.xml of the set's code in the raw folder) and Videos/Directions.54138969.mp4 ...; where you have them, "
    "SMPL parameters in SMPL/Directions.54138969.npz ...: poses [frame, 72], betas [10] or [frame, 10] and trans "
    "[frame, 3] in the camera's frame, metres; frames [frame], indices into the video, if they are not of all frames; "
    "gender, if not neutral"
)
TRAIN, TEST = ("S1", "S5", "S6", "S7", "S8"), ("S9", "S11")
CAMERAS = ("54138969", "55011271", "58860488", "60457274")
"""In the order of metadata.xml."""
FPS, STEP = 25.0, 2
"""Every second frame of 50 a second."""
SPARE = 50
"""Frames that may be annotated after the end of a video."""
JOINTS = (0, 6, 7, 8, 1, 2, 3, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""Where the joints of `h36m17` stand among the set's 32, of which several are one point."""
SUBJECTS_IN_METADATA = 11


def _jobs(root: Path) -> Iterator[RawJob]:
    if not any((root / subject).is_dir() for subject in (*TRAIN, *TEST)):
        raise FileNotFoundError(f"{root} holds no folder S1 and the like; Human3.6M looks like this: {LAYOUT}")
    for subject in (*TRAIN, *TEST):
        folder = root / subject
        annotated = (folder / "MyPoseFeatures" / "D2_Positions").glob("*.cdf")
        names = {path.stem for path in (*annotated, *(folder / "Videos").glob("*.mp4"))}
        names = {name for name in names if not name.startswith("_ALL")}
        for name in sorted(names):
            yield RawJob(f"{subject}/{name}", partial(_read, root, subject, name))
        if not names:
            yield absent(subject, folder / "MyPoseFeatures" / "D2_Positions")


def _sources(root: Path) -> Iterable[Path]:
    for kind in ("D2_Positions", "D3_Positions_mono", "D3_Positions"):
        yield from root.glob(f"S*/MyPoseFeatures/{kind}/*.cdf")
    yield from root.glob("S*/SMPL/*.npz")
    yield from root.glob("metadata.xml")


HUMAN36M = RawSet(
    title="Human3.6M",
    licence="Human3.6M, Romanian Academy and others: academic use only, no redistribution.",
    layout=LAYOUT,
    jobs=_jobs,
    sources=_sources,
    recipe={
        "fps": FPS,
        "step": STEP,
        "test": list(TEST),
        "joints": f"h36m17, numbers {', '.join(map(str, JOINTS))} of the set's 32, in the set spin49",
        "K_px": "pinhole that projects the 3D joints onto the 2D ones best, since lenses distort",
        "box_px": "around the 17 joints, with the package's margin",
    },
)


def _read(root: Path, subject: str, name: str) -> Iterator[Recording]:
    """One video's person, every second frame."""
    features, video = root / subject / "MyPoseFeatures", root / subject / "Videos" / f"{name}.mp4"
    if "." not in name:
        raise ValueError(f"{video} has no camera in its name, as in Directions.54138969.mp4: give it back its name")
    pixels = _positions(features / "D2_Positions" / f"{name}.cdf", 2)
    points = _points(root, subject, name)
    if len(pixels) != len(points):
        raise ValueError(f"{features} has {len(pixels)} 2D and {len(points)} 3D rows of {name}: copy both again")
    if not video.is_file():
        raise FileNotFoundError(f"there is no {video}: add it, frames without pictures are of no use")
    frames = np.arange(0, shared_frames(len(pixels), count_frames(video), SPARE, video), STEP)
    marked = np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1)[frames]
    yield Recording(
        f"{subject}/{name}",
        frames,
        FPS,
        subject=subject,
        split="test" if subject in TEST else "train",
        source=video.relative_to(root).as_posix(),
        step=STEP,
        K_px=fit_intrinsics(points, pixels),
        points={"spin49": convert_joints(torch.from_numpy(points[frames]), "h36m17", "spin49").numpy()},
        keypoints_px={"spin49": convert_joints(torch.from_numpy(marked), "h36m17", "spin49").numpy()},
        box_px=boxes_around(marked),
        **_parameters(root / subject / "SMPL" / f"{name}.npz", frames),
    )


def _positions(path: Path, axes: int) -> Float[ndarray, "time 17 _"]:
    """The 17 joints of a file of positions, in its own unit."""
    rows = checked(read_cdf(path, "Pose"), (1, None, 32 * axes), f"{path}: Pose")[0]
    if not len(rows):
        raise ValueError(f"{path} is an annotation without a person: it has no rows")
    return rows.reshape(-1, 32, axes)[:, JOINTS]


def _points(root: Path, subject: str, name: str) -> Float[ndarray, "time 17 3"]:
    """The joints in the camera's frame, metres."""
    features, (action, camera) = root / subject / "MyPoseFeatures", name.rsplit(".", 1)
    mono, world = features / "D3_Positions_mono" / f"{name}.cdf", features / "D3_Positions" / f"{action}.cdf"
    if mono.is_file():
        return _positions(mono, 3) / 1000
    about = root / "metadata.xml"
    if not world.is_file() or not about.is_file():
        raise FileNotFoundError(f"there is no {mono}, and not both {world} and {about}: add what you have of them")
    R_cam_world, place = read_camera(about, int(subject[1:]), camera)
    return (_positions(world, 3) / 1000 - place) @ R_cam_world.T


def read_camera(path: Path, subject: int, camera: str) -> tuple[Float[ndarray, "3 3"], Float[ndarray, "3"]]:
    """A camera's rotation (R_cam_world) and its place in the world in metres, from metadata.xml.

    That file lists six numbers for each camera and subject, then nine for each camera's lens. Raises ValueError, which
    names the file, if it is none or damaged.
    """
    from xml.etree import ElementTree

    if camera not in CAMERAS:
        raise ValueError(f"Human3.6M has no camera {camera}: give the file back its name, as Directions.54138969.mp4")
    try:
        text = next(ElementTree.parse(path).getroot().iter("w0")).text or ""
        numbers = np.array(text.strip().strip("[]").split(), np.float64)
        placed = 6 * len(CAMERAS) * SUBJECTS_IN_METADATA
        checked(numbers, (placed + 9 * len(CAMERAS),), "w0")
    except (ElementTree.ParseError, StopIteration, ValueError) as error:
        raise ValueError(f"{path} holds no cameras w0 ({error or 'not there'}): copy it from the set's code") from error
    places = numbers[:placed].reshape(len(CAMERAS), SUBJECTS_IN_METADATA, 2, 3)
    angles, position = places[CAMERAS.index(camera), subject - 1]
    return _turn(*angles), position / 1000


def _turn(x: float, y: float, z: float) -> Float[ndarray, "3 3"]:
    """Rotations about the three axes; that about z comes first."""
    (cx, cy, cz), (sx, sy, sz) = np.cos([x, y, z]), np.sin([x, y, z])
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def _parameters(path: Path, frames: Int[ndarray, "time"]) -> Mapping[str, Any]:
    """SMPL's parameters in these frames of the video, where the user's file has them."""
    if not path.is_file():
        return {}
    held = read_npz(path, ("poses", "betas", "trans", "frames", "gender"))
    missing = {"poses", "betas", "trans"} - set(held)
    if missing:
        raise ValueError(f"{path} has no {', '.join(sorted(missing))}: it holds {LAYOUT[LAYOUT.index('poses [') :]}")
    poses = checked(held["poses"], (None, 72), f"{path}: poses")
    count, known = len(poses), held.get("frames", np.arange(len(poses)))
    trans = checked(held["trans"], (count, 3), f"{path}: trans")
    betas = np.tile(held["betas"], (count, 1)) if held["betas"].ndim == 1 else held["betas"]
    betas = checked(betas, (count, 10), f"{path}: betas")
    known = checked(known, (count,), f"{path}: frames").astype(np.int64)
    _, rows, places = np.intersect1d(frames, known, return_indices=True)
    values = {}
    for name, part in (("poses", poses), ("betas", betas), ("trans", trans)):
        values[name] = np.zeros((len(frames), part.shape[1]))
        values[name][rows] = part[places]
    return {**values, "has_theta": np.isin(frames, known), "gender": str(held.get("gender", "neutral"))}
