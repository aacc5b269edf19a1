"""Errors of 3D joints and surfaces, in float64 inside, batched, never across a gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import roma
import torch
from jaxtyping import Float
from torch import Tensor

HIPS = (2, 3)
"""Right and left among the 14 evaluation joints; their mean is what MPJPE and the acceleration call the pelvis."""

ONE_POINT = 1e-20
"""Square metres: joints whose squared distances from their mean sum to less are one point, and rounding."""


def about(points: Float[Tensor, "*b point 3"], centre: Sequence[int] = HIPS) -> Float[Tensor, "*b point 3"]:
    """The points seen from the mean of some of them."""
    return points - points[..., list(centre), :].mean(-2, keepdim=True)


def mpjpe_mm(predicted: Float[Tensor, "*b joint 3"], truth: Float[Tensor, "*b joint 3"]) -> Float[Tensor, "*b"]:
    """Mean distance of the joints as they stand; align them first. Metres in, millimetres out."""
    return _lengths_mm(predicted.double() - truth.double())


def pve_mm(predicted: Float[Tensor, "*b vertex 3"], truth: Float[Tensor, "*b vertex 3"]) -> Float[Tensor, "*b"]:
    """Mean distance of the vertices as they stand (per-vertex error): the published one aligns nothing.

    Metres in, millimetres out.
    """
    return _lengths_mm(predicted.double() - truth.double())


def pa_mpjpe_mm(predicted: Float[Tensor, "*b joint 3"], truth: Float[Tensor, "*b joint 3"]) -> Float[Tensor, "*b"]:
    """The mean distance after the similarity that brings each frame closest to the truth."""
    return _lengths_mm(procrustes_aligned(predicted, truth) - truth.double())


def procrustes_aligned(
    predicted: Float[Tensor, "*b joint 3"], truth: Float[Tensor, "*b joint 3"]
) -> Float[Tensor, "*b joint 3"]:
    """The prediction after the similarity (scale, rotation, translation; no reflection) that brings it closest.

    Metres, float64. Where all joints of a frame are one point, that point lands on the mean of the truth.
    """
    predicted, truth = predicted.double(), truth.double()
    predicted_mean, truth_mean = predicted.mean(-2, keepdim=True), truth.mean(-2, keepdim=True)
    source, target = predicted - predicted_mean, truth - truth_mean
    rotation = cast(Tensor, roma.special_procrustes(target.mT @ source))
    turned = source @ rotation.mT
    size = source.square().sum((-2, -1))
    scale = (turned * target).sum((-2, -1)) / size.where(size > ONE_POINT, torch.inf)
    return scale[..., None, None] * turned + truth_mean


def acceleration_mm(joints: Float[Tensor, "*b time joint 3"]) -> Float[Tensor, "*b time-2"]:
    """Mean length of the second differences, in millimetres per frame squared; metres in.

    Millimetres per second squared are this times the square of the frame rate.
    """
    return _lengths_mm(joints.double().diff(n=2, dim=-3))


def acceleration_error_mm(
    predicted: Float[Tensor, "*b time joint 3"], truth: Float[Tensor, "*b time joint 3"]
) -> Float[Tensor, "*b time-2"]:
    """Distance of the second differences, in millimetres per frame squared."""
    return _lengths_mm((predicted.double() - truth.double()).diff(n=2, dim=-3))


def _lengths_mm(vectors: Float[Tensor, "*b point 3"]) -> Float[Tensor, "*b"]:
    """Mean over points."""
    return vectors.norm(dim=-1).mean(-1) * 1000
