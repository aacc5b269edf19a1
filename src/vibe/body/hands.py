"""Fingers: what SMPL's joints 22 and 23 carry of the open body, carried by SMPL-H's thirty joints instead; and how the
joints of a hand turn: 21 angles within limits, and where they put the hand's 21 points.

A body with fingers is a `Body` of SMPL-H's 52 joints. With all fingers at rest its surface is that of the body of 24
whose two hand joints are at rest. Fingers bend in all joints and spread in their knuckles alone; the thumb bends in all
of its joints, and spreads and twists in its first. Angles are 0 in the body's hand at rest, whose fingers are a little
bent and apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.arrays import Array, as_numpy, concatenate, expanded
from vibe.assets.archives import read_npz
from vibe.assets.weights import OPEN_HANDS
from vibe.body.lbs import vertices
from vibe.body.pose import rest_joints
from vibe.body.record import Body, Hands
from vibe.errors import damaged
from vibe.rotations import rotmat_from_rotvec, unit
from vibe.skeletons import HAND15, SMPL, SMPLH, SMPLH_PARENTS

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


FINGERS = [name[:-1] for name in HAND15[::3]]
"""Index, middle, little, ring finger, thumb: SMPL-H's order."""
POINT_ORDER = [FINGERS.index(name) for name in ("thumb", "index", "middle", "ring", "pinky")]
"""The order in which hand detectors have them."""
SIDES = ("left", "right")
BEND_DEG = {
    "index": ((-25, 85), (-5, 105), (-5, 75)), "middle": ((-25, 85), (-5, 105), (-5, 75)),
    "pinky": ((-25, 90), (-5, 105), (-5, 75)), "ring": ((-25, 90), (-5, 105), (-5, 75)),
    "thumb": ((-25, 45), (-15, 60), (-15, 80)),
}  # fmt: skip
"""Least and most bend of each joint against rest, where the fingers' first joints are bent by some 15 degrees and the
others by 5 to 12."""
SPREAD_DEG = {"index": (-20, 12), "middle": (-12, 12), "pinky": (-12, 25), "ring": (-8, 18), "thumb": (-35, 35)}
"""Least and most turn towards the thumb's side."""
TWIST_DEG = (-30, 40)
"""Of the thumb's first joint about its bone."""
RELAXED_DEG = {
    "index": (12, 22, 12, -8), "middle": (18, 26, 14, -1), "pinky": (26, 28, 16, 10), "ring": (22, 28, 16, 6),
    "thumb": (6, 8, 12, -4),
}  # fmt: skip
"""Bends and spread of a hand that nobody uses."""
THUMB_BEND = (0.67, 0.74, -0.06)
"""About which the left thumb bends, in the body's axes at rest: across its nail."""
ANGLES = len(HAND15) + len(FINGERS) + 1


@dataclass(frozen=True)
class HandSkeleton:
    """The bones of one hand at rest, in the body's axes, metres."""

    steps: Float[Array, "5 4 3"]
    """Of each finger: from the wrist to its first joint, on to the second, the third and the tip."""
    axes: Float[Array, "5 3 3"]
    """Unit vectors about which a finger bends, spreads and twists, one a row."""


def hand_skeleton(body: Body, betas: Float[ndarray, "10"], side: str) -> HandSkeleton:
    """The hand of one of `SIDES` of a body of this shape; ValueError where its fingers are not known."""
    body = as_numpy(with_fingers(body))
    rest, first = rest_joints(body, as_numpy(betas)), ARMS + len(HAND15) * SIDES.index(side)
    wrist = rest[SMPLH.index(f"{side}_wrist")]
    joints = rest[first : first + len(HAND15)].reshape(5, 3, 3)
    mirror = np.array([1.0 if side == "left" else -1.0, 1.0, 1.0], np.float32)
    lateral = (joints[2, 0] - joints[0, 0]) * mirror  # from the index's knuckle to the little finger's
    steps, axes = np.zeros((5, 4, 3), np.float32), np.zeros((5, 3, 3), np.float32)
    for finger, chain in enumerate(joints):
        places = np.concatenate([wrist[None], chain]) * mirror
        bones = np.diff(places, axis=0)
        steps[finger] = [*bones, _tip(body, first + 3 * finger + 2) * np.linalg.norm(bones[2])]
        steps[finger, 3] *= mirror
        along = unit(bones[1])
        bend = np.array(THUMB_BEND) if FINGERS[finger] == "thumb" else lateral
        bend = unit(bend - (bend @ along) * along)
        axes[finger] = bend, np.cross(bend, along), along
    # a rotation seen in a mirror turns about the mirrored axis the other way
    return HandSkeleton(steps * mirror, axes * mirror * mirror[0])


