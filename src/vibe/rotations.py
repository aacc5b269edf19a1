"""The paper's 6D rotations, and quaternions over time, on top of roma.

The six numbers are the first two columns of the matrix in row-major order, R00 R01 R10 R11 R20 R21, as SPIN and
VIBE store them (not the order of Zhou et al.'s own code, which stores the columns one after the other).
"""

from __future__ import annotations

import roma
import torch
from jaxtyping import Float
from torch import Tensor


def rotmat_from_6d(numbers: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 3 3"]:
    """Gram-Schmidt of the two stored columns."""
    return roma.special_gramschmidt(numbers.unflatten(-1, (3, 2)), epsilon=1e-6)  # pyright: ignore[reportArgumentType]


def rotmat_to_6d(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 6"]:
    """The first two columns, row by row."""
    return rotmat[..., :2].flatten(-2)


def interpolate(
    one: Float[Tensor, "*b 3 3"], two: Float[Tensor, "*b 3 3"], share: Float[Tensor, "*#b"]
) -> Float[Tensor, "*b 3 3"]:
    """Rotations at a share, 0 to 1, of the shortest way from one to the other, at constant speed."""
    return one @ roma.rotvec_to_rotmat(share[..., None] * roma.rotmat_to_rotvec(one.mT @ two))


def continuous(quaternions: Float[Tensor, "time *b 4"]) -> Float[Tensor, "time *b 4"]:
    """The same rotations with signs chosen so that neighbours in time lie on one side of the sphere."""
    same = (quaternions[1:] * quaternions[:-1]).sum(-1, keepdim=True) >= 0
    return torch.cat([quaternions[:1], quaternions[1:] * torch.where(same, 1.0, -1.0).cumprod(0)])
