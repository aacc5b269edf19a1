"""A whole body's pose from where feet stand, how far knees bend and where the weight is: two-bone IK and balance.

World: y up, the floor at y = 0, metres, the person at first faces +z with the left to +x. Legs are solved so that
planted feet stay; the pelvis goes where the centre of mass comes to stand over the wanted place. Segments' masses and
centres of mass are Winter's (Biomechanics and Motor Control of Human Movement, 2009, table 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.arrays import as_numpy
from vibe.body.load import load_body
from vibe.body.pose import pose_joints, rest_joints, rest_vertices
from vibe.body.record import Body
from vibe.rotations import interpolate, rotmat_from_rotvec
from vibe.skeletons import SMPL, SMPL_JOINTS, index

SIDES = ("left", "right")
SEGMENTS = (
    ("head", "head", 0.0, 0.081), ("pelvis", "neck", 0.5, 0.497),
    *((f"{side}_shoulder", f"{side}_elbow", 0.436, 0.028) for side in SIDES),
    *((f"{side}_elbow", f"{side}_wrist", 0.43, 0.016) for side in SIDES),
    *((f"{side}_wrist", f"{side}_hand", 0.8, 0.006) for side in SIDES),
    *((f"{side}_hip", f"{side}_knee", 0.433, 0.1) for side in SIDES),
    *((f"{side}_knee", f"{side}_ankle", 0.433, 0.0465) for side in SIDES),
    *((f"{side}_ankle", f"{side}_foot", 0.5, 0.0145) for side in SIDES),
)  # fmt: skip
"""Ends of each segment, where its centre of mass is between them, its share of the mass."""
ROUNDS, NEAR = 25, 2e-4
"""Of the search for balance, at most, and the change in metres and radians with which it ends."""
DORSIFLEXION = np.radians(35.0)
"""Most that a planted ankle bends; beyond it the heel rises."""
LEAST_FLEXION = np.radians(-4.0)
"""Of the knee of a leg that stands, or reaches for where it will, besides 0.7 of what it will bend."""
LIFTS = (1.0, 1.0, 1.0, 1.0)
"""By how much of their way free feet that are under the floor are lifted, in each round."""
TOES = np.radians(66.0)
"""Most that toes bend up while they stay on the floor under a raised heel."""
HEEL_BEHIND, TOE_AHEAD = 0.05, 0.06
"""Of the sole: behind the ankle, and before the joint of the toes, metres."""
X, Y, Z = np.eye(3)


@dataclass(frozen=True)
class LegPlan:
    """What one leg does: stands with the ball of its foot somewhere, or, as far as it is `free`, is posed by angles."""

    ball: Float[ndarray, "time 3"]
    """On the floor, under the joint of the toes."""
    yaw: Float[ndarray, "time"]
    """Toes to the left of +z, radians."""
    heel: Float[ndarray, "time"]
    """How far the foot is turned up on its ball, radians; less than 0 stands on the heel."""
    knee_out: Float[ndarray, "time"]
    """The knee points so far to the left of the toes, radians."""
    knee: Float[ndarray, "time"]
    """Least flexion while it stands, radians: it decides the pelvis's height."""
    free: Float[ndarray, "time"]
    """0 stands, 1 is posed by `angles`."""
    angles: Float[ndarray, "time 3 3 3"]
    """Hip, knee and ankle of the free leg, each relative to its parent."""
    carries: Float[ndarray, "time"]
    """1 where it decides the pelvis's height, 0 where it does not."""
    tucked: bool = True
    """Toes stay on the floor under a raised heel; otherwise they go with the foot."""


@dataclass(frozen=True)
class MotionPlan:
    """A motion as a rule gives it, before legs and balance are solved."""

    R_world_pelvis: Float[ndarray, "time 3 3"]
    upper: Float[ndarray, "time 24 3 3"]
    """Rotations relative to parents of spine, head and arms; those of the legs are not looked at."""
    legs: tuple[LegPlan, LegPlan]
    """Left, right."""
    support: Float[ndarray, "time 2"]
    """x and z that the centre of mass is to be over."""
    pelvis: Float[ndarray, "time 3"]
    """Where the pelvis is as far as nobody balances."""
    balances: Float[ndarray, "time"]
    """1 the pelvis's place follows from balance and knees, 0 it is as given."""


