"""Errors of 3D joints, in float64 inside, batched, never across a gap."""

from __future__ import annotations

from typing import cast

import roma
from jaxtyping import Float
from torch import Tensor


def mpjpe_mm(predicted: Float[Tensor, "*b joint 3"], truth: Float[Tensor, "*b joint 3"]) -> Float[Tensor, "*b"]:
    """Mean distance of the joints as they stand; align them first. Metres in, millimetres out."""
    return (predicted.double() - truth.double()).norm(dim=-1).mean(-1) * 1000


def pa_mpjpe_mm(predicted: Float[Tensor, "*b joint 3"], truth: Float[Tensor, "*b joint 3"]) -> Float[Tensor, "*b"]:
    """The same after the similarity (scale, rotation, translation) that brings each frame closest to the truth."""
    predicted, truth = predicted.double(), truth.double()
    found = roma.rigid_points_registration(predicted, truth, compute_scaling=True)
    rotation, shift, scale = cast("tuple[Tensor, Tensor, Tensor]", found)
    aligned = scale[..., None, None] * predicted @ rotation.mT + shift[..., None, :]
    return (aligned - truth).norm(dim=-1).mean(-1) * 1000


def acceleration_error_mm(
    predicted: Float[Tensor, "*b time joint 3"], truth: Float[Tensor, "*b time joint 3"]
) -> Float[Tensor, "*b time-2"]:
    """Distance of the second differences, in millimetres per frame squared."""
    return (predicted.double() - truth.double()).diff(n=2, dim=-3).norm(dim=-1).mean(-1) * 1000
