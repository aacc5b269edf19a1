"""Body files: plain .npz in SMPL's layout, or the open body's own, read without unpickling anything."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

from vibe import assets
from vibe.arrays import Deferred, as_numpy
from vibe.assets.archives import read_npz
from vibe.assets.weights import BODIES
from vibe.body.keypoint_regressor import detected_rows, fold_regressors, point_rows
from vibe.body.record import Body, Marks
from vibe.records import Weights
from vibe.skeletons import JOINT_SETS, SMPL_PARENTS

FORMAT = "vibe-body 1"
PACKED_NAMES = (
    *("format", "v_template_step", "shapedirs_step", "weights_joint", "low_vertex", "low_f"),
    *("J_regressor_row", "J_regressor_vertex", "coco_regressor_row", "coco_regressor_vertex"),
)
"""Arrays that only this form has."""
MOST_VERTICES = 1 << 16
"""Whose numbers fit in 16 bits."""


def is_packed(arrays: dict[str, ndarray]) -> bool:
    """Whether the file is in the open body's own form."""
    return "format" in arrays and str(arrays["format"]) == FORMAT


def full(packed: dict[str, ndarray]) -> dict[str, ndarray]:
    """The arrays of SMPL's layout, float64."""
    plain = {key: packed[key] * packed[f"{key}_step"].astype(np.float64) for key in ("v_template", "shapedirs")}
    vertices = len(plain["v_template"])
    if vertices > MOST_VERTICES:
        raise ValueError(f"it has {vertices} vertices, {MOST_VERTICES} at most fit this form")
    weights = np.zeros((vertices, 24))
    np.put_along_axis(weights, packed["weights_joint"].astype(int), packed["weights"].astype(np.float64), 1)
    plain["weights"] = weights / weights.sum(1, keepdims=True)
    for key, rows in (("J_regressor", 24), ("coco_regressor", 17)):
        dense = np.zeros((rows, vertices))
        dense[packed[f"{key}_row"], packed[f"{key}_vertex"]] = packed[key]
        plain[key] = dense / dense.sum(1, keepdims=True)
    return plain | {key: packed[key].astype(np.int64) for key in ("f", "kintree_table")}


def low(packed: dict[str, ndarray], plain: dict[str, ndarray]) -> dict[str, ndarray]:
    """The coarse mesh: some of the fine one's vertices, and triangles of its own."""
    kept = packed["low_vertex"].astype(np.int64)
    surface = {key: plain[key][kept] for key in ("v_template", "shapedirs", "weights")}
    return surface | {"f": packed["low_f"].astype(np.int64)}


GENDERS = ("neutral", "male", "female")
BETAS = 10
LARGEST = 1 << 30
"""Bytes that a body file may unpack to."""
LAYOUT = {
    "v_template": ("vertex", 3),
    "shapedirs": ("vertex", 3, "beta"),
    "J_regressor": (24, "vertex"),
    "weights": ("vertex", 24),
    "f": ("face", 3),
    "kintree_table": (2, 24),
}
OPTIONAL = {
    "posedirs": ("vertex", 3, 207),
    "coco_regressor": (17, "vertex"),
    "extra_regressor": (9, "vertex"),
    "h36m_regressor": (17, "vertex"),
}
NAMES = {*LAYOUT, *OPTIONAL, "name", "licence", *PACKED_NAMES}
"""Arrays that are read; a file may hold others, of any kind."""
BESIDE = {"extra_regressor": "j_regressor_extra.npz", "h36m_regressor": "j_regressor_h36m.npz"}
"""Files that hold SMPL's regressors."""


def load_body(body: Path | str = "open", detail: str = "full") -> Body:
    """A body in SMPL's layout: the open one, which comes with the package, or a file of the user's own.

        import vibe

        body = vibe.load_body()
        print(body.v_template.shape)  # vertices of the mean shape at rest, metres

    `body` is "open", "smpl" (the neutral one), "smpl-male", "smpl-female" (as `vibe assets add` stored them) or the
    path of an .npz file. `detail` is "full" or "low"; only the open body has a low-polygon mesh, and both give the same
    joints and keypoints. Its arrays are tensors. Raises FileNotFoundError if there is no such file and ValueError, with
    the reason, if it is not a body.
    """
    return read_body(body, detail).to()


