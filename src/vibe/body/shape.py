"""From betas to the body at rest."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.record import Body


def rest_joints(body: Body, betas: Float[Tensor, "*b 10"]) -> Float[Tensor, "*b 24 3"]:
    """Joints of the shaped body in the T-pose, without touching its vertices."""
    return body.J_template + linear(body.J_shapedirs, betas)


def rest_vertices(body: Body, betas: Float[Tensor, "*b 10"]) -> Float[Tensor, "*b vertex 3"]:
    """Vertices of the shaped body in the T-pose."""
    return rest_planes(body, betas).mT.contiguous()


def rest_planes(body: Body, betas: Float[Tensor, "*b 10"]) -> Float[Tensor, "*b 3 vertex"]:
    """The same, all x before all y before all z, which is how the body keeps its directions."""
    flat = torch.nn.functional.linear(betas, planes(body.shapedirs), body.v_template.mT.flatten())
    return flat.unflatten(-1, (3, -1))


def planes(directions: Float[Tensor, "vertex 3 n"]) -> Float[Tensor, "coordinate n"]:
    """Directions of x of all vertices, then y, then z."""
    return directions.transpose(0, 1).flatten(0, 1)


def linear(directions: Float[Tensor, "row *tail n"], numbers: Float[Tensor, "*b n"]) -> Float[Tensor, "*b row width"]:
    """Sum of directions, each times its number; all axes of a row are laid out flat."""
    flat = torch.nn.functional.linear(numbers, directions.flatten(0, -2))
    return flat.unflatten(-1, (len(directions), -1))
