"""Signed joint angles as biomechanics knows them: between anatomical frames of segments, about axes of the joints.

The frames are ISB's (x forward, y up the bone, z to the right) of somebody who stands upright with arms hanging and
palms forward: there all angles are zero where bones are straight. Flexion comes first, then ad- or abduction, then
rotation about the bone (Grood and Suntay 1983, Wu et al. 2002 and 2005), with the signs of OpenSim's model of Rajagopal
et al. (2016). The bones are lines from joint to joint of the body at rest, the foot lies flat, pelvis and trunk are
upright at rest. The upper arm is turned about itself as the bent elbow shows (the second of ISB's definitions).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.rotations import steady_angles, unit
from vibe.skeletons import SMPL, SMPL_PARENTS

R_GROUND_SPACE = {
    "camera": ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0)),
    "world": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)),
}
"""From the axes of a space to OpenSim's ground: y up, x to the picture's right or where the first person faces at
first."""
R_REST_UPRIGHT = np.array([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])
"""From ISB's axes to the body's at rest: x left, y up, z forward."""
SIDES = {"right": 1.0, "left": -1.0}
"""By how much angles about x and y are multiplied, so that both sides mean the same."""
PALM_DOWN_DEG = 90.0
"""Pronation at rest, from palms forward to palms down."""
LIMBS = {"hip": "knee", "knee": "ankle", "shoulder": "elbow", "elbow": "wrist"}
"""The joints on top of bones, and those at their ends."""
JOINTS = {
    "hip": ("pelvis", "hip", "ZXY", ("flexion", "adduction", "rotation")),
    "knee": ("hip", "knee", "ZXY", ("flexion", "adduction", "rotation")),
    "ankle": ("knee", "ankle", "ZXY", ("dorsiflexion", "inversion", "rotation")),
    "toes": ("ankle", "foot", "ZXY", ("extension", "inversion", "rotation")),
    "shoulder": ("spine3", "shoulder", "ZXY", ("flexion", "adduction", "rotation")),
    "elbow": ("shoulder", "elbow", "ZXY", ("flexion", "adduction", "rotation")),
    "wrist": ("elbow", "wrist", "YZX", ("rotation", "flexion", "deviation")),
}
"""Of a side, by joint: the segments above and below, by the joints on top of them; the order of the axes; what angles
about them are called."""
TRUNK = {
    "lumbar": ("pelvis", "spine3", "ZXY", ("extension", "bending", "rotation")),
    "neck": ("spine3", "head", "ZXY", ("extension", "bending", "rotation")),
}
LEFT_OUT = ("toes_inversion", "toes_rotation", "elbow_adduction", "elbow_rotation")
"""What is not told: the forefoot's; the elbow's, which are the upper arm's and the forearm's."""
BENT_DEG = (5.0, 20.0)
"""Flexion of elbow or knee up to which it does not show how the bone above is turned, and from which it does."""
PLAIN_DEG = (65.0, 150.0)
"""How far the middle angle and the others may be from zero where a joint's angles are the only sensible ones."""
PELVIS = {"Z": "pelvis_tilt", "X": "pelvis_list", "Y": "pelvis_rotation"}
"""Angles of the pelvis in the ground by their axes."""
PELVIS_ORDERS = {"walking": "YXZ", "opensim": "ZXY"}
"""Tilt and list as they are whatever way somebody faces (Baker 2001), or from the ground's axes on, as OpenSim's, whose
knees are hinges besides."""


def angle_names() -> list[str]:
    """The angles in their order: the pelvis's, the trunk's, the right side's, the left side's."""
    named = [f"{joint}_{what}" for joint, (*_, turns) in TRUNK.items() for what in turns]
    for side in SIDES:
        told = [f"{joint}_{what}" for joint, (*_, turns) in JOINTS.items() for what in turns]
        told = ["forearm_pronation" if name == "wrist_rotation" else name for name in told if name not in LEFT_OUT]
        named += [f"{side}_{name}" for name in [*told, "shoulder_elevation", "shoulder_plane"]]
    return [*PELVIS.values(), *named]