@dataclass(frozen=True)
class MeanSkeleton:
    """The mean open body's bones, and the soles of its feet."""

    body: Body
    rest: Float[ndarray, "24 3"]
    floor: float
    """Height of the soles at rest."""

    def of(self, name: str) -> Float[ndarray, "3"]:
        """A joint's place at rest."""
        return self.rest[SMPL.index(name)]

    def length(self, near: str, far: str) -> float:
        """Of the bone between two joints of a left limb, metres."""
        return float(np.linalg.norm(self.of(f"left_{far}") - self.of(f"left_{near}")))

    def sole(self, side: str) -> Float[ndarray, "3 3"]:
        """Heel, ball and tip of the toes about the ankle, at rest."""
        ankle, toes = self.of(f"{side}_ankle"), self.of(f"{side}_foot")
        heel = [ankle[0], self.floor, ankle[2] - HEEL_BEHIND]
        ball, tip = ([toes[0], self.floor, toes[2] + ahead] for ahead in (0.0, TOE_AHEAD))
        return np.array([heel, ball, tip]) - ankle

    def toes(self, side: str) -> tuple[Float[ndarray, "3"], float]:
        """The joint of the toes, on which a foot turns: about the ankle at rest, and its height above the floor."""
        toes = self.of(f"{side}_foot")
        return toes - self.of(f"{side}_ankle"), float(toes[1] - self.floor)

    def ankle_over(
        self, side: str, ball: Float[ndarray, "*b 3"], R_foot: Float[ndarray, "*#b 3 3"]
    ) -> Float[ndarray, "*b 3"]:
        """Where the ankle of a foot is whose ball, under the joint of the toes, is there."""
        toes, height = self.toes(side)
        return ball + height * Y - R_foot @ toes


@lru_cache(1)
def mean_skeleton() -> MeanSkeleton:
    """Of the body whose betas are all 0."""
    body, betas = as_numpy(load_body(), np.float64), np.zeros(10)
    return MeanSkeleton(body, rest_joints(body, betas), float(rest_vertices(body, betas)[:, 1].min()))


def solve(plan: MotionPlan, skeleton: MeanSkeleton) -> tuple[Float[ndarray, "time 24 3 3"], Float[ndarray, "time 3"]]:
    """Rotations of all joints relative to their parents, and where the pelvis is."""
    rotmat = plan.upper.copy()
    rotmat[:, 0] = plan.R_world_pelvis
    _, above = pose_joints(skeleton.body, rotmat, np.zeros(10))
    above = above - above[:, :1]
    pelvis, heels = plan.pelvis, [leg.heel for leg in plan.legs]
    # The centre of mass follows the pelvis, and the pelvis's height follows its place: a fixed point.
    for _ in range(ROUNDS if plan.balances.any() else 1):
        legs = [_leg(plan, side, pelvis, heels[side], skeleton) for side in range(2)]
        off = plan.support - centre_of_mass(_placed(above, legs, pelvis))[:, [0, 2]]
        wanted = pelvis + np.stack([off[:, 0], 0 * off[:, 0], off[:, 1]], -1)
        wanted[:, 1] = _height(plan, wanted, heels, skeleton)
        moved = plan.pelvis + plan.balances[:, None] * (wanted - plan.pelvis) - pelvis
        pelvis, before = pelvis + moved, heels
        heels = [
            heel + 0.5 * (leg.heel + _above_zero(heel + dorsiflexion - DORSIFLEXION - leg.heel, 0.05) - heel)
            for leg, heel, (_, _, dorsiflexion) in zip(plan.legs, heels, legs, strict=True)
        ]
        if (
            max(
                np.abs(each).max()
                for each in (moved, *(np.subtract(*both) for both in zip(heels, before, strict=True)))
            )
            < NEAR
        ):
            break
    legs = [_leg(plan, side, pelvis, heels[side], skeleton) for side in range(2)]
    for side, (joints, _, _) in zip(SIDES, legs, strict=True):
        for name, matrices in zip(("hip", "knee", "ankle", "foot"), joints, strict=True):
            rotmat[:, SMPL.index(f"{side}_{name}")] = matrices
    return rotmat, pelvis


