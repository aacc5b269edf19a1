"""A body in SMPL's layout, as tensors or as NumPy's arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.arrays import Array, as_numpy, as_tensors
from vibe.records import Weights


@dataclass(frozen=True)
class Marks:
    """Points that ride on the skin, folded onto the joints that move them, so that no vertex is needed.

    A point is a weighted mean of skinned vertices and joints. It is the sum, over the joints that move any of those
    vertices, of R_joint @ offset + share * joint, with offsets that are linear in the betas. Each summand is a term.
    """

    joint: Int[Array, "term"]
    """Which joint carries the term."""
    template: Float[Array, "term 3"]
    """Offset from the joint in the rest pose of the mean body."""
    shapedirs: Float[Array, "term 3 10"]
    posedirs: Float[Array, "term 3 207"] | None
    sums: Float[Array, "point term"]
    """1 where the term belongs to the point."""
    share: Float[Array, "point 24"]
    """How much of the point each joint carries; rows sum to 1."""


@dataclass(frozen=True)
class Hands:
    """The fingers of a body, in SMPL-H's order: 15 joints of the left hand, then 15 of the right."""

    J_template: Float[Array, "30 3"]
    J_shapedirs: Float[Array, "30 3 10"]
    share: Float[Array, "vertex 30"]
    """Of what SMPL's hand joint carries of a vertex, the share that each finger joint carries; rows sum to 1 or 0."""


@dataclass(frozen=True)
class Body:
    """A body in SMPL's layout, or SMPL-H's with fingers: metres, y up, facing +z, left to +x, T-pose."""

    v_template: Float[Array, "vertex 3"]
    shapedirs: Float[Array, "vertex 3 10"]
    """Displacement for each unit of each beta; betas are standard normal."""
    posedirs: Float[Array, "vertex 3 207"] | None
    """Displacement for each entry of (rotation - identity) of joints 1 to 23, row by row."""
    J_template: Float[Array, "joint 3"]
    J_shapedirs: Float[Array, "joint 3 10"]
    weights: Float[Array, "vertex joint"]
    """How much each joint carries each vertex; rows sum to 1."""
    faces: Int[Array, "face 3"]
    """Counter-clockwise seen from outside."""
    parents: tuple[int, ...]
    """The parent of each joint, before it in the order; -1 for the pelvis."""
    marks: Mapping[str, Marks]
    """Point sets by name: those that the file's arrays suffice for (`joints_and_keypoints`)."""
    regressors: Mapping[str, Float[Array, "_ vertex"]]
    """Those of them that lie on the skin alone, as weights of the posed vertices; none for the low-polygon mesh."""
    origin: Weights
    """Name, SHA-256 and licence of the file."""
    hands: Hands | None = None
    """Where its fingers are (`vibe.body.hands`); None of a body of which that is not known, or that has them."""

    def to(self, device: Any = None, dtype: Any = None) -> Body:
        """The same body as tensors, on another device or in another floating type, as PyTorch names them."""
        return as_tensors(self, device, dtype)

    def influences(self, most: int) -> tuple[Int[ndarray, "vertex most"], Float[ndarray, "vertex most"]]:
        """The joints that carry each vertex most, and their weights, which sum to 1; joint 0 where there is none."""
        return strongest(as_numpy(self.weights), most)


def strongest(
    weights: Float[ndarray, "vertex joint"], most: int
) -> tuple[Int[ndarray, "vertex most"], Float[ndarray, "vertex most"]]:
    """The joints that carry each vertex most, and their weights, which sum to 1; joint 0 where there is none."""
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :most]
    largest = np.take_along_axis(weights, joints, 1)
    return np.where(largest > 0, joints, 0), largest / largest.sum(1, keepdims=True)
