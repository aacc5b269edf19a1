"""The arrays of a motion.npz, under the names of docs/conventions.md: written whole, read whole or refused."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe import __version__, assets
from vibe.assets.archives import read_npz
from vibe.cameras import translation_from_weak
from vibe.records import WORLD_CAMERA, WORLD_FLOOR, WORLD_GRAVITY, Camera, Clip, View, World
from vibe.skeletons import HAND15, SMPL

FORMAT, FORMAT_1 = "vibe-motion 2", "vibe-motion 1"
NO_ROTATION = 1e-3
"""By how much products of columns of a rotation in a file may miss 0 or 1."""
MOST_PX = 1 << 16
"""Pixels along a side of a video."""
Layout = Mapping[str, tuple[tuple[int | str, ...], str]]
"""Shape of each array, whose axis with `?` may be missing, and kind: int, float32, double, text (Unicode)."""
HEAD_1: Layout = {
    "format": ((), "U"),
    "video": ((), "U"),
    "fps": ((), "d"),
    "width": ((), "i"),
    "height": ((), "i"),
    "timestamps": (("frame",), "d"),
    "joint_names": ((len(SMPL),), "U"),
    "body": ((2,), "U"),
    "weights": ((2,), "U"),
    "vibe_version": ((), "U"),
    "camera/K": ((3, 3), "f"),
}
"""Of the video, in version 1."""
WORLD_ARRAYS: Layout = {
    "camera/R_world_cam": (("frame", 3, 3), "f"),
    "camera/t_world_cam": (("frame", 3), "f"),
    "world/camera": ((), "U"),
    "world/gravity": ((), "U"),
    "world/floor": ((), "U"),
    "world/tilt_error_deg": ((), "f"),
}
"""Of the video where there is a world: all or none."""
LENS_ARRAYS: Layout = {
    "camera/source": ((), "U"),
    "camera/distortion": (("coefficient",), "d"),
    "camera/fisheye": ((), "i"),
}
"""Of the video: how its lens bends, where it does, and where its focal length is from."""
VIEW_ARRAYS: Layout = {
    "views/video": (("view",), "U"),
    "views/size": (("view", 2), "i"),
    "views/fps": (("view",), "d"),
    "views/K": (("view", 3, 3), "f"),
    "views/R_view_ref": (("view", 3, 3), "f"),
    "views/t_view_ref": (("view", 3), "f"),
    "views/offset_s": (("view",), "d"),
    "views/frames": (("view",), "i"),
    "views/timestamps": (("stamp",), "d"),
}
"""Of the cameras where several videos were estimated together, the first of which is the file's own: all or none."""
HEAD: Layout = {
    **HEAD_1,
    **LENS_ARRAYS,
    **WORLD_ARRAYS,
    **VIEW_ARRAYS,
    "notes": (("note",), "U"),
    "people": ((), "i"),
    "sha256": ((), "U"),
}
SHARED: Layout = {
    "frames": (("time",), "i"),
    "box_px": (("time", 4), "f"),
    "global_orient": (("time", 3), "f"),
    "body_pose": (("time", 3 * (len(SMPL) - 1)), "f"),
    "pred_cam": (("time", 3), "f"),
    "joints": (("time", len(SMPL), 3), "f"),
    "joints_px": (("time", len(SMPL), 2), "f"),
    "keypoints_px": (("time", 17, 3), "f"),
    "confidence": (("time",), "f"),
}
"""Of a person, in both versions."""
PERSON_1: Layout = {**SHARED, "betas": (("time?", 10), "f"), "trans": (("time", 3), "f")}
PERSON_WORLD: Layout = {
    "global_orient_world": (("time", 3), "f"),
    "pelvis_world": (("time", 3), "f"),
    "joints_world": (("time", len(SMPL), 3), "f"),
}
"""Of a person where there is a world: all or none."""
PERSON_HANDS: Layout = {
    "left_hand_pose": (("time", 3 * len(HAND15)), "f"),
    "right_hand_pose": (("time", 3 * len(HAND15)), "f"),
    "hand_confidence": (("time", 2), "f"),
}
"""Of a person whose fingers are known: all or none."""
PERSON: Layout = {
    **SHARED,
    "betas": ((10,), "f"),
    "betas_per_frame": (("time", 10), "f"),
    "pelvis": (("time", 3), "f"),
    "transl": (("time", 3), "f"),
    "contacts": (("time", 4), "f"),
    "joints_std": (("time", len(SMPL), 2), "f"),
    **PERSON_HANDS,
    "name": ((), "U"),
    **PERSON_WORLD,
}
LAYOUTS = {FORMAT: (HEAD, PERSON), FORMAT_1: (HEAD_1, PERSON_1)}
OPTIONAL = (
    "name",
    "betas_per_frame",
    "contacts",
    "joints_std",
    "notes",
    *LENS_ARRAYS,
    *WORLD_ARRAYS,
    *PERSON_WORLD,
    *PERSON_HANDS,
    *VIEW_ARRAYS,
)
UNBOUNDED = ("name", "frames", "box_px", "pred_cam", "joints_px")
"""Those whose numbers need not be finite: boxes and projections of people outside the picture, and what is none."""
DAMAGED = "the file is damaged: copy it again, or estimate the video again"


