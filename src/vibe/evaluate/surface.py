"""Per-vertex errors of whole data sets, piece by piece: all vertices of all frames are never held."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.record import Body
from vibe.body.shape import rest_joints
from vibe.body.skin import vertices
from vibe.evaluate.metrics import pve_mm

PIECE = 32
"""Frames whose surfaces are held at once: few enough for the cache."""


@dataclass(frozen=True)
class Posed:
    """A body in the shapes and poses of a clip."""

    body: Body
    rotmat: Float[Tensor, "time 24 3 3"]
    betas: Float[Tensor, "*t 10"]
    """One shape for the clip, or one a frame."""


def has_one_mesh(predicted: Body, truth: Body) -> bool:
    """Whether the vertices of one body stand for those of the other."""
    return predicted.faces.shape == truth.faces.shape and bool((predicted.faces == truth.faces).all())


@torch.no_grad()
def surface_errors_mm(predicted: Posed, truth: Posed) -> dict[str, Float[Tensor, "time"]]:
    """Per-vertex error of each frame, by the metric's name.

    `pve_mm` brings both together at the pelvis joint. `pve_unaligned_mm` leaves them about each body's own origin, as
    the published evaluator does.
    """
    found: dict[str, list[Tensor]] = {"pve_mm": [], "pve_unaligned_mm": []}
    for start in range(0, len(truth.rotmat), PIECE):
        (mine, my_pelvis), (true, its_pelvis) = (_piece(each, start) for each in (predicted, truth))
        found["pve_unaligned_mm"].append(pve_mm(mine, true))
        found["pve_mm"].append(pve_mm(mine - my_pelvis, true - its_pelvis))
    none = truth.rotmat.new_zeros(0, dtype=torch.float64)
    return {name: torch.cat([none, *errors]) for name, errors in found.items()}


def _piece(posed: Posed, start: int) -> tuple[Float[Tensor, "part vertex 3"], Float[Tensor, "*part 1 3"]]:
    """The surface of some frames, and where its pelvis is."""
    part = slice(start, start + PIECE)
    betas = posed.betas[part] if posed.betas.ndim > 1 else posed.betas
    return vertices(posed.body, posed.rotmat[part], betas), rest_joints(posed.body, betas)[..., :1, :]
