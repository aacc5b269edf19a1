"""Body files: plain .npz in SMPL's layout, or the open body's own, read without unpickling anything."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path

import numpy as np
from numpy import ndarray
from numpy.typing import NDArray

from vibe import assets
from vibe.arrays import Deferred, as_numpy
from vibe.assets.archives import read_npz
from vibe.assets.smpl_files import BETAS, BODY_LAYOUT, GENDERS, OPTIONAL, check_body
from vibe.assets.weights import BODIES
from vibe.body.hands import read_hands
from vibe.body.keypoint_regressor import detected_rows, fold_regressors, point_rows
from vibe.body.record import Body, Marks
from vibe.errors import damaged
from vibe.records import Weights
from vibe.skeletons import COCO, JOINT_SETS, SMPL_JOINTS, SMPL_PARENTS

FORMAT = "vibe-body 1"
PACKED_NAMES = (
    *("format", "v_template_step", "shapedirs_step", "weights_joint", "low_vertex", "low_f"),
    *("J_regressor_row", "J_regressor_vertex", "coco_regressor_row", "coco_regressor_vertex"),
)
"""Arrays that only the open body's own form has."""
MOST_VERTICES = 1 << 16
"""Whose numbers fit in 16 bits."""
LARGEST = 1 << 30
"""Bytes that a body file may unpack to."""
NAMES = {*BODY_LAYOUT, *OPTIONAL, "name", "licence", *PACKED_NAMES}
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
            path = assets.library(file)
            found[name] = read_npz(path, ["regressor"], LARGEST).get("regressor")
            if found[name] is None:
                raise ValueError(f"{path} holds no array `regressor`: run `vibe assets add` with its owner's file")
    return found


def _loaded(path: Path, detail: str, regressors: dict[str, NDArray]) -> Body:
    """The body in a file, with regressors for its vertices that do not come with it."""
    if detail not in ("full", "low"):
        raise ValueError(f'the level of detail is {detail!r}: choose "full" or "low"')
    content = path.read_bytes()
    plain = read_npz(path, NAMES, LARGEST, content) | regressors
    texts = {"name": path.stem, "licence": "unknown: ask the source of the file"}
    texts |= {name: str(plain[name]) for name in texts if name in plain}
    low, hands = None, None
    if str(plain.get("format")) == FORMAT:
        with damaged(f"{path} is damaged", "install vibe again or build the body anew"):
            kept = plain["low_vertex"].astype(np.int64) if detail == "low" else None
            plain, low = _unpacked(plain)
        hands = read_hands(texts["name"], len(plain["v_template"]), kept)
    if detail == "low" and low is None:
        raise ValueError(f'{path} has no low-polygon mesh: use detail="full"')
    try:
        check_body(plain)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    origin = Weights(sha256=hashlib.sha256(content).hexdigest(), **texts)
    return replace(_body(plain, low if detail == "low" else None, origin), hands=hands)


def _unpacked(packed: dict[str, ndarray]) -> tuple[dict[str, ndarray], dict[str, ndarray]]:
    """The arrays of SMPL's layout, float64, and those of the coarse mesh: some of the vertices, other triangles."""
    plain = {key: packed[key] * packed[f"{key}_step"].astype(np.float64) for key in ("v_template", "shapedirs")}
    vertices = len(plain["v_template"])
    if vertices > MOST_VERTICES:
        raise ValueError(f"it has {vertices} vertices, {MOST_VERTICES} at most fit this form")
    weights = np.zeros((vertices, SMPL_JOINTS))
    np.put_along_axis(weights, packed["weights_joint"].astype(int), packed["weights"].astype(np.float64), 1)
    plain["weights"] = weights / weights.sum(1, keepdims=True)
    for key, points in (("J_regressor", SMPL_JOINTS), ("coco_regressor", len(COCO))):
        dense = np.zeros((points, vertices))
        dense[packed[f"{key}_row"], packed[f"{key}_vertex"]] = packed[key]
        plain[key] = dense / dense.sum(1, keepdims=True)
    plain |= {key: packed[key].astype(np.int64) for key in ("f", "kintree_table")}
    kept = packed["low_vertex"].astype(np.int64)
    surface = {key: plain[key][kept] for key in ("v_template", "shapedirs", "weights")}
    return plain, surface | {"f": packed["low_f"].astype(np.int64)}


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
    names = {*BODY_LAYOUT, *OPTIONAL} & set(arrays)
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
