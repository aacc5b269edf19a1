"""AMASS, motion capture of many archives as SMPL-H or SMPL-X bodies, and any folder of such files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vibe.assets.archives import read_npz
from vibe.data.recording import GENDERS, RawJob, RawSet, Recording
from vibe.data.sets.annotations import check_numbers
from vibe.data.sets.mocap import MOCAP_RECIPE, find_files, mocap_recording, pelvis_at_rest
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
RATES = ("mocap_framerate", "mocap_frame_rate")
ENDINGS = ("_poses", "_stageii")
NEEDED = ("poses", "trans", "betas", "gender", "surface_model_type", *RATES)
R_yup_zup = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]], dtype=torch.float64)
"""From AMASS's world, whose z points up, to ours."""
LAYOUT = "SUBSET/SUBJECT/CLIP_poses.npz (SMPL+H) or CLIP_stageii.npz (SMPL-X), as in CMU/01/01_01_poses.npz"
ANYWHERE = "NAME.npz in any folders, with poses, trans, betas, gender and mocap_framerate as AMASS has them"


def to_take(path: Path, arrays: Mapping[str, ndarray], name: str, subject: str, split: str) -> Recording:
    """The recording of a file's arrays; raises ValueError with the file and what is wrong."""
    rate = next((arrays[key] for key in RATES if key in arrays), None)
    missing = [key for key in ("poses", "trans") if key not in arrays]
    if missing or rate is None:
        raise ValueError(f"{path} has no {', '.join(missing) or ' or '.join(RATES)}: it is no motion in AMASS's form")
    poses = check_numbers(arrays["poses"], (None, None), f"{path}: poses")
    trans = check_numbers(arrays["trans"], (len(poses), 3), f"{path}: trans")
    kind = COLUMNS.get(poses.shape[1])
    if kind is None:
        raise ValueError(f"{path}: {poses.shape[1]} numbers a pose, and {', '.join(map(str, COLUMNS))} can be read")
    rotmat, pelvis = in_our_world(torch.from_numpy(poses), torch.from_numpy(trans))
    fps = float(rate.reshape(-1)[0]) if rate.dtype.kind in "fiu" and rate.size else math.nan
    return mocap_recording(name, rotmat, pelvis, fps, subject, split, _gender(path, arrays), _betas(path, arrays, kind))


def in_our_world(
    poses: Float[Tensor, "time n"], trans: Float[Tensor, "time 3"]
) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "time 3"]]:
    """SMPL's rotations, hands at zero, and the pelvis, in a world whose y points up."""
    body = roma.rotvec_to_rotmat(poses[:, : 3 * BODY].unflatten(1, (BODY, 3)))
    hands = torch.eye(3, dtype=body.dtype).expand(len(body), len(SMPL) - BODY, 3, 3)
    turned = (R_yup_zup @ body[:, 0])[:, None]
    return torch.cat([turned, body[:, 1:], hands], 1), (trans + pelvis_at_rest()) @ R_yup_zup.mT


def _gender(path: Path, arrays: Mapping[str, ndarray]) -> str:
    value = np.ravel(arrays.get("gender", np.array("neutral")))[:1]
    gender = str(value.astype("U20")[0]) if value.size and value.dtype.kind in "SU" else "nothing"
    if gender not in GENDERS:
        raise ValueError(f"{path}: its gender is {gender[:20]!a}, not one of {', '.join(GENDERS)}: the file is damaged")
    return gender


def _betas(path: Path, arrays: Mapping[str, ndarray], kind: str) -> Float[ndarray, "10"]:
    """The shape; the mean one for SMPL-X, whose components are others than SMPL's."""
    if kind == "SMPL-X" or "smplx" in str(arrays.get("surface_model_type", "")):
        return np.zeros(10)
    return check_numbers(arrays.get("betas", np.zeros(10)).reshape(-1)[:10], (10,), f"{path}: betas")


def clip_name(path: Path) -> str:
    """The clip's own name, without what says which kind of file it is."""
    return next((path.stem.removesuffix(ending) for ending in ENDINGS if path.stem.endswith(ending)), path.stem)


def _is_motion(path: Path) -> bool:
    """Not one of the files that hold a subject's shape."""
    return not path.stem.endswith(("shape", "_stagei"))


def _amass_files(raw: Path) -> list[Path]:
    return find_files(raw, "*.npz", LAYOUT, lambda path: _is_motion(path) and path.stem.endswith(ENDINGS))


def _any_files(raw: Path) -> list[Path]:
    return find_files(raw, "*.npz", ANYWHERE, _is_motion)


def _read(path: Path, name: str, subject: str, split: str) -> Iterator[Recording]:
    yield to_take(path, read_npz(path, NEEDED), name, subject, split)


def _amass_jobs(raw: Path) -> Iterator[RawJob]:
    for path in _amass_files(raw):
        subset, subject = path.absolute().parts[-3:-1]
        subset = NAMES.get(subset, subset)
        name = f"{subset}/{subject}/{clip_name(path)}"
        yield RawJob(name, partial(_read, path, name, f"{subset}_{subject}", SPLITS.get(subset, "train")))


def _any_jobs(raw: Path) -> Iterator[RawJob]:
    for path in _any_files(raw):
        place = path.relative_to(raw).parent
        name = (place / clip_name(path)).as_posix()
        yield RawJob(name, partial(_read, path, name, place.as_posix(), "train"))


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
    jobs=_amass_jobs,
    sources=_amass_files,
    recipe=HOW | {"splits": "AMASS's own; the published VIBE was trained on all of them"},
)
AMASS_LIKE = RawSet(
    title="a folder of motion in AMASS's form",
    licence="Not known: whatever its owner allows; ask before weights trained on it are passed on.",
    layout=ANYWHERE,
    jobs=_any_jobs,
    sources=_any_files,
    recipe=HOW | {"splits": "all for training"},
)