def _leg(plan: MotionPlan, side: int, pelvis: ndarray, heel: ndarray, skeleton: MeanSkeleton):
    """Rotations of hip, knee, ankle and toes; places of hip, knee, ankle and toes; how far the ankle bends."""
    name, leg, R_pelvis = SIDES[side], plan.legs[side], plan.R_world_pelvis
    hip_rest, knee_rest, ankle_rest, toes_rest = (
        skeleton.of(f"{name}_{joint}") for joint in ("hip", "knee", "ankle", "foot")
    )
    thigh, shank, sole = knee_rest - hip_rest, ankle_rest - knee_rest, skeleton.sole(name)
    hip = pelvis + R_pelvis @ (hip_rest - skeleton.rest[0])
    R_flat = about(Y, leg.yaw)
    R_planted = R_flat @ about(X, heel)
    # The free leg, by its angles; the two are blended by where the ankle is and how the knee's hinge lies.
    R_thigh = R_pelvis @ leg.angles[:, 0]
    R_shank = R_thigh @ leg.angles[:, 1]
    free = leg.free[:, None]
    ankle = (1 - free) * skeleton.ankle_over(name, leg.ball, R_planted) + free * (
        hip + R_thigh @ thigh + R_shank @ shank
    )
    hinge = (1 - free) * about(Y, leg.yaw + leg.knee_out)[..., 0] + free * R_thigh[..., 0]
    # A free foot that would go through the floor is lifted, which turns it, so that it may have to be lifted again.
    for lift in [*(LIFTS if leg.free.any() else ()), 0.0]:
        R_thigh, bend = two_bones(thigh, shank, ankle - hip, hinge)
        R_shank = R_thigh @ about(X, bend)
        R_foot = interpolate(R_planted, R_shank @ leg.angles[:, 2], leg.free)
        under = -((R_foot @ sole.T)[:, 1] + ankle[:, 1:2]).min(1)
        ankle = ankle + lift * (_above_zero(under, 0.004) * (1 - (1 - leg.free) ** 6))[:, None] * Y
    toes_bend = (heel.clip(0, TOES) if leg.tucked else 0 * heel) * (1 - leg.free)
    joints = R_pelvis.mT @ R_thigh, about(X, bend), R_shank.mT @ R_foot, about(X, -toes_bend)
    places = hip, hip + R_thigh @ thigh, ankle, ankle + R_foot @ (toes_rest - ankle_rest)
    forward = R_flat[..., 2]
    dorsiflexion = np.arctan2(-((R_shank @ shank) * forward).sum(-1), -(R_shank @ shank)[:, 1]) - heel
    return joints, places, dorsiflexion


def two_bones(
    upper: Float[ndarray, "3"], lower: Float[ndarray, "3"], reach: Float[ndarray, "time 3"],
    hinge: Float[ndarray, "time 3"],
) -> tuple[Float[ndarray, "time 3 3"], Float[ndarray, "time"]]:  # fmt: skip
    """Rotation of the upper bone and flexion about its x axis with which the lower one ends at `reach`.

    The hinge's x axis comes as near to the given direction as it can; who is asked too far stretches.
    """
    along, across = upper[1] * lower[1] + upper[2] * lower[2], upper[2] * lower[1] - upper[1] * lower[2]
    wanted = ((reach**2).sum(-1) - upper @ upper - lower @ lower) / 2 - upper[0] * lower[0]
    size, phase = np.hypot(along, across), np.arctan2(across, along)
    bend = phase + np.arccos((wanted / size).clip(-1, 1))
    chord = upper + (about(X, bend) @ lower)
    R_from = _frame(chord, np.broadcast_to(X, chord.shape))
    return _frame(reach, hinge) @ R_from.mT, bend


def _frame(first: ndarray, second: ndarray) -> Float[ndarray, "time 3 3"]:
    """Columns: along the first, as near to the second as may be, across both."""
    one = first / np.linalg.norm(first, axis=-1, keepdims=True)
    two = second - (second * one).sum(-1, keepdims=True) * one
    two = two / np.linalg.norm(two, axis=-1, keepdims=True)
    return np.stack([one, two, np.cross(one, two)], -1)


