"""A body in SMPL's layout, as tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vibe.records import Weights


@dataclass(frozen=True)
class Marks:
    """Points that ride on the skin, folded onto the joints that move them, so that no vertex is needed.

    A point is a weighted mean of skinned vertices and joints. It is the sum, over the joints that move any of those
    vertices, of R_joint @ offset + share * joint, with offsets that are linear in the betas. Each summand is a term.
    """

    joint: Int[Tensor, "term"]
    """Which joint carries the term."""
    template: Float[Tensor, "term 3"]
    """Offset from the joint in the rest pose of the mean body."""
    shapedirs: Float[Tensor, "term 3 10"]
    posedirs: Float[Tensor, "term 3 207"] | None
    sums: Float[Tensor, "point term"]
    """1 where the term belongs to the point."""
    share: Float[Tensor, "point 24"]
    """How much of the point each joint carries; rows sum to 1."""


@dataclass(frozen=True)
class Body:
    """A body in SMPL's layout: metres, y up, facing +z, left to +x, T-pose."""

    v_template: Float[Tensor, "vertex 3"]
    shapedirs: Float[Tensor, "vertex 3 10"]
    """Displacement for each unit of each beta; betas are standard normal."""
    posedirs: Float[Tensor, "vertex 3 207"] | None
    """Displacement for each entry of (rotation - identity) of joints 1 to 23, row by row."""
    J_template: Float[Tensor, "24 3"]
    J_shapedirs: Float[Tensor, "24 3 10"]
    weights: Float[Tensor, "vertex 24"]
    """How much each joint carries each vertex; rows sum to 1."""
    faces: Int[Tensor, "face 3"]
    """Counter-clockwise seen from outside."""
    parents: tuple[int, ...]
    """The parent of each joint, before it in the order; -1 for the pelvis."""
    marks: Mapping[str, Marks]
    """Point sets by name: those that the file's arrays suffice for (`joints_and_keypoints`)."""
    regressors: Mapping[str, Float[Tensor, "_ vertex"]]
    """Those of them that lie on the skin alone, as weights of the posed vertices; none for the low-polygon mesh."""
    origin: Weights
    """Name, SHA-256 and licence of the file."""

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Body:
        """The same body on another device or in another floating type."""
        return _moved(self, device, dtype)


def _moved(value: Any, device: torch.device | str | None, dtype: torch.dtype | None) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, dtype if value.is_floating_point() else None)
    if isinstance(value, Mapping):
        return {name: _moved(part, device, dtype) for name, part in value.items()}
    if isinstance(value, Body | Marks):
        parts = {field.name: _moved(getattr(value, field.name), device, dtype) for field in fields(value)}
        return replace(value, **parts)
    return value
