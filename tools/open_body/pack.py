"""The open body's file: whole numbers and a scale, two levels of detail, 2 MB or less; `vibe.body` reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.body.load import FORMAT

STEPS = 32767
CARRIERS = 8
"""Joints that may carry a vertex."""


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


def _whole(key: str, values: Float[ndarray, "..."], axes: tuple[int, ...] | None) -> dict[str, ndarray]:
    step = np.abs(values).max(axes, keepdims=axes is not None) / STEPS
    return {key: (values / step).round().astype(np.int16), f"{key}_step": np.asarray(step, np.float32)}
