"""Points of a moving body in the camera's frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body import Body, keypoints, rest_joints, vertices

if TYPE_CHECKING:
    from vibe.motion.record import Motion

CHUNK = 64
"""Frames whose vertices are computed at a time."""
LARGEST = 1 << 31
"""Bytes of vertices that are held together."""


@torch.no_grad()
def keypoints_cam(motion: Motion, body: Body, points: str) -> Float[Tensor, "time point 3"]:
    """One of the body's point sets, metres; raises ValueError if the body does not have it."""
    body = body.to(motion.trans.device)
    return keypoints(body, motion.rotmat, motion.betas, points) + _origin(motion, body)


@torch.no_grad()
def vertices_cam(motion: Motion, body: Body) -> Float[Tensor, "time vertex 3"]:
    """The surface, metres; raises ValueError if it takes more memory than `LARGEST`."""
    shape = (len(motion), *body.v_template.shape)
    size = 4 * shape[0] * shape[1] * shape[2]
    if size > LARGEST:
        raise ValueError(
            f"the vertices of {shape[0]} frames take {size / 1e9:.1f} GB, {LARGEST / 1e9:.1f} at most are held: go "
            "through the motion in parts, as in motion[0.0:10.0].vertices()"
        )
    body, surface = body.to(motion.trans.device), motion.trans.new_empty(shape)
    for start in range(0, len(motion), CHUNK):
        rows = torch.arange(start, min(start + CHUNK, len(motion)), device=motion.trans.device)
        part = motion.at(rows)
        surface[rows] = vertices(body, part.rotmat, part.betas) + _origin(part, body)
    return surface


def _origin(motion: Motion, body: Body) -> Float[Tensor, "time 1 3"]:
    """Where the body's own origin lies: `trans` is the place of the pelvis joint."""
    return (motion.trans - rest_joints(body, motion.betas)[..., 0, :])[:, None]