def write_npz(path: Path, head: Mapping[str, Any], people: Sequence[Mapping[str, NDArray]]) -> None:
    """Write a motion file whole or not at all: what is in `HEAD` of the video, in `PERSON` of each; raises OSError."""
    about = {**head, "format": FORMAT, "joint_names": SMPL, "vibe_version": __version__, "people": len(people)}
    arrays = {name: _exact(np.asarray(about[name]), kind) for name, (_, kind) in HEAD.items() if name in about}
    for number, person in enumerate(people, start=1):
        arrays |= {f"{number}/{name}": _exact(array, PERSON[name][1]) for name, array in person.items()}
    arrays["sha256"] = np.array(arrays_checksum(arrays))
    with assets.whole_file(path) as file:
        np.savez_compressed(file, **arrays)  # pyright: ignore[reportArgumentType]


def _exact(array: NDArray, kind: str) -> NDArray:
    """The array in the precision of files and records; times, of kind `d`, are float64."""
    return array.astype({"i": np.int64, "f": np.float32, "d": np.float64}[kind], copy=False) if kind != "U" else array


def arrays_checksum(arrays: Mapping[str, NDArray], between: str = "\n") -> str:
    """SHA-256 of each array's name, type, shape and, after `between`, little-endian bytes, in order of the names."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        plain = array.astype(array.dtype.newbyteorder("<"))
        digest.update(f"{name} {plain.dtype.str} {plain.shape}{between}".encode())
        digest.update(plain.tobytes())
    return digest.hexdigest()


def read_motion_npz(path: Path) -> tuple[dict[str, NDArray], list[dict[str, NDArray]]]:
    """The arrays of the video, and those of each person, in the names and precision of the second version.

    Raises OSError if the file can't be read and ValueError, with the reason and what to do, if it is no motion file, a
    damaged one or one of a later version.
    """
    arrays = read_npz(path)
    version, people = _checked(path, arrays)
    known = {**HEAD_1, **LENS_ARRAYS, **WORLD_ARRAYS, **VIEW_ARRAYS}
    head = {name: _exact(arrays[name], kind) for name, (_, kind) in known.items() if name in arrays}
    head["notes"] = arrays.get("notes", np.zeros(0, np.str_))
    width, height, fps = int(head["width"]), int(head["height"]), float(head["fps"])
    timestamps, K_px = head["timestamps"], head["camera/K"]
    if not np.isfinite(timestamps).all() or not (np.diff(timestamps) > 0).all():
        raise ValueError(f"{path}: the timestamps do not increase: {DAMAGED}")
    if not 0 < fps < math.inf or not (0 < width <= MOST_PX and 0 < height <= MOST_PX):
        raise ValueError(f"{path}: {width}x{height} at {fps:g} frames a second is no video: {DAMAGED}")
    if not np.isfinite(K_px).all() or not (K_px.diagonal() > 0).all():
        raise ValueError(f"{path}: camera/K has numbers that no camera has: {DAMAGED}")
    if "camera/distortion" in head:
        _check_distortion(path, head)
    if "world/camera" in head:
        _check_world(path, head)
    if lacking := [name for name in VIEW_ARRAYS if name not in head]:
        if len(lacking) < len(VIEW_ARRAYS):
            raise ValueError(f"{path} has several views, but lacks their {lacking[0]}: {DAMAGED}")
    else:
        _check_views(path, head)
    return head, [_person(path, arrays, number, version, head) for number in range(1, people + 1)]


def _checked(path: Path, arrays: dict[str, NDArray]) -> tuple[str, int]:
    """The version and the number of people of a file that holds all that a motion file does, and nothing else."""
    version = str(arrays.get("format", "unknown"))
    if version not in LAYOUTS:
        later = re.fullmatch(r"vibe-motion \d{1,9}", version)
        raise ValueError(
            f"{path} has format {version[:40]!a}, this version of vibe reads up to {FORMAT!a}: "
            + ("update vibe" if later else "give a motion.npz that vibe estimate wrote")
        )
    numbers = {name.split("/")[0] for name in arrays if "/" in name} - {name.split("/")[0] for name in HEAD}
    head, person = LAYOUTS[version]
    _fit(path, arrays, head, "")
    people = int(arrays["people"]) if version == FORMAT else len(numbers)
    if numbers != {str(number) for number in range(1, len(numbers) + 1)} or people != len(numbers):
        raise ValueError(f"{path} holds {len(numbers)} people of {people}, numbered from 1 without a gap: {DAMAGED}")
    known = {*head, "allow_pickle"} if version == FORMAT_1 else {*head}
    for number in range(1, people + 1):
        _fit(path, arrays, person, f"{number}/")
        known |= {f"{number}/{name}" for name in person}
    sets = [f"{prefix}{name}" for prefix, names in _worlds(people) for name in names]
    if (lacking := [name for name in sets if name not in arrays]) and len(lacking) < len(sets):
        raise ValueError(f"{path} has a world, but lacks its {lacking[0]}: {DAMAGED}")
    for number in range(1, people + 1):
        lacking = [name for name in PERSON_HANDS if f"{number}/{name}" not in arrays]
        if lacking and len(lacking) < len(PERSON_HANDS):
            raise ValueError(f"{path} has the fingers of person {number}, but lacks {number}/{lacking[0]}: {DAMAGED}")
    if unknown := sorted(arrays.keys() - known):
        raise ValueError(f"{path} holds {ascii(unknown[0][:60])}, which no motion file does: {DAMAGED}")
    if version == FORMAT:
        seen = arrays_checksum({name: array for name, array in arrays.items() if name != "sha256"})
        if seen != str(arrays["sha256"]):
            raise ValueError(f"{path} is not as it was written, its checksum differs: {DAMAGED}")
    return version, people


def _worlds(people: int) -> list[tuple[str, Layout]]:
    """Prefixes and names of all that a file with a world holds of it."""
    return [("", WORLD_ARRAYS), *((f"{number}/", PERSON_WORLD) for number in range(1, people + 1))]


def _check_distortion(path: Path, head: Mapping[str, NDArray]) -> None:
    """Refuse a distortion that no lens has: whoever draws people bends them by it."""
    from vibe.distortion import is_invertible

    bends, fisheye = head["camera/distortion"], bool(head.get("camera/fisheye", 0))
    camera = Camera(head["camera/K"], int(head["width"]), int(head["height"]), bends, fisheye)
    known = np.isfinite(bends).all() and 4 <= len(bends) <= (4 if fisheye else 8)
    if not known or not is_invertible(camera):
        raise ValueError(f"{path}: camera/distortion has numbers that no lens has: {DAMAGED}")


def _check_views(path: Path, head: Mapping[str, NDArray]) -> None:
    """Refuse cameras that there can't be."""
    K_px, R, size = (head[f"views/{name}"] for name in ("K", "R_view_ref", "size"))
    numbers = [head[f"views/{name}"] for name in ("K", "R_view_ref", "t_view_ref", "offset_s", "fps", "timestamps")]
    right = len(R) >= 2 and all(np.isfinite(each).all() for each in numbers) and (head["views/fps"] > 0).all()
    right = right and (head["views/frames"] >= 0).all() and head["views/frames"].sum() == len(head["views/timestamps"])
    right = right and (K_px.diagonal(axis1=1, axis2=2) > 0).all() and ((size > 0) & (size <= MOST_PX)).all()
    if not right or not (np.abs(R.astype(np.float64) @ R.mT - np.eye(3)) < NO_ROTATION).all():
        raise ValueError(f"{path}: views/ has numbers that no cameras have: {DAMAGED}")