def joint_angles_deg(
    rotmat: Float[ndarray, "time 24 3 3"], rest: Float[ndarray, "24 3"], R_ground_space: Float[ndarray, "*#time 3 3"],
    pelvis: str = "walking",
) -> Float[ndarray, "time angle"]:  # fmt: skip
    """The angles of `angle_names`, degrees; they run on past 180 rather than jump.

    `rotmat` are SMPL's rotations, the pelvis's in a space that the third turns to OpenSim's ground (x forward, y up, z
    right); `rest` are the joints at rest in the body's own axes (x left, y up, z forward), metres;
    `pelvis` is a key of `PELVIS_ORDERS`; with "opensim" knees are hinges, as in its models: thighs turn about
    themselves as bent knees show, and shins do not.
    """
    R_ground_joint = R_ground_space[..., None, :, :].astype(np.float64) @ _global_rotations(rotmat)
    segments = {name: R_ground_joint[:, place] @ R for place, (name, R) in enumerate(zip(SMPL, rest_frames(rest)))}
    order = PELVIS_ORDERS[pelvis]
    found = {PELVIS[axis]: column for axis, column in zip(order, _turns(segments["pelvis"], order).T)}
    for joint, (above, below, order, turns) in TRUNK.items():
        angles = _joint_turns(segments[above].mT @ segments[below], order)
        found |= {f"{joint}_{what}": column for what, column in zip(turns, angles.T)}
    for side, sign in SIDES.items():
        found |= {f"{side}_{name}": column for name, column in _side(segments, side, sign, pelvis == "opensim").items()}
    return np.stack([found[name] for name in angle_names()], 1)


def _global_rotations(rotmat: Float[ndarray, "time 24 3 3"]) -> Float[ndarray, "time 24 3 3"]:
    """The rotation of each joint in the frame that the pelvis's maps to."""
    found = rotmat.astype(np.float64)
    for joint, parent in enumerate(SMPL_PARENTS[1:], start=1):
        found[:, joint] = found[:, parent] @ found[:, joint]
    return found


def _side(segments: dict[str, ndarray], side: str, sign: float, hinged: bool) -> dict[str, Float[ndarray, "time"]]:
    """The angles of one side, without its name."""
    found: dict[str, ndarray] = {}
    mirror = {"Z": 1.0, "X": sign, "Y": sign}
    own = {name.removeprefix(f"{side}_"): R for name, R in segments.items()}
    own["shoulder"] = own["shoulder"] @ _about_y(_hinge_deg(own["shoulder"].mT @ own["elbow"]))
    if hinged:
        own["hip"] = own["hip"] @ _about_y(_hinge_deg(own["hip"].mT @ own["knee"], -1.0))
    for joint, (above, below, order, turns) in JOINTS.items():
        R = own[above].mT @ own[below]
        if joint == "wrist":  # the forearm turns from the elbow to the wrist
            R = _about_y(sign * found["elbow_rotation"]) @ R
        if joint == "ankle" and hinged:
            R = _about_y(sign * found["knee_rotation"]) @ R
        angles = _joint_turns(R, order) * [mirror[axis] for axis in order]
        found |= {f"{joint}_{what}": column for what, column in zip(turns, angles.T)}
    found["knee_flexion"] = -found["knee_flexion"]
    found["forearm_pronation"] = found["wrist_rotation"]
    found |= dict(zip(("shoulder_elevation", "shoulder_plane"), _elevation(own["spine3"].mT @ own["shoulder"], sign)))
    return found


def _hinge_deg(R_upper_lower: Float[ndarray, "time 3 3"], forward: float = 1.0) -> Float[ndarray, "time"]:
    """By how much the upper bone is turned about itself so that the lower bends about its z, forward or (-1) back.

    A knee that is bent the wrong way, or sideways, does not tell it.
    """
    x, y, z = (-R_upper_lower[:, :, 1] * [forward, 1, forward]).T
    angle = np.degrees(np.arctan2(-z, x))
    flexion = np.degrees(np.arctan2(np.hypot(x, z) if forward > 0 else x.clip(0), -y))
    low, high = BENT_DEG
    share = ((flexion - low) / (high - low)).clip(0, 1)
    return share**2 * (3 - 2 * share) * angle