def hand_rotmat(skeleton: HandSkeleton, angles: Float[Array, "*b 21"]) -> Float[Array, "*b 15 3 3"]:
    """Rotations of the fifteen joints: a joint twists first, then spreads, then bends."""
    bend = angles[..., : len(HAND15)].reshape(*angles.shape[:-1], 5, 3)
    spread = angles[..., len(HAND15) : ANGLES - 1]
    bent = rotmat_from_rotvec(bend[..., None] * skeleton.axes[:, None, 0])
    apart = rotmat_from_rotvec(spread[..., None] * skeleton.axes[:, 1])
    twist = rotmat_from_rotvec(angles[..., -1:] * skeleton.axes[-1, 2])
    apart = concatenate([apart[..., :-1, :, :], (apart[..., -1, :, :] @ twist)[..., None, :, :]], -3)
    first = bent[..., 0, :, :] @ apart
    turned = concatenate([first[..., None, :, :], bent[..., 1:, :, :]], -3)
    return turned.reshape(*angles.shape[:-1], len(HAND15), 3, 3)


def hand_points(
    skeleton: HandSkeleton, R_wrist: Float[Array, "*b 3 3"], rotmat: Float[Array, "*b 15 3 3"]
) -> Float[Array, "*b 21 3"]:
    """Wrist, then thumb, index, middle, ring and little finger, each from the palm outwards, about the wrist, metres.

    `R_wrist` is the wrist's rotation in the axes of what is returned.
    """
    local = rotmat.reshape(*rotmat.shape[:-3], 5, 3, 3, 3)
    R_world, place = R_wrist[..., None, :, :], 0 * R_wrist[..., None, :, 0]
    chains = []
    for bone in range(4):
        place = place + (R_world @ skeleton.steps[:, bone, :, None])[..., 0]
        chains.append(place[..., None, :])
        R_world = R_world @ local[..., bone, :, :] if bone < 3 else R_world
    fingers = concatenate(chains, -2)[..., POINT_ORDER, :, :]
    wrist = 0 * R_wrist[..., None, :, 0]
    return concatenate([wrist, fingers.reshape(*fingers.shape[:-3], 20, 3)], -2)


def angle_limits() -> tuple[Float[ndarray, "21"], Float[ndarray, "21"]]:
    """The least and the greatest angles, radians."""
    bends = [pair for name in FINGERS for pair in BEND_DEG[name]]
    pairs = np.radians([*bends, *(SPREAD_DEG[name] for name in FINGERS), TWIST_DEG]).astype(np.float32)
    return pairs[:, 0], pairs[:, 1]


def relaxed_angles() -> Float[ndarray, "21"]:
    """Those of a hand that nobody uses, radians."""
    bends = [bend for name in FINGERS for bend in RELAXED_DEG[name][:3]]
    return np.radians([*bends, *(RELAXED_DEG[name][3] for name in FINGERS), 0]).astype(np.float32)


def relaxed_rotmat(body: Body) -> Float[ndarray, "30 3 3"]:
    """The fingers of both hands where nothing is known of them, the left hand's first."""
    mean = np.zeros(body.shapedirs.shape[-1], np.float32)
    return np.concatenate([hand_rotmat(hand_skeleton(body, mean, side), relaxed_angles()) for side in SIDES])


def relaxed(body: Body) -> Body:
    """The body of 24 joints as it is drawn where nothing is known of its fingers: they hang, and go with the hand.

    In NumPy's arrays; as it is where its fingers are not known. At rest they would be spread stiffly.
    """
    if body.hands is None:
        return body
    rows, body = as_numpy(body.hands).share.any(1), as_numpy(body)
    fingered = with_fingers(body)
    weights, posedirs = fingered.weights[rows], None  # the open body has no pose blend shapes
    few = replace(
        fingered, v_template=body.v_template[rows], shapedirs=body.shapedirs[rows], posedirs=posedirs, weights=weights
    )
    rotmat = np.tile(np.eye(3, dtype=np.float32), (len(SMPLH), 1, 1))
    rotmat[ARMS:] = relaxed_rotmat(body)
    # with the rotations fixed, skin is linear in the shape: its directions are posed as the mean is
    shapes = np.eye(body.shapedirs.shape[-1] + 1, body.shapedirs.shape[-1], -1, np.float32)
    posed = vertices(few, np.broadcast_to(rotmat, (len(shapes), *rotmat.shape)), shapes)
    v_template, shapedirs = body.v_template.copy(), body.shapedirs.copy()
    v_template[rows], shapedirs[rows] = posed[0], np.moveaxis(posed[1:] - posed[0], 0, -1)
    return replace(body, v_template=v_template, shapedirs=shapedirs, hands=None)


def _tip(body: Body, joint: int) -> Float[ndarray, "3"]:
    """From a finger's last joint to its tip in the mean body, in lengths of the bone before it."""
    bone = body.J_template[joint] - body.J_template[joint - 1]
    length = np.linalg.norm(bone)
    reach = body.v_template[body.weights[:, joint] > 0.5] - body.J_template[joint]
    return reach[(reach @ bone).argmax()] / length