def read_world(head: Mapping[str, NDArray]) -> World | None:
    """The world of a file whose arrays are checked; None where it has none."""
    if "world/camera" not in head:
        return None
    camera, gravity, floor = (str(head[f"world/{name}"]) for name in ("camera", "gravity", "floor"))
    error_deg = float(head["world/tilt_error_deg"])
    return World(head["camera/R_world_cam"], head["camera/t_world_cam"], camera, gravity, floor, error_deg)


def view_arrays(views: Sequence[View]) -> dict[str, NDArray]:
    """What a file holds of several cameras; how their lenses bend is not in it."""
    if not views:
        return {}
    return {
        "views/video": np.array([str(view.clip.path) for view in views], np.str_),
        "views/K": np.stack([view.camera.K_px for view in views]),
        "views/size": np.array([[view.clip.width, view.clip.height] for view in views]),
        "views/R_view_ref": np.stack([view.R_view_ref for view in views]),
        "views/t_view_ref": np.stack([view.t_view_ref for view in views]),
        "views/offset_s": np.array([view.offset_s for view in views]),
        "views/fps": np.array([view.clip.fps for view in views]),
        "views/frames": np.array([len(view.clip.timestamps) for view in views]),
        "views/timestamps": np.concatenate([view.clip.timestamps for view in views]),
    }


