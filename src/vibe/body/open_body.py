"""The open body's own file: whole numbers and a scale, two levels of detail, 2 MB or less."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

FORMAT = "vibe-body 1"
STEPS = 32767
CARRIERS = 8
"""Joints that may carry a vertex."""
NAMES = (
    *("format", "v_template_step", "shapedirs_step", "weights_joint", "low_vertex", "low_f"),
    *("J_regressor_row", "J_regressor_vertex", "coco_regressor_row", "coco_regressor_vertex"),
)
"""Arrays that only this form has."""
MOST_VERTICES = 1 << 16
"""Whose numbers fit in 16 bits."""
LAYOUT = ("v_template", "shapedirs", "J_regressor", "weights", "f", "kintree_table", "coco_regressor")


def is_packed(arrays: dict[str, ndarray]) -> bool:
    """Whether the file is in the open body's own form."""
    return "format" in arrays and str(arrays["format"]) == FORMAT


def write(path: Path, plain: dict[str, ndarray], low: tuple[ndarray, ndarray], name: str, licence: str) -> None:
    """Writes a body; `low` holds the vertices of the coarse mesh, among the fine one's, and its triangles."""
    packed = {"format": np.array(FORMAT), "name": np.array(name), "licence": np.array(licence)}
    packed |= _whole("v_template", plain["v_template"], None) | _whole("shapedirs", plain["shapedirs"], (0, 1))
    carriers = np.argsort(-plain["weights"], 1, kind="stable")[:, :CARRIERS].astype(np.uint8)
    shares = np.take_along_axis(plain["weights"], carriers.astype(int), 1)
    packed["weights_joint"] = carriers
    packed["weights"] = (shares / shares.sum(1, keepdims=True) * STEPS).round().astype(np.uint16)
    for key in ("J_regressor", "coco_regressor"):
        row, vertex = plain[key].nonzero()
        packed |= {f"{key}_row": row.astype(np.uint8), f"{key}_vertex": vertex.astype(np.uint16)}
        packed[key] = plain[key][row, vertex].astype(np.float32)
    packed |= {"f": plain["f"].astype(np.uint16), "kintree_table": plain["kintree_table"].astype(np.int8)}
    packed |= {"low_vertex": low[0].astype(np.uint16), "low_f": low[1].astype(np.uint16)}
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **packed)
    beside.replace(path)


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


def _whole(key: str, values: Float[ndarray, "..."], axes: tuple[int, ...] | None) -> dict[str, ndarray]:
    step = np.abs(values).max(axes, keepdims=axes is not None) / STEPS
    return {key: (values / step).round().astype(np.int16), f"{key}_step": np.asarray(step, np.float32)}
