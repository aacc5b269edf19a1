"""AMASS, motion capture of many archives as SMPL-H or SMPL-X bodies, and any folder of such files."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray

from vibe.assets import pickle_arrays, pickles
from vibe.assets.archives import MAX_HEADER, Zip, header, read_npz
from vibe.data.recording import GENDERS, File, RawSet, Recording
from vibe.data.sets.annotations import check_numbers, find_files
from vibe.data.sets.mocap import MOCAP_RECIPE, mocap_recording, pelvis_at_rest
from vibe.errors import damaged
from vibe.records import SmplParams
from vibe.skeletons import SMPL

NAMES = {
    "BioMotionLab_NTroje": "BMLrub",
    "DFaust_67": "DFaust",
    "MPI_HDM05": "HDM05",
    "MPI_Limits": "PosePrior",
    "MPI_mosh": "MoSh",
    "SSM_synced": "SSM",
    "TCD_handMocap": "TCDHands",
    "Transitions_mocap": "Transitions",
}
"""Subsets that were renamed: what the first releases call them, and what the later ones do."""
SPLITS = {
    **dict.fromkeys(("HumanEva", "HDM05", "SFU", "MoSh"), "validation"),
    **dict.fromkeys(("Transitions", "SSM"), "test"),
}
"""Subsets that AMASS recommends for validation and test; all others train."""
BODY = 22
"""Joints that SMPL, SMPL-H and SMPL-X have in the same order; after them come jaw, eyes and hands."""
COLUMNS = {66: "body", 72: "SMPL", 156: "SMPL-H", 165: "SMPL-X"}
"""What a row of `poses` is of, by its length."""
PARTS = (("root_orient", "global_orient"), ("pose_body", "body_pose"))
"""What stands for `poses` in files that keep the parts of a pose apart."""
TRANS = ("trans", "transl")
RATES = ("mocap_framerate", "mocap_frame_rate", "fps", "framerate", "frame_rate")
ENDINGS = ("_poses", "_stageii")
MOTION = ("poses", *PARTS[0], *PARTS[1], *TRANS, *RATES)
BESIDE = ("betas", "gender", "surface_model_type")
"""What a motion can do without."""
R_yup_zup = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]], dtype=torch.float64)
"""From AMASS's world, whose z points up, to ours."""
LAYOUT = "SUBSET/SUBJECT/CLIP_poses.npz (SMPL+H) or CLIP_stageii.npz (SMPL-X), as in CMU/01/01_01_poses.npz"
ANYWHERE = "NAME.npz in any folders, with poses, trans, betas, gender and mocap_framerate as AMASS has them"


def read_take(path: Path, name: str, subject: str, split: str) -> Recording:
    """The recording in a file; raises OSError, or ValueError with the file and what is wrong."""
    arrays: dict[str, Any] = dict(read_npz(path, MOTION))
    for key in BESIDE:
        try:
            arrays |= read_npz(path, (key,))
        except ValueError:  # no plain array: what some programs keep as a Python object
            arrays[key] = _python_text(path, key)
    return to_take(path, arrays, name, subject, split)


def _python_text(path: Path, key: str) -> ndarray:
    """The text that an array of one Python object holds; an array of nothing if it holds something else."""
    try:
        content = Zip(io.BytesIO(path.read_bytes())).content(f"{key}.npy", MAX_HEADER)
        made, _ = pickles.read_pickle(content, header(content)[-1])
        return np.array([pickle_arrays.text(made.state[-1][0])])
    except (ValueError, KeyError, AttributeError, TypeError, IndexError):
        return np.zeros(0)


def to_take(path: Path, arrays: Mapping[str, Any], name: str, subject: str, split: str) -> Recording:
    """The recording of a file's arrays; raises ValueError with the file and what is wrong.

    A gender or shape that it does not give, or not in a way that can be read, is neutral and zero, and noted.
    """
    poses = ["poses"] if "poses" in arrays else [name for names in PARTS for name in names if name in arrays]
    trans, rate = _first(arrays, TRANS), _first(arrays, RATES)
    there = {"poses": poses == ["poses"] or len(poses) == len(PARTS), "trans": trans, " or ".join(RATES): rate}
    if trans is None or rate is None or not all(there.values()):
        missing = ", ".join(name for name, value in there.items() if not value)
        raise ValueError(f"{path} has no {missing}: it is no motion in AMASS's form")
    parts: list[ndarray] = []
    for part in poses:
        values = np.asarray(arrays[part])
        if values.ndim == 3 and values.shape[2] == 3:  # a row for each joint
            values = values.reshape(len(values), 3 * values.shape[1])
        parts.append(check_numbers(values, (len(parts[0]) if parts else None, None), f"{path}: {part}"))
    rows = np.concatenate(parts, 1)
    places = check_numbers(arrays[trans], (len(rows), 3), f"{path}: {trans}")
    kind = COLUMNS.get(rows.shape[1])
    if kind is None:
        raise ValueError(f"{path}: {rows.shape[1]} numbers a pose, and {', '.join(map(str, COLUMNS))} can be read")
    body = roma.rotvec_to_rotmat(torch.from_numpy(rows[:, : 3 * BODY]).unflatten(1, (BODY, 3)))
    hands = torch.eye(3, dtype=body.dtype).expand(len(body), len(SMPL) - BODY, 3, 3)
    rotmat = torch.cat([(R_yup_zup @ body[:, 0])[:, None], body[:, 1:], hands], 1)
    pelvis = (torch.from_numpy(places) + pelvis_at_rest()) @ R_yup_zup.mT
    given, fps = np.ravel(arrays[rate]), math.nan
    if given.size and given.dtype.kind in "fiuSU":
        with damaged(f"{path}: {rate} is no number of frames a second"):
            fps = float(given[0])
    notes: list[str] = []
    gender, betas = _gender(arrays, notes), _betas(arrays, kind, notes)
    smpl = SmplParams(rotmat, torch.from_numpy(betas), pelvis)
    return mocap_recording(name, smpl, fps, subject, split=split, gender=gender, note="; ".join(notes))


