"""Poses seen in a mirror across x = 0: left and right joints change places."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from vibe import skeletons


def mirror_rotmat(rotmat: Float[Tensor, "*b 24 3 3"]) -> Float[Tensor, "*b 24 3 3"]:
    """SMPL's 24 rotations as matrices."""
    flip = rotmat.new_tensor([1.0, -1.0, -1.0])
    return rotmat[..., skeletons.mirrored(skeletons.SMPL), :, :] * flip[:, None] * flip


def mirror_quaternions(quaternions: Float[Tensor, "*b 24 4"]) -> Float[Tensor, "*b 24 4"]:
    """SMPL's 24 rotations as quaternions (x, y, z, w)."""
    return quaternions[..., skeletons.mirrored(skeletons.SMPL), :] * quaternions.new_tensor([1.0, -1.0, -1.0, 1.0])
