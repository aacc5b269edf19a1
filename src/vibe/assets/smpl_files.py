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
from vibe.skeletons import COCO, H36M17, SMPL_BODY_POSE, SMPL_JOINTS, SMPL_PARENTS

Readers = Mapping[str, Callable[[], Any]]
"""What reads each array, by its name."""
Layout = dict[str, tuple[int | str, ...]]
"""Shapes by the name of the array; words stand for sizes that have to be the same wherever they are."""
BODY_LAYOUT: Layout = {
    "kintree_table": (2, SMPL_JOINTS),
    "v_template": ("vertex", 3),
    "shapedirs": ("vertex", 3, "beta"),
    "J_regressor": (SMPL_JOINTS, "vertex"),
    "weights": ("vertex", SMPL_JOINTS),
    "f": ("face", 3),
}
OPTIONAL: Layout = {
    "posedirs": ("vertex", 3, 9 * (SMPL_JOINTS - 1)),
    "coco_regressor": (len(COCO), "vertex"),
    "extra_regressor": (9, "vertex"),
    "h36m_regressor": (len(H36M17), "vertex"),
}
VERTICES, FACES = 6890, 13776
"""Of SMPL's own mesh."""
BETAS, MAX_BETAS = 10, 400
OTHER_BODIES = {16: "MANO (a hand)", 52: "SMPL-H (a body with hands)", 55: "SMPL-X (a body with hands and face)"}
"""By their number of joints."""
MEAN_LAYOUT: Layout = {"pose": (144,), "shape": (BETAS,), "cam": (3,)}
MIXTURE_LAYOUT: Layout = {
    "weights": ("part",),
    "means": ("part", SMPL_BODY_POSE),
    "covars": ("part", SMPL_BODY_POSE, SMPL_BODY_POSE),
}
REGRESSORS = {9: "j_regressor_extra.npz", 17: "j_regressor_h36m.npz"}
"""By their number of joints."""
GENDERS = ("neutral", "male", "female")
MAX_COMPONENTS = 64
ROW_SUM = 1e-3


def body(readers: Readers, path: Path) -> tuple[str, bytes]:
    """A body of SMPL: its name in the library and its content; raises ValueError.

    All shape components of the file are kept. The gender is what the file says, else what its name says, else neutral.
    """
    layout = BODY_LAYOUT | {"posedirs": OPTIONAL["posedirs"]}
    if missing := [name for name in layout if name not in readers]:
        raise ValueError(f"the body lacks {', '.join(missing)}: get the whole file from its owner")
    tree = readers["kintree_table"]()
    if isinstance(tree, np.ndarray) and tree.ndim == 2 and (joints := tree.shape[1]) != SMPL_JOINTS:
        what = OTHER_BODIES.get(joints, "another body")
        raise ValueError(f"it is {what}, which has {joints} joints: give SMPL's own file, which has {SMPL_JOINTS}")
    plain = {name: readers[name]() for name in layout}
    check_body(plain, vertex=VERTICES, face=FACES)
    gender = _gender(readers, path)
    return _npz(f"smpl_{gender}.npz", f"SMPL {gender}", plain)


def check_body(arrays: Mapping[str, Any], **sizes: int) -> None:
    """Raises ValueError, with the reason, unless arrays are those of a body in SMPL's layout, of the given sizes.

    Names, shapes and finite numbers; the tree is SMPL's, faces name vertices that exist, rows of weights sum to 1.
    """
    if missing := [name for name in BODY_LAYOUT if name not in arrays]:
        held = ", ".join(sorted(arrays)[:12])
        raise ValueError(f"it lacks {', '.join(missing)} (it has {held}): give a body in SMPL's layout")
    known = {name: shape for name, shape in (BODY_LAYOUT | OPTIONAL).items() if name in arrays}
    try:
        found = check_arrays(arrays, known, **sizes)
    except ValueError as error:
        raise ValueError(f"{error}: give an SMPL file of {SMPL_JOINTS} joints (SMPL-H and SMPL-X have more)") from error
    if not BETAS <= found["beta"] <= MAX_BETAS:
        raise ValueError(f"it has {found['beta']} shape components: {BETAS} are needed")
    faces = arrays["f"]
    if faces.dtype.kind not in "iu" or not 0 <= faces.min(initial=0) <= faces.max(initial=0) < found["vertex"]:
        raise ValueError("its faces (f) name vertices that do not exist: the file is damaged, copy it again")
    if tuple(arrays["kintree_table"][0, 1:].tolist()) != SMPL_PARENTS[1:]:
        raise ValueError("its joints (kintree_table) are connected in another way than SMPL's")
    for name in ("weights", "J_regressor"):
        if (worst := np.abs(arrays[name].sum(1) - 1).max()) > ROW_SUM:
            raise ValueError(f"rows of {name} sum to something else than 1, by {worst:.3g}: the file is damaged")