def _height(plan: MotionPlan, pelvis: ndarray, heels: list[ndarray], skeleton: MeanSkeleton) -> Float[ndarray, "time"]:
    """Where legs bend their knees as they are to, by the weight that they carry, and all reach their places."""
    height, reaches, carried = np.zeros(len(pelvis)), [], plan.legs[0].carries + plan.legs[1].carries
    for name, leg, heel in zip(SIDES, plan.legs, heels, strict=True):
        hip, knee, ankle = (skeleton.of(f"{name}_{joint}") for joint in ("hip", "knee", "ankle"))
        from_pelvis = plan.R_world_pelvis @ (hip - skeleton.rest[0])
        foot = skeleton.ankle_over(name, leg.ball, about(Y, leg.yaw) @ about(X, heel))
        aside = ((pelvis + from_pelvis - foot)[:, [0, 2]] ** 2).sum(-1)
        wanted, most = (
            foot[:, 1]
            + np.sqrt(((((knee - hip) + about(X, flexion) @ (ankle - knee)) ** 2).sum(-1) - aside).clip(0.01))
            - from_pelvis[:, 1]
            for flexion in (leg.knee, LEAST_FLEXION + 0.7 * leg.knee.clip(0))
        )
        height = height + (leg.carries + 1e-3) / (carried + 2e-3) * wanted
        reaches.append(most + 0.5 * leg.free)
    for most in reaches:
        # No rounder than this: near a straight leg a millimetre is many degrees of the knee.
        height = height - _above_zero(height - most, 0.002)
    return height


def _placed(above: ndarray, legs: list, pelvis: ndarray) -> Float[ndarray, "time 24 3"]:
    joints = above + pelvis[:, None]
    for side, (_, places, _) in zip(SIDES, legs, strict=True):
        for name, place in zip(("hip", "knee", "ankle", "foot"), places, strict=True):
            joints[:, SMPL.index(f"{side}_{name}")] = place
    return joints


def centre_of_mass(joints: Float[ndarray, "*b 24 3"]) -> Float[ndarray, "*b 3"]:
    """Of a body with joints there."""
    near, far, parts, shares = zip(*SEGMENTS, strict=True)
    ends = [joints[..., index(SMPL, names), :] for names in (near, far)]
    centres = ends[0] + np.array(parts)[:, None] * (ends[1] - ends[0])
    return np.array(shares) / sum(shares) @ centres


def soles(
    skeleton: MeanSkeleton, rotmat: Float[ndarray, "time 24 3 3"], pelvis: Float[ndarray, "time 3"]
) -> Float[ndarray, "time 2 3 3"]:
    """Heel, ball and tip of the toes of both feet in the world."""
    R_world, joints = pose_joints(skeleton.body, rotmat, np.zeros(10))
    joints = joints - joints[:, :1] + pelvis[:, None]
    feet = []
    for side in SIDES:
        ankle, foot = SMPL.index(f"{side}_ankle"), SMPL.index(f"{side}_foot")
        heel, *ahead = skeleton.sole(side)
        toes, _ = skeleton.toes(side)
        points = [joints[:, ankle] + R_world[:, ankle] @ heel]
        points += [joints[:, foot] + R_world[:, foot] @ (each - toes) for each in ahead]
        feet.append(np.stack(points, 1))
    return np.stack(feet, 1)


def about(axis: Float[ndarray, "3"], angle: Float[ndarray, "*b"] | float) -> Float[ndarray, "*b 3 3"]:
    """Rotation about one of the axes."""
    return rotmat_from_rotvec(np.asarray(angle, float)[..., None] * axis)


def unbent(frames: int) -> Float[ndarray, "time 24 3 3"]:
    """All joints as at rest."""
    return np.tile(np.eye(3), (frames, SMPL_JOINTS, 1, 1))


def _above_zero(value: ndarray, width: float) -> ndarray:
    """The value where it is above 0, else 0, round the corner smoothly."""
    return (value + np.sqrt(value**2 + width**2)) / 2
