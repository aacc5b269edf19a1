"""The open body's file: whole numbers and a scale, two levels of detail, 2 MB or less; `vibe.body` reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.body.hands import HANDS_FORMAT
from vibe.body.load import FORMAT

STEPS = 32767
CARRIERS = 8
"""Joints that may carry a vertex."""
FINGER_CARRIERS = 4


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
    _save(path, packed)


def write_hands(path: Path, hands: dict[str, ndarray], body: str, licence: str) -> None:
    """Writes the fingers of the body of this name: their joints, and shares of what SMPL's two hand joints carry."""
    vertex = hands["share"].any(1).nonzero()[0]
    finger = np.argsort(-hands["share"][vertex], 1, kind="stable")[:, :FINGER_CARRIERS]
    share = np.take_along_axis(hands["share"][vertex], finger, 1)
    packed = {key: hands[key].astype(np.float32) for key in ("J_template", "J_shapedirs")}
    packed |= {"format": np.array(HANDS_FORMAT), "body": np.array(body), "licence": np.array(licence)}
    packed |= {"vertices": np.array(len(hands["share"])), "vertex": vertex.astype(np.uint16)}
    packed |= {"finger": finger.astype(np.uint8), "share": (share / share.sum(1, keepdims=True) * STEPS).round()}
    packed["share"] = packed["share"].astype(np.uint16)
    _save(path, packed)


def _save(path: Path, packed: dict[str, ndarray]) -> None:
    beside = path.with_name(path.name + ".part")
    with beside.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **packed)
    beside.replace(path)


def _whole(key: str, values: Float[ndarray, "..."], axes: tuple[int, ...] | None) -> dict[str, ndarray]:
    step = np.abs(values).max(axes, keepdims=axes is not None) / STEPS
    return {key: (values / step).round().astype(np.int16), f"{key}_step": np.asarray(step, np.float32)}