def check_arrays(arrays: Mapping[str, Any], layout: Layout, **sizes: int) -> dict[str, int]:
    """The sizes that a layout has words for; raises ValueError, which names the array, if one does not fit it.

    All numbers have to be finite.
    """
    for name, shape in layout.items():
        array = arrays[name]
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
            raise ValueError(f"{name} holds no numbers")
        wanted = tuple(sizes.get(str(side), side) for side in shape)
        if array.ndim != len(wanted) or any(side not in (n, str(side)) for side, n in zip(wanted, array.shape)):
            raise ValueError(f"{name} has the shape {array.shape}, expected ({', '.join(map(str, wanted))})")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{name} holds a number that is not finite: the file is damaged, copy it again")
        sizes |= {str(side): n for side, n in zip(shape, array.shape)}
    return sizes


def mean_parameters(readers: Readers) -> tuple[str, bytes]:
    """SPIN's mean pose (24 times 6 numbers), shape and camera; raises ValueError."""
    plain = {name: readers[name]() for name in MEAN_LAYOUT}
    check_arrays(plain, MEAN_LAYOUT)
    plain = {name: array.astype(np.float32) for name, array in plain.items()}
    return _npz("smpl_mean_params.npz", "SPIN mean parameters", plain)


def regressor(array: NDArray[Any]) -> tuple[str, bytes]:
    """A joint regressor, told by its number of rows; raises ValueError."""
    file = REGRESSORS.get(array.shape[0]) if array.ndim == 2 else None
    if file is None or array.shape[1] != VERTICES:
        known = " and ".join(f"({joints}, {VERTICES})" for joints in REGRESSORS)
        raise ValueError(f"it is an array of shape {array.shape}: the joint regressors have {known}")
    check_arrays({"the regressor": array}, {"the regressor": array.shape})
    return _npz(file, file.removesuffix(".npz"), {"regressor": array})


def pose_mixture(readers: Readers) -> tuple[str, bytes]:
    """SMPLify's mixture of Gaussians over 69 axis-angle numbers; raises ValueError."""
    plain = {name: readers[name]() for name in MIXTURE_LAYOUT}
    count = check_arrays(plain, MIXTURE_LAYOUT)["part"]
    if not 1 <= count <= MAX_COMPONENTS:
        raise ValueError(f"it is a mixture of {count}, they have 1 to {MAX_COMPONENTS} parts")
    if not (plain["weights"] > 0).all():
        raise ValueError("weights has a number that is not positive: the mixture is damaged")
    try:
        np.linalg.cholesky(plain["covars"].astype(np.float64))
    except np.linalg.LinAlgError as error:
        raise ValueError("covars holds a matrix that is no covariance: the mixture is damaged") from error
    return _npz("pose_mixture.npz", "SMPLify pose mixture", plain)


def _gender(readers: Readers, path: Path) -> str:
    said = str(np.asarray(readers["gender"]()).astype(str)) if "gender" in readers else ""
    if said.lower() in GENDERS:
        return said.lower()
    stem, folder = path.stem.lower(), path.parent.name.lower()
    words = re.split(r"[^a-z]+", stem)
    for gender, letter in (("neutral", "n"), ("female", "f"), ("male", "m")):
        if gender in stem or letter in words:
            return gender
    return folder if folder in GENDERS else "neutral"


def _npz(file: str, name: str, plain: dict[str, NDArray[Any]]) -> tuple[str, bytes]:
    """A file of the library, and its content with its licence."""
    _, _, licence, owner = CONVERTED[file]
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **plain, name=np.array(name), licence=np.array(f"{licence}; from {owner}."))
    return file, buffer.getvalue()