def read_body(body: Path | str = "open", detail: str = "full") -> Body:
    """The same with NumPy's arrays, without PyTorch; errors as of `load_body`."""
    named = body in BODIES and body != "open"
    return _loaded(assets.body_path(body), detail, _regressors() if named else {})


def load_smpl(gender: str = "neutral", detail: str = "full") -> Body:
    """SMPL's body from the user's own file, as `vibe assets add` converted it, with the regressors that are here.

    `gender` is "neutral", "male" or "female". Raises FileNotFoundError if it was not added and ValueError, with the
    reason, if a file is not what it should be.
    """
    if gender not in GENDERS:
        raise ValueError(f"there is no SMPL body {gender!r}: choose {', '.join(GENDERS)}")
    return load_body(f"smpl-{gender}" if gender != "neutral" else "smpl", detail)


def _regressors() -> dict[str, NDArray]:
    """Those of SMPL's that are here beside its file."""
    found = {}
    for name, file in BESIDE.items():
        with suppress(FileNotFoundError):
            found[name] = _regressor(assets.library(file))
    return found


def _regressor(path: Path) -> NDArray:
    arrays = read_npz(path, ["regressor"], LARGEST)
    if "regressor" not in arrays:
        raise ValueError(f"{path} holds no array `regressor`: run `vibe assets add` again with its owner's file")
    return arrays["regressor"]


def _loaded(path: Path, detail: str, regressors: dict[str, NDArray]) -> Body:
    """The body in a file, with regressors for its vertices that do not come with it."""
    if detail not in ("full", "low"):
        raise ValueError(f'the level of detail is {detail!r}: choose "full" or "low"')
    content = path.read_bytes()
    arrays = read_npz(path, NAMES, LARGEST, content) | regressors
    plain, low = _unpacked(path, arrays)
    if detail == "low" and low is None:
        raise ValueError(f'{path} has no low-polygon mesh: use detail="full"')
    _check(path, plain)
    origin = Weights(
        name=str(arrays.get("name", path.stem)),
        sha256=hashlib.sha256(content).hexdigest(),
        licence=str(arrays.get("licence", "unknown: ask the source of the file")),
    )
    return _body(plain, low if detail == "low" else None, origin)


def _unpacked(path: Path, arrays: dict[str, NDArray]) -> tuple[dict[str, NDArray], dict[str, NDArray] | None]:
    """SMPL's arrays, and those of the low-polygon mesh where the file is in the open body's own form."""
    if not is_packed(arrays):
        return arrays, None
    try:
        plain = full(arrays)
        return plain, low(arrays, plain)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}): install vibe again or build the body anew") from error


