"""Postures of arms, trunk, head and free legs, and movements between them, within the limits of joints.

Directions are those of the left arm in the body's own axes (x left, y up, z forward); the right one's are mirrored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.body.pose import pose_joints
from vibe.rotations import interpolate, rotmat_from_rotvec
from vibe.skeletons import SMPL
from vibe.synthetic.smooth_curves import holds, rove, sway
from vibe.synthetic.whole_body_ik import SIDES, MeanSkeleton, X, Y, Z, about, two_bones, unbent

PALM = np.array(0.8)
"""How far a wrist that props the body bends, over what would lay the palm flat."""
MIRROR = np.diag([-1.0, 1.0, 1.0])
ARMS = {
    "hang": ((0.18, -1.0, 0.02), (0.12, -1.0, 0.25), 1.0),
    "hips": ((0.75, -0.62, -0.2), (-0.62, -0.62, 0.48), 0.0),
    "folded": ((0.2, -0.9, 0.42), (-0.8, 0.16, 0.58), 0.0),
    "overhead": ((0.16, 0.97, 0.1), (-0.05, 0.98, 0.16), 0.3),
    "wide overhead": ((0.6, 0.75, 0.1), (0.45, 0.88, 0.2), 0.3),
    "clasped overhead": ((0.38, 0.9, 0.12), (-0.5, 0.85, 0.1), 0.0),
    "forward": ((0.08, -0.05, 1.0), (-0.05, 0.08, 1.0), 1.0),
    "low forward": ((0.15, -0.6, 0.75), (0.0, -0.25, 0.95), 1.0),
    "sideways": ((1.0, 0.02, 0.1), (0.98, 0.05, 0.25), 0.7),
    "behind head": ((0.85, 0.5, 0.1), (-0.75, 0.4, -0.4), 0.0),
    "before chest": ((0.3, -0.85, 0.35), (-0.5, 0.5, 0.7), 0.0),
    "on thighs": ((0.15, -0.9, 0.35), (-0.02, -0.5, 0.85), 0.6),
    "behind back": ((0.25, -0.92, -0.3), (-0.55, -0.65, -0.5), 0.0),
    "hand to face": ((0.2, -0.6, 0.75), (-0.3, 0.85, -0.2), 0.0),
}
"""Direction of the upper arm and of the forearm, and how far the posture keeps to gravity when the trunk leans."""
RAISED = ("forward", "sideways")
"""What an arm passes on its way from low to high."""
FREE_LEGS = {
    "hang": (15, 4, 5, 35, 0), "stork": (75, 5, 5, 95, 10), "ankle on knee": (75, 15, 55, 100, 0),
    "bent back": (-10, 3, 0, 80, 20), "straight back": (-22, 3, 0, 10, 15), "sideways": (5, 33, 5, 10, 5),
    "forwards": (55, 2, 5, 12, 0), "tree": (45, 42, 35, 125, 15), "high": (105, 5, 0, 90, 10),
}  # fmt: skip
"""Flexion, abduction and outward rotation of the hip, flexion of the knee, plantar flexion: degrees."""
LEG_SPREAD = (12.0, 6.0, 8.0, 12.0, 6.0)
LEG_LIMITS = ((-28.0, 122.0), (-18.0, 55.0), (-65.0, 85.0), (3.0, 145.0), (-20.0, 45.0))
"""Degrees; a hip that is bent turns further than a straight one."""

Random = np.random.Generator


def leg_angles(side: int, posture: Sequence[float] | Float[ndarray, "5"]) -> Float[ndarray, "3 3 3"]:
    """Hip, knee and ankle of a leg by the five numbers of `FREE_LEGS`, kept within the limits."""
    flexion, abduction, outward, knee, plantar = (
        np.radians(np.clip(value, *limits)) for value, limits in zip(posture, LEG_LIMITS, strict=True)
    )
    hip = about(X, -flexion) @ about(Z, abduction) @ about(Y, outward)
    made = np.stack([hip, about(X, knee), about(X, plantar)])
    return made if side == 0 else MIRROR @ made @ MIRROR


def random_leg(random: Random, side: int, among: Sequence[str] = tuple(FREE_LEGS)) -> Float[ndarray, "3 3 3"]:
    """One of these postures, varied."""
    posture = np.array(FREE_LEGS[among[int(random.integers(len(among)))]])
    return leg_angles(side, posture + random.normal(size=5) * LEG_SPREAD)


def reach(random: Random) -> tuple[Sequence[float], Sequence[float], float]:
    """An arm that reaches anywhere before or beside the body."""
    azimuth, height = np.radians(random.uniform(-25, 105)), np.radians(random.uniform(-60, 80))
    upper = np.array([np.sin(azimuth) * np.cos(height), np.sin(height), np.cos(azimuth) * np.cos(height)])
    towards = random.dirichlet(np.ones(3)) @ np.array([Z, Y, -X])
    across = towards - (towards @ upper) * upper
    bend = np.radians(random.uniform(6, 110) * random.uniform(0.2, 1))
    forearm = np.cos(bend) * upper + np.sin(bend) * across / np.linalg.norm(across)
    return tuple(upper), tuple(forearm), float(random.uniform(0, 1))


Posture = tuple[Sequence[float], Sequence[float], float]
"""Of a left arm, as in `ARMS`."""


def random_posture(random: Random, among: Sequence[str], reaching: float) -> Posture:
    """One of the named postures, a little otherwise, or with the probability `reaching` an arm that reaches."""
    if random.random() < reaching:
        return reach(random)
    upper, forearm, level = ARMS[among[int(random.integers(len(among)))]]
    return tuple(random.normal(upper, 0.08)), tuple(random.normal(forearm, 0.08)), level


def arm_matrix(upper: Sequence[float], forearm: Sequence[float]) -> tuple[Float[ndarray, "3 3"], float]:
    """Rotation of the left upper arm in the axes that its direction is given in, and flexion of the elbow."""
    one, two = (np.asarray(each, float) / np.linalg.norm(each) for each in (upper, forearm))
    hinge = np.cross(one, two)
    bend = np.arctan2(np.linalg.norm(hinge), one @ two)
    down = -hinge / np.linalg.norm(hinge)
    return np.stack([one, down, np.cross(one, down)], -1), float(np.clip(bend, 0.05, 2.5))


def move_arm(
    times: Float[ndarray, "time"], random: Random, draw: Callable[[], Posture]
) -> tuple[Float[ndarray, "time 3 3"], Float[ndarray, "time"], Float[ndarray, "time"]]:
    """Rotation of the left upper arm, flexion of the elbow and share of gravity, from posture to posture.

    Between far postures the arm passes one of those at shoulder height.
    """
    place, share = holds(times, random, (0.8, 2.0), (0.0, 2.5))
    postures = [draw()]
    while len(postures) < place.max() + 2:
        wanted = draw()
        far = np.dot(wanted[0], postures[-1][0]) < -0.3
        postures.append(ARMS[RAISED[random.integers(2)]] if far else wanted)
    matrices, bends = (np.stack(each) for each in zip(*(arm_matrix(*each[:2]) for each in postures), strict=True))
    numbers = np.stack([bends, [each[2] for each in postures]], -1)
    numbers = numbers[place] + share[:, None] * (numbers[place + 1] - numbers[place])
    return interpolate(matrices[place], matrices[place + 1], share), numbers[:, 0], numbers[:, 1]


def upper_body(
    times: Float[ndarray, "time"], random: Random, R_world_pelvis: Float[ndarray, "time 3 3"],
    bend: Float[ndarray, "time 3"], arms: Sequence[str] = tuple(ARMS), reaching: float = 0.25,
    swing: Float[ndarray, "time 2"] | None = None, alike: float = 0.6,
) -> Float[ndarray, "time 24 3 3"]:  # fmt: skip
    """Spine, head and arms; the legs are left as at rest.

    `bend` is how far the chest is turned from the pelvis (forward, to its left, to its right side down), radians;
    arms that are `alike` move as mirror images. `swing` turns the upper arms back, radians.
    """
    made = unbent(len(times))
    bend = bend + sway(times, random, [0.015, 0.015, 0.015])
    spine = rotmat_from_rotvec(bend / 3)
    for name in ("spine1", "spine2", "spine3"):
        made[:, SMPL.index(name)] = spine
    R_world_chest = R_world_pelvis @ spine @ spine @ spine
    heading = np.arctan2(R_world_chest[:, 0, 2], R_world_chest[:, 2, 2])
    heading = np.arctan2(-R_world_chest[:, 2, 0], R_world_chest[:, 0, 0]) if _lies(R_world_chest) else heading
    level = R_world_chest.mT @ about(Y, np.unwrap(heading))
    leans = np.arcsin(R_world_chest[:, 1, 2].clip(-1, 1))
    look = rove(times, random, lambda: random.normal(0, (0.2, 0.35, 0.1)).clip(-0.6, 0.6), (0.5, 1.5), (0.3, 3.0))
    look[:, 0] += (leans * random.uniform(0, 0.8)).clip(-0.7, 0.5)
    for name, part in (("neck", 0.45), ("head", 0.55)):
        made[:, SMPL.index(name)] = rotmat_from_rotvec(part * look)
    same = random.random() < alike
    state = int(random.integers(1 << 40))
    for side, name in enumerate(SIDES):
        own = np.random.default_rng(state if same else state + side)
        upper, elbow, share = move_arm(times, own, lambda own=own: random_posture(own, arms, reaching))
        _set_arm(made, side, name, upper, elbow, share, level, random, times, None if swing is None else swing[:, side])
    return made


def _lies(R_world_chest: ndarray) -> bool:
    """Whether the chest faces up or down, so that the heading is better told by the left side."""
    return bool(np.abs(R_world_chest[:, 1, 2]).max() > 0.7)


def _set_arm(made, side, name, upper, elbow, share, level, random, times, swing):
    """Collar, shoulder, elbow and wrist of one arm from the left arm's posture."""
    flip = np.eye(3) if side == 0 else MIRROR
    upper = flip @ upper @ flip
    upper = upper if swing is None else about(X, swing) @ upper
    upper = interpolate(np.broadcast_to(np.eye(3), level.shape), level, share) @ upper
    upper = rotmat_from_rotvec(sway(times, random, [0.02, 0.02, 0.02])) @ upper
    direction = (upper @ X) if side == 0 else (upper @ -X)
    raised = 0.3 * np.sqrt((direction[:, 1] + 0.35).clip(0) ** 2 + 0.01) - 0.03
    collar = np.stack([0 * raised, -0.25 * direction[:, 2].clip(-0.3), raised], -1)
    collar = rotmat_from_rotvec(collar * ([1, 1, 1] if side == 0 else [1, -1, -1]))
    bend = elbow + sway(times, random, 0.02)
    sign = 1 if side == 0 else -1
    made[:, SMPL.index(f"{name}_collar")] = collar
    made[:, SMPL.index(f"{name}_shoulder")] = collar.mT @ upper
    twist = random.normal(0, 0.4) + sway(times, random, 0.08)
    made[:, SMPL.index(f"{name}_elbow")] = about(Y, -sign * bend.clip(0.03)) @ about(X, twist.clip(-1.0, 1.0))
    wrist = random.normal(0, (0.1, 0.15, 0.25)) + sway(times, random, [0.03, 0.05, 0.06])
    made[:, SMPL.index(f"{name}_wrist")] = rotmat_from_rotvec(wrist.clip(-0.7, 0.7))