def read_views(head: Mapping[str, NDArray]) -> tuple[View, ...]:
    """The cameras of a file whose arrays are checked; none where it has one alone."""
    if "views/K" not in head:
        return ()
    found, ends = [], np.cumsum(head["views/frames"])
    for row, video in enumerate(head["views/video"].tolist()):
        K_px, (width, height) = head["views/K"][row], head["views/size"][row].tolist()
        place = head["views/R_view_ref"][row], head["views/t_view_ref"][row]
        stamps = head["views/timestamps"][ends[row] - head["views/frames"][row] : ends[row]]
        clip = Clip(Path(video), float(head["views/fps"][row]), width, height, stamps, damaged=0)
        found.append(View(clip, Camera(K_px, width, height), *place, float(head["views/offset_s"][row])))
    return tuple(found)


def _check_world(path: Path, head: Mapping[str, NDArray]) -> None:
    """Refuse a world that no camera can stand in, or that is known in a way that there is not."""
    for name in ("camera/R_world_cam", "camera/t_world_cam"):
        if not np.isfinite(head[name]).all():
            raise ValueError(f"{path}: {name} has numbers that are not finite: {DAMAGED}")
    R_world_cam = head["camera/R_world_cam"].astype(np.float64)
    off = np.abs(R_world_cam @ R_world_cam.mT - np.eye(3))
    if not (off < NO_ROTATION).all() or not (np.linalg.det(R_world_cam) > 0).all():
        raise ValueError(f"{path}: camera/R_world_cam has matrices that are no rotations: {DAMAGED}")
    error = float(head["world/tilt_error_deg"])
    if not math.isnan(error) and not 0 <= error < math.inf:
        raise ValueError(f"{path}: world/tilt_error_deg is {error:g}, which no error is: {DAMAGED}")
    for name, choices in (("camera", WORLD_CAMERA), ("gravity", WORLD_GRAVITY), ("floor", WORLD_FLOOR)):
        if (word := str(head[f"world/{name}"])) not in choices:
            raise ValueError(f"{path}: world/{name} is {word[:40]!a}, not one of {', '.join(choices)}: {DAMAGED}")