def _first(arrays: Mapping[str, Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in arrays), None)


def _gender(arrays: Mapping[str, Any], notes: list[str]) -> str:
    """One of GENDERS, however it is written; neutral for what is none, and noted."""
    given = np.ravel(arrays.get("gender", ()))[:1]
    if not given.size:
        notes.append("it has no gender: neutral was taken")
        return "neutral"
    word = given[0] if given.dtype.kind in "SU" else "nothing"
    word = word.decode("latin-1") if isinstance(word, bytes) else str(word)
    gender = next((gender for gender in GENDERS if word.strip() and gender.startswith(word.strip().lower())), None)
    if gender is None:
        notes.append(f"its gender is {word[:20]!a}: neutral was taken")
    return gender or "neutral"


def _betas(arrays: Mapping[str, Any], kind: str, notes: list[str]) -> Float[ndarray, "10"]:
    """The shape; the mean one for SMPL-X, whose components are others than SMPL's, and where it can't be read."""
    betas = np.zeros(10)
    if kind == "SMPL-X" or "smplx" in str(arrays.get("surface_model_type", "")):
        return betas
    try:
        given = check_numbers(np.ravel(arrays.get("betas", ()))[:10], (None,), "it")
        betas[: len(given)] = given
    except ValueError as error:
        notes.append(f"its betas can't be read ({error}): the mean shape was taken")
        return betas
    if not len(given):
        notes.append("it has no betas: the mean shape was taken")
    return betas


def clip_name(path: Path) -> str:
    """The clip's own name, without what says which kind of file it is."""
    return path.stem.removesuffix(ENDINGS[0]).removesuffix(ENDINGS[1])


def _amass_files(raw: Path) -> list[File]:
    files = []
    for path in (path for path in find_files(raw, "**/*.npz") if path.stem.endswith(ENDINGS)):
        subset, subject = path.absolute().parts[-3:-1]
        files.append((f"{NAMES.get(subset, subset)}/{subject}/{clip_name(path)}", path))
    return files


def _any_files(raw: Path) -> list[File]:
    """All but those that hold a subject's shape."""
    paths = [path for path in find_files(raw, "**/*.npz") if not path.stem.endswith(("shape", "_stagei"))]
    return [((path.relative_to(raw).parent / clip_name(path)).as_posix(), path) for path in paths]


def _read_amass(_: Path, name: str, path: Path) -> Iterator[Recording]:
    subset, subject, _clip = name.split("/")
    yield read_take(path, name, f"{subset}_{subject}", SPLITS.get(subset, "train"))


def _read_any(raw: Path, name: str, path: Path) -> Iterator[Recording]:
    yield read_take(path, name, path.relative_to(raw).parent.as_posix(), "train")


HOW = MOCAP_RECIPE | {
    "world": "y up, turned from a world whose z points up",
    "betas": "those of SMPL-H, of the file's gender; of SMPL-X zero",
}
AMASS = RawSet(
    title="AMASS",
    licence=(
        "AMASS, (c) Max-Planck-Gesellschaft: for non-commercial scientific research only, may not be passed on, and "
        "its terms reach models trained on it; each archive in it has terms of its own beside these."
    ),
    layout=LAYOUT,
    files=_amass_files,
    read=_read_amass,
    recipe=HOW | {"splits": "AMASS's own; the published VIBE was trained on all of them"},
)
AMASS_LIKE = RawSet(
    title="a folder of motion in AMASS's form",
    licence="Not known: whatever its owner allows; ask before weights trained on it are passed on.",
    layout=ANYWHERE,
    files=_any_files,
    read=_read_any,
    recipe=HOW | {"splits": "all for training"},
)