def put_hand(
    rotmat: Float[ndarray, "time 24 3 3"], pelvis: Float[ndarray, "time 3"], side: int,
    wrist: Float[ndarray, "time 3"], skeleton: MeanSkeleton,
) -> None:  # fmt: skip
    """Turn the arm so that the wrist is there in the world, the palm down and the elbow to the back; in place."""
    name = SIDES[side]
    R_world, joints = pose_joints(skeleton.body, rotmat, np.zeros(10))
    collar, shoulder, elbow = (SMPL.index(f"{name}_{part}") for part in ("collar", "shoulder", "elbow"))
    from_shoulder = wrist - (joints[:, shoulder] - joints[:, 0] + pelvis)
    # As a leg: the hinge is x, the limb goes along -y.
    sign = 1.0 if side == 0 else -1.0
    R_arm_leg = np.stack([-sign * Y, -sign * X, -Z], -1)
    bones = [skeleton.of(f"{name}_{far}") - skeleton.of(f"{name}_{near}")
             for near, far in (("shoulder", "elbow"), ("elbow", "wrist"))]  # fmt: skip
    hinge = -R_world[:, 0, :, 0] * [1, 0, 1]
    R_upper, bend = two_bones(R_arm_leg.T @ bones[0], R_arm_leg.T @ bones[1], from_shoulder, hinge)
    rotmat[:, shoulder] = R_world[:, collar].mT @ R_upper @ R_arm_leg.T
    rotmat[:, elbow] = R_arm_leg @ about(X, bend) @ R_arm_leg.T
    R_world_palm = np.stack([sign * Z, Y, -sign * X], -1)
    flat = (R_upper @ about(X, bend) @ R_arm_leg.T).mT @ R_world_palm
    rotmat[:, SMPL.index(f"{name}_wrist")] = interpolate(np.broadcast_to(np.eye(3), flat.shape), flat, PALM)