def _person(
    path: Path, arrays: dict[str, NDArray], number: int, version: str, head: dict[str, NDArray]
) -> dict[str, NDArray]:
    """One person, whose arrays have the right shapes, as version 2 has them."""
    mine = {name: arrays[f"{number}/{name}"] for name in LAYOUTS[version][1] if f"{number}/{name}" in arrays}
    here = {name: _exact(array, LAYOUTS[version][1][name][1]) for name, array in mine.items()}
    for name, array in here.items():
        if name not in UNBOUNDED and not np.isfinite(array).all():
            raise ValueError(f"{path}: {number}/{name} has numbers that are not finite: {DAMAGED}")
    if (here.get("joints_std", np.zeros(1)) < 0).any():
        raise ValueError(f"{path}: {number}/joints_std is less than 0 somewhere: {DAMAGED}")
    contacts = here.get("contacts", np.zeros(1))
    if ((contacts < 0) | (contacts > 1)).any():
        raise ValueError(f"{path}: {number}/contacts are no probabilities from 0 to 1: {DAMAGED}")
    frames, count = here["frames"], len(head["timestamps"])
    if not (np.diff(frames) > 0).all() or (len(frames) and not 0 <= frames[0] <= frames[-1] < count):
        raise ValueError(f"{path}: {number}/frames are not increasing indices into the video: {DAMAGED}")
    if version == FORMAT:
        return here
    # in version 1 `trans` was the pelvis, and SMPL's translation stood in the weak camera
    pelvis, betas = here.pop("trans"), here.pop("betas")
    weak = (each.astype(np.float64) for each in (here["pred_cam"], here["box_px"], head["camera/K"]))
    transl = translation_from_weak(*weak).astype(np.float32)
    if betas.ndim == 2:
        here["betas_per_frame"] = betas
        betas = betas.mean(0) if len(betas) else np.zeros(10, np.float32)
    return here | {"pelvis": pelvis, "transl": transl, "betas": betas}


def _fit(path: Path, arrays: dict[str, NDArray], layout: Layout, prefix: str) -> None:
    """Check names, shapes and kinds of number, as the layout has them."""
    sizes: dict[str, int] = {}
    for name, (shape, kind) in layout.items():
        array = arrays.get(prefix + name)
        if array is None:
            if name in OPTIONAL:
                continue
            raise ValueError(f"{path} lacks {prefix}{name}: {DAMAGED}")
        if array.ndim < len(shape):
            shape = tuple(size for size in shape if not str(size).endswith("?"))
        named = [size.rstrip("?") if isinstance(size, str) else size for size in shape]
        seen = tuple(sizes.setdefault(w, n) if isinstance(w, str) else w for w, n in zip(named, array.shape))
        if array.shape != seen or array.ndim != len(shape) or array.dtype.kind != kind.replace("d", "f"):
            expected = "x".join(str(size) for size in shape) or "single"
            raise ValueError(
                f"{path}: {prefix}{name} is {array.dtype} {array.shape}, expected {expected} of kind {kind!r}: "
                f"{DAMAGED}"
            )