def _check(path: Path, arrays: dict[str, NDArray]) -> None:
    """Names, shapes, finite numbers, faces and tree, each with its own sentence."""
    missing = [name for name in LAYOUT if name not in arrays]
    if missing:
        raise ValueError(
            f"{path} lacks {', '.join(missing)} (it has {', '.join(sorted(arrays)[:12])}): give a body in SMPL's layout"
        )
    sizes: dict[str, int] = {}
    for name, shape in (LAYOUT | {key: shape for key, shape in OPTIONAL.items() if key in arrays}).items():
        array = arrays[name]
        wanted = tuple(size if isinstance(size, int) else sizes.get(size, size) for size in shape)
        fits = array.ndim == len(wanted) and all(isinstance(w, str) or w == n for w, n in zip(wanted, array.shape))
        if not fits or array.dtype.kind not in "fiu":
            raise ValueError(
                f"{path}: {name} is {array.dtype} {array.shape}, expected numbers {wanted}: give an SMPL file of "
                "24 joints (SMPL-H and SMPL-X have more)"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{path}: {name} has numbers that are not finite: the file is damaged, copy it again")
        sizes |= {size: n for size, n in zip(shape, array.shape) if isinstance(size, str)}
    if sizes["beta"] < BETAS:
        raise ValueError(f"{path} has {sizes['beta']} shape components: {BETAS} are needed")
    if arrays["f"].min() < 0 or arrays["f"].max() >= sizes["vertex"]:
        raise ValueError(f"{path}: its faces name vertices that do not exist: the file is damaged, copy it again")
    parents = tuple(arrays["kintree_table"][0].astype(np.int64)[1:])
    if parents != SMPL_PARENTS[1:]:
        raise ValueError(f"{path}: its joints are connected in another way than SMPL's: give an SMPL file of 24 joints")
    for name in ("weights", "J_regressor"):
        worst = np.abs(arrays[name].sum(1) - 1).max()
        if worst > 1e-3:
            raise ValueError(
                f"{path}: rows of {name} sum to something else than 1, by {worst:.3g}: the file is damaged"
            )


def _body(plain: dict[str, NDArray], low: dict[str, NDArray] | None, origin: Weights) -> Body:
    """The record in single precision; the surface is that of `low` if there is one, the points are of the full one."""
    full = _doubles(plain)
    J_template = full["J_regressor"] @ full["v_template"]
    J_shapedirs = np.tensordot(full["J_regressor"], full["shapedirs"], 1)
    posedirs = full.get("posedirs")
    posedirs = posedirs if posedirs is not None and posedirs.any() else None
    vertices = len(full["v_template"])
    rows = cache(partial(point_rows, full))

    def marks() -> dict[str, Marks]:
        skin = full["weights"], full["v_template"], full["shapedirs"], posedirs
        folded = {name: fold_regressors(points, *skin, J_template, J_shapedirs) for name, points in rows().items()}
        for name, base in (("detected17", "coco17"), ("detected27", "detected27")):
            if base in folded:
                folded[name] = detected_rows(folded[base], JOINT_SETS[name])
        return as_numpy(folded, np.float32)

    def regressors() -> dict[str, NDArray]:
        on_skin = {name: row[:, :vertices] for name, row in rows().items() if not row[:, vertices:].any()}
        return as_numpy({} if low else on_skin, np.float32)

    surface = full if low is None else _doubles(low)
    return Body(
        v_template=surface["v_template"].astype(np.float32),
        shapedirs=_planes(surface["shapedirs"]),
        posedirs=_planes(posedirs) if low is None and posedirs is not None else None,
        J_template=J_template.astype(np.float32),
        J_shapedirs=J_shapedirs.astype(np.float32),
        weights=surface["weights"].astype(np.float32),
        faces=surface["f"].astype(np.int64),
        parents=SMPL_PARENTS,
        marks=Deferred(marks),
        regressors=Deferred(regressors),
        origin=origin,
    )


def _planes(directions: NDArray) -> NDArray:
    """The same numbers, laid out x before y before z in memory as skinning reads them."""
    return np.ascontiguousarray(directions.swapaxes(0, 1), np.float32).swapaxes(0, 1)


def _doubles(arrays: dict[str, NDArray]) -> dict[str, NDArray]:
    """The numbers of a body in double precision, with as many shape components as are used."""
    names = {*LAYOUT, *OPTIONAL} & set(arrays)
    doubles = {name: np.asarray(arrays[name], np.float64) for name in names}
    return doubles | {"shapedirs": np.ascontiguousarray(doubles["shapedirs"][..., :BETAS])}


def find_body(origin: Weights, body: Body | Path | str | None = None) -> Body:
    """The body of this name and SHA-256: the one that is given, else the open body or the user's SMPL.

    What is found has NumPy's arrays. Raises FileNotFoundError, with what to do, if it is not here, and ValueError
    if another one is given.
    """
    if body is None:
        return _held(origin.name, origin.sha256)
    found = body if isinstance(body, Body) else read_body(body)
    if found.origin.sha256 != origin.sha256:
        raise ValueError(
            f"the motion was made with the body {origin.name} (SHA-256 {origin.sha256[:12]}...), this one is "
            f"{found.origin.name} ({found.origin.sha256[:12]}...): give the same body"
        )
    return found


@lru_cache(maxsize=2)
def _held(name: str, sha256: str) -> Body:
    """The named body with this checksum, kept for the next to ask; one that is not here is looked for anew."""
    for each in BODIES:
        try:
            found = read_body(each)
        except FileNotFoundError:
            continue
        if found.origin.sha256 == sha256:
            return found
    raise FileNotFoundError(
        f"the motion was made with the body {name} (SHA-256 {sha256[:12]}...), which is not here: give its file (on "
        "the command line with --body), or run `vibe assets add` on the SMPL file that it was made with"
    )
