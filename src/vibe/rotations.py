"""Rotations of either kind of array: the paper's 6D form, axis-angle, quaternions over time, and the way between two.

The six numbers are the first two columns of the matrix in row-major order, R00 R01 R10 R11 R20 R21, as SPIN and
VIBE store them (not the order of Zhou et al.'s own code, which stores the columns one after the other). Tensors are
converted by roma, NumPy's arrays by SciPy; each is loaded where it is used, for roma loads PyTorch.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.arrays import Array, concatenate

LOCKED = 10
"""Digits to which the sine of the middle angle is 1 or -1 where the others turn about one axis: 0.001 degrees."""


def rotmat_from_6d(numbers: Float[Array, "*b 6"]) -> Float[Array, "*b 3 3"]:
    """Gram-Schmidt of the two stored columns, which are tensors."""
    import roma

    return roma.special_gramschmidt(numbers.unflatten(-1, (3, 2)), epsilon=1e-6)  # pyright: ignore[reportArgumentType]


def rotmat_to_6d(rotmat: Float[Array, "*b 3 3"]) -> Float[Array, "*b 6"]:
    """The first two columns, row by row."""
    return rotmat[..., :2].reshape(*rotmat.shape[:-2], 6)


def rotvec_from_rotmat(rotmat: Float[Array, "*b 3 3"]) -> Float[Array, "*b 3"]:
    """Axis-angle (direction: axis; length: radians) of matrices."""
    if isinstance(rotmat, np.ndarray):
        from scipy.spatial.transform import Rotation

        rotvec = Rotation.from_matrix(rotmat.reshape(-1, 3, 3)).as_rotvec()
        return rotvec.reshape(rotmat.shape[:-1]).astype(rotmat.dtype)
    import roma

    return roma.rotmat_to_rotvec(rotmat)


def rotmat_from_rotvec(rotvec: Float[Array, "*b 3"]) -> Float[Array, "*b 3 3"]:
    """Matrices of axis-angle vectors."""
    if isinstance(rotvec, np.ndarray):
        from scipy.spatial.transform import Rotation

        rotmat = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix()
        return rotmat.reshape(*rotvec.shape, 3).astype(rotvec.dtype)
    import roma

    return roma.rotvec_to_rotmat(rotvec)


def quaternions_from_rotmat(rotmat: Float[ndarray, "*b 3 3"]) -> Float[ndarray, "*b 4"]:
    """Unit quaternions (x, y, z, w) of matrices that are NumPy's arrays."""
    from scipy.spatial.transform import Rotation

    quaternions = Rotation.from_matrix(rotmat.reshape(-1, 3, 3)).as_quat()
    return quaternions.reshape(*rotmat.shape[:-2], 4).astype(rotmat.dtype)


def interpolate(
    one: Float[Array, "*b 3 3"], two: Float[Array, "*b 3 3"], share: Float[Array, "*#b"]
) -> Float[Array, "*b 3 3"]:
    """Rotations at a share, 0 to 1, of the shortest way from one to the other, at constant speed."""
    return one @ rotmat_from_rotvec(share[..., None] * rotvec_from_rotmat(one.mT @ two))


def unit(vectors: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b 3"]:
    """The same directions, of length 1; zero stays zero."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True).clip(1e-12)


def shortest_turn(one: Float[ndarray, "*b 3"], two: Float[ndarray, "*b 3"]) -> Float[ndarray, "*b 3 3"]:
    """The smallest rotations that take directions to others, which are not opposite."""
    across = np.cross(one, two)
    angle = np.arctan2(np.linalg.norm(across, axis=-1), (one * two).sum(-1))
    return rotmat_from_rotvec(unit(across) * angle[..., None])


def continuous(quaternions: Float[Array, "time *b 4"]) -> Float[Array, "time *b 4"]:
    """The same rotations with signs chosen so that neighbours in time lie on one side of the sphere."""
    apart = (quaternions[1:] * quaternions[:-1]).sum(-1) < 0
    flipped = (apart.cumsum(0) % 2 == 1)[..., None] * quaternions[1:]
    return concatenate([quaternions[:1], quaternions[1:] - 2 * flipped])


def steady_angles(rotmat: Float[ndarray, "time joint 3 3"], order: str) -> Float[ndarray, "time joint 3"]:
    """Angles in degrees about three axes, each as near to the frame before as can be.

    `order` names each axis once: of ZXY the rotation is Rz Rx Ry, the last applied first. Every rotation has two
    triples of angles; where the middle one is a right angle it has a whole line of them, as only the sum or difference
    of the others counts. The nearest is taken, so that programs that interpolate don't spin what lies or somersaults.
    """
    from scipy.spatial.transform import Rotation

    with warnings.catch_warnings():  # of angles that are not the only ones, which the rest takes care of
        warnings.simplefilter("ignore", UserWarning)
        angles = Rotation.from_matrix(rotmat.reshape(-1, 3, 3)).as_euler(order, degrees=True)
    angles = angles.reshape(rotmat.shape[:-1])
    side = np.sin(np.radians(angles[..., 1])).round(LOCKED) * (1 if order in "XYZXY" else -1)
    for frame, joint in np.argwhere(np.abs(side[1:]) == 1) + [1, 0]:
        sign, before = np.array([1.0, side[frame, joint]]), angles[frame - 1, joint, ::2]
        missing = _short(sign @ (angles[frame, joint, ::2] - before))
        angles[frame, joint, ::2] = before + sign * missing / 2
    other = np.stack([angles[..., 0] + 180, 180 - angles[..., 1], angles[..., 2] + 180], -1)
    plain, crossed = (np.abs(_short(way[1:] - angles[:-1])).sum(-1) for way in (angles, other))
    crossings = np.concatenate([np.zeros((1, rotmat.shape[1]), bool), np.logical_xor.accumulate(crossed < plain)])
    return np.unwrap(np.where(crossings[..., None], other, angles), period=360.0, axis=0)


def _short(turn: Any) -> Any:
    """The same turn the short way round, degrees."""
    return turn - 360 * np.round(turn / 360)
