"""Fingers: what SMPL's joints 22 and 23 carry of the open body, carried by SMPL-H's thirty joints instead.

A body with fingers is a `Body` of SMPL-H's 52 joints. With all fingers at rest its surface is that of the body of 24
whose two hand joints are at rest.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.arrays import Array, concatenate, expanded
from vibe.assets.archives import read_npz
from vibe.assets.weights import OPEN_HANDS
from vibe.body.record import Body, Hands
from vibe.errors import damaged
from vibe.rotations import rotmat_from_rotvec
from vibe.skeletons import HAND15, SMPL, SMPLH_PARENTS

HANDS_FORMAT = "vibe-hands 1"
ARMS = len(SMPL) - 2
"""Joints before the hands, the same in SMPL and SMPL-H."""


def read_hands(
    name: str, vertices: int, kept: Int[ndarray, "vertex"] | None = None, path: Path = OPEN_HANDS
) -> Hands | None:
    """The fingers of the shipped body of this name and so many vertices, of which some may be kept; None of another.

    Raises ValueError if the file is damaged.
    """
    packed = read_npz(path)
    with damaged(f"{path} is damaged", "install vibe again or build the body anew"):
        if str(packed["format"]) != HANDS_FORMAT:
            raise ValueError(f"its format is {packed['format']!s}")
        if str(packed["body"]) != name or int(packed["vertices"]) != vertices:
            return None
        share = np.zeros((vertices, 2 * len(HAND15)), np.float32)
        rows = packed["vertex"].astype(int)[:, None]
        share[rows, packed["finger"]] = packed["share"] / packed["share"].sum(1, keepdims=True, dtype=np.float64)
    return Hands(packed["J_template"], packed["J_shapedirs"], share if kept is None else share[kept])


def with_fingers(body: Body) -> Body:
    """The same body with SMPL-H's 52 joints, without point sets; ValueError where its fingers are not known."""
    hands = body.hands
    if hands is None:
        raise ValueError(f"where the body {body.origin.name} has its fingers is not known: take the open body")
    fingers = len(HAND15)
    whole = [expanded(body.weights[:, ARMS + side, None], (len(body.weights), fingers)) for side in (0, 1)]
    return replace(
        body,
        J_template=concatenate([body.J_template[:ARMS], hands.J_template]),
        J_shapedirs=concatenate([body.J_shapedirs[:ARMS], hands.J_shapedirs]),
        weights=concatenate([body.weights[:, :ARMS], hands.share * concatenate(whole, 1)], 1),
        parents=SMPLH_PARENTS,
        marks={},
        regressors={},
        hands=None,
    )


def fingers_rotmat(left: Float[Array, "*b 45"], right: Float[Array, "*b 45"]) -> Float[Array, "*b 30 3 3"]:
    """Rotations of the fingers from the axis-angle vectors of both hands."""
    return rotmat_from_rotvec(concatenate([left, right], -1).reshape(*left.shape[:-1], 2 * len(HAND15), 3))


def smplh_rotmat(
    rotmat: Float[Array, "*b 24 3 3"], left: Float[Array, "*b 45"], right: Float[Array, "*b 45"]
) -> Float[Array, "*b 52 3 3"]:
    """Rotations of SMPL-H's joints from SMPL's, whose hand joints have no place in it, and the fingers' axis-angle."""
    return concatenate([rotmat[..., :ARMS, :, :], fingers_rotmat(left, right)], -3)
