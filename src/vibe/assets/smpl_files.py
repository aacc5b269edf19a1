"""Bodies, mean parameters, joint regressors and pose mixtures: checked, and written as plain arrays."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe.assets.registry import CONVERTED
from vibe.skeletons import SMPL_BODY_POSE, SMPL_JOINTS, SMPL_PARENTS

Readers = Mapping[str, Callable[[], Any]]
"""What reads each array, by its name."""
VERTICES, FACES, JOINTS = 6890, 13776, SMPL_JOINTS
SMPL_LAYOUT: dict[str, tuple[int | None, ...]] = {
    "kintree_table": (2, JOINTS),
    "v_template": (VERTICES, 3),
    "shapedirs": (VERTICES, 3, None),
    "posedirs": (VERTICES, 3, 9 * (JOINTS - 1)),
    "J_regressor": (JOINTS, VERTICES),
    "weights": (VERTICES, JOINTS),
    "f": (FACES, 3),
}
"""None stands for the number of shape components."""
BETAS = 10
MAX_BETAS = 400
OTHER_BODIES = {16: "MANO (a hand)", 52: "SMPL-H (a body with hands)", 55: "SMPL-X (a body with hands and face)"}
"""By their number of joints."""
MEAN_LAYOUT = {"pose": (144,), "shape": (10,), "cam": (3,)}
REGRESSORS = {9: "j_regressor_extra.npz", 17: "j_regressor_h36m.npz"}
"""By their number of joints."""
GENDERS = ("neutral", "male", "female")
MAX_COMPONENTS = 64
ROW_SUM = 1e-3


def is_body(names: set[Any]) -> bool:
    """Whether the keys of a file are those of a body in the layout of SMPL and its relatives."""
    return {"v_template", "shapedirs", "kintree_table"} <= names


def body(readers: Readers, path: Path) -> tuple[str, bytes]:
    """A body of SMPL: its name in the library and its content; raises ValueError.

    All shape components of the file are kept. The gender is what the file says, else what its name says, else neutral.
    """
    if missing := [name for name in SMPL_LAYOUT if name not in readers]:
        raise ValueError(f"the body lacks {', '.join(missing)}: get the whole file from its owner")
    plain: dict[str, NDArray[Any]] = {}
    for name, shape in SMPL_LAYOUT.items():
        array = _finite(name, readers[name]())
        joints = array.shape[-1] if name == "kintree_table" and array.ndim == 2 else JOINTS
        if joints != JOINTS:
            what = OTHER_BODIES.get(joints, "another body")
            raise ValueError(f"it is {what}, which has {joints} joints: give SMPL's own file, which has {JOINTS}")
        _shaped(name, array, shape)
        plain[name] = array
    if not BETAS <= plain["shapedirs"].shape[2] <= MAX_BETAS:
        raise ValueError(f"the body has {plain['shapedirs'].shape[2]} shape components: {BETAS} are needed")
    _connected(plain)
    gender = _gender(readers, path)
    file = f"smpl_{gender}.npz"
    return file, _npz(file, f"SMPL {gender}", plain)


def mean_parameters(readers: Readers) -> tuple[str, bytes]:
    """SPIN's mean pose (24 times 6 numbers), shape and camera; raises ValueError."""
    plain = {name: _shaped(name, _finite(name, readers[name]()), shape) for name, shape in MEAN_LAYOUT.items()}
    plain = {name: array.astype(np.float32) for name, array in plain.items()}
    return "smpl_mean_params.npz", _npz("smpl_mean_params.npz", "SPIN mean parameters", plain)


def regressor(array: NDArray[Any]) -> tuple[str, bytes]:
    """A joint regressor, told by its number of rows; raises ValueError."""
    file = REGRESSORS.get(array.shape[0]) if array.ndim == 2 else None
    if file is None or array.shape[1] != VERTICES:
        known = " and ".join(f"({joints}, {VERTICES})" for joints in REGRESSORS)
        raise ValueError(f"it is an array of shape {array.shape}: the joint regressors have {known}")
    return file, _npz(file, file.removesuffix(".npz"), {"regressor": _finite("the regressor", array)})


def pose_mixture(readers: Readers) -> tuple[str, bytes]:
    """SMPLify's mixture of Gaussians over 69 axis-angle numbers; raises ValueError."""
    plain = {name: _finite(name, readers[name]()) for name in ("means", "covars", "weights")}
    count = plain["weights"].shape[0] if plain["weights"].ndim == 1 else 0
    if not 1 <= count <= MAX_COMPONENTS:
        raise ValueError(f"weights has the shape {plain['weights'].shape}: a mixture has 1 to {MAX_COMPONENTS} parts")
    _shaped("means", plain["means"], (count, SMPL_BODY_POSE))
    _shaped("covars", plain["covars"], (count, SMPL_BODY_POSE, SMPL_BODY_POSE))
    if not (plain["weights"] > 0).all():
        raise ValueError("weights has a number that is not positive: the mixture is damaged")
    try:
        np.linalg.cholesky(plain["covars"].astype(np.float64))
    except np.linalg.LinAlgError as error:
        raise ValueError("covars holds a matrix that is no covariance: the mixture is damaged") from error
    return "pose_mixture.npz", _npz("pose_mixture.npz", "SMPLify pose mixture", plain)


def _finite(name: str, array: Any) -> NDArray[Any]:
    """Numbers, all of them finite."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise ValueError(f"{name} holds no numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name} holds a number that is not finite: the file is damaged, copy it again")
    return array


def _shaped(name: str, array: NDArray[Any], shape: tuple[int | None, ...]) -> NDArray[Any]:
    if array.ndim != len(shape) or any(size not in (None, found) for size, found in zip(shape, array.shape)):
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(f"{name} has the shape {array.shape}, expected ({wanted})")
    return array


def _connected(plain: dict[str, NDArray[Any]]) -> None:
    """The tree is SMPL's, faces name vertices that exist, rows of weights sum to 1."""
    if tuple(plain["kintree_table"][0, 1:].tolist()) != SMPL_PARENTS[1:]:
        raise ValueError("its joints (kintree_table) are connected in another way than SMPL's")
    if plain["f"].dtype.kind not in "iu" or not 0 <= plain["f"].min() <= plain["f"].max() < VERTICES:
        raise ValueError("its faces (f) name vertices that do not exist: the file is damaged, copy it again")
    for name in ("weights", "J_regressor"):
        worst = np.abs(plain[name].sum(1) - 1).max()
        if worst > ROW_SUM:
            raise ValueError(f"rows of {name} sum to something else than 1, by {worst:.3g}: the file is damaged")


def _gender(readers: Readers, path: Path) -> str:
    if "gender" in readers:
        said = readers["gender"]()
        if isinstance(said, str) and said.lower() in GENDERS:
            return said.lower()
    stem, folder = path.stem.lower(), path.parent.name.lower()
    words = re.split(r"[^a-z]+", stem)
    for gender, letter in (("neutral", "n"), ("female", "f"), ("male", "m")):
        if gender in stem or letter in words:
            return gender
    return folder if folder in GENDERS else "neutral"


def _npz(file: str, name: str, plain: dict[str, NDArray[Any]]) -> bytes:
    """The content of a file of the library, with its licence."""
    _, _, licence, owner = CONVERTED[file]
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **plain, name=np.array(name), licence=np.array(f"{licence}; from {owner}."))
    return buffer.getvalue()