def rest_frames(rest: Float[ndarray, "24 3"]) -> Float[ndarray, "24 3 3"]:
    """The anatomical axes of what each joint carries, at rest in the body's own axes, as columns x, y, z."""
    frames = np.tile(R_REST_UPRIGHT, (len(SMPL), 1, 1))
    for side, sign in SIDES.items():
        for upper, lower in LIMBS.items():
            top, end = (SMPL.index(f"{side}_{name}") for name in (upper, lower))
            y = unit(rest[top] - rest[end])
            if upper in ("shoulder", "elbow"):
                x = unit(R_REST_UPRIGHT[:, 0] - (R_REST_UPRIGHT[:, 0] @ y) * y)
                frames[top] = np.stack([x, y, np.cross(x, y)], 1)
            else:
                z = unit(R_REST_UPRIGHT[:, 2] - (R_REST_UPRIGHT[:, 2] @ y) * y)
                frames[top] = np.stack([np.cross(y, z), y, z], 1)
        forearm = frames[SMPL.index(f"{side}_elbow")]
        for name in ("wrist", "hand"):
            frames[SMPL.index(f"{side}_{name}")] = forearm @ _about_y(np.array(sign * PALM_DOWN_DEG))
    return frames


def _turns(R: Float[ndarray, "time 3 3"], order: str) -> Float[ndarray, "time 3"]:
    """Steady angles that begin within half a turn."""
    angles = steady_angles(R[:, None].astype(np.float64), order)[:, 0]
    return angles - 360 * np.round(angles[:1] / 360)


def _joint_turns(R: Float[ndarray, "time 3 3"], order: str) -> Float[ndarray, "time 3"]:
    """Steady angles of a joint, which cannot wind up: brought back where there is but one sensible triple."""
    steady = _turns(R, order)
    other = np.stack([steady[:, 0] + 180, 180 - steady[:, 1], steady[:, 2] + 180], 1)
    crossed = np.cos(np.radians(steady[:, 1])) < 0
    short = np.where(crossed[:, None], other, steady)
    short = short - 360 * np.round(short / 360)
    middle, outer = PLAIN_DEG
    plain = np.flatnonzero((np.abs(short[:, 1]) < middle) & (np.abs(short[:, ::2]) < outer).all(1))
    if not len(plain):
        return steady
    last = plain[(np.searchsorted(plain, np.arange(len(R)), side="right") - 1).clip(0)]
    chosen = np.where(crossed[last, None], other, steady)
    return chosen + 360 * np.round((short - chosen)[last] / 360)


def _elevation(
    R_thorax_humerus: Float[ndarray, "time 3 3"], sign: float
) -> tuple[Float[ndarray, "time"], Float[ndarray, "time"]]:
    """ISB's elevation of the upper arm, 0 to 180 degrees, and the plane of it: 0 aside, 90 forward (Wu et al. 2005).

    It lies between -180 and 180 and turns about as the arm passes by the body. That of an arm that hangs down, within 5
    degrees, is that of the moment before.
    """
    x, y, z = -R_thorax_humerus[:, :, 1].T
    aside = np.hypot(x, z)
    plane = np.degrees(np.arctan2(x, sign * z))
    known = np.flatnonzero(aside > np.sin(np.radians(5)))
    held = known[(np.searchsorted(known, np.arange(len(x)), side="right") - 1).clip(0)] if len(known) else 0
    return np.degrees(np.arctan2(aside, -y)), plane[held] if len(known) else 0 * plane


def _about_y(angle_deg: Float[ndarray, "*b"]) -> Float[ndarray, "*b 3 3"]:
    """Rotations about y."""
    cos, sin, none = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg)), 0 * angle_deg
    rows = [cos, none, sin], [none, none + 1, none], [-sin, none, cos]
    return np.stack([np.stack(row, -1) for row in rows], -2)
