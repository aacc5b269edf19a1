"""The open body's own file: whole numbers and a scale, two levels of detail, 2 MB or less."""

from __future__ import annotations

import numpy as np
from numpy import ndarray

FORMAT = "vibe-body 1"
NAMES = (
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
