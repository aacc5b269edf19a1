"""Motion by rule, of what free motion capture lacks: squats, one leg, lunges, kneeling, sitting, the floor, reaching.

Every clip is a plan made of seeded random numbers, here on a chair, the knees or the floor, else in `procedural_kinds`,
whose legs and balance are solved (`whole_body_ik`) on the mean open body: joints keep their limits, planted feet stay
where they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter1d

from vibe.body.pose import pose_joints, rest_vertices
from vibe.data.motion import FPS, Motions, clip_weights, join_motions
from vibe.rotations import continuous, rotmat_from_rotvec
from vibe.skeletons import SMPL
from vibe.synthetic import procedural_kinds
from vibe.synthetic.procedural_kinds import Times, balanced, bends, pelvis_turned, standing_leg
from vibe.synthetic.procedural_postures import Random, leg_angles, put_hand, upper_body
from vibe.synthetic.smooth_curves import clip_times, ease, rove, sway, through, turn_through
from vibe.synthetic.whole_body_ik import SIDES, MeanSkeleton, MotionPlan, X, Y, Z, about, mean_skeleton, solve

SEAT = 0.13
"""From the seat to the pelvis joint."""
KNEE = 0.06
"""Height of the joint of a knee that is knelt on."""
SEATED_LEGS = {
    "ahead": (70, 5, 5, 20, 15), "under": (85, 5, 0, 115, 20), "over the other": (95, -12, 5, 85, 15),
    "ankle on knee": (80, 25, 55, 100, 0), "wide": (80, 35, 10, 90, 0), "raised": (105, 5, 0, 60, 10),
}  # fmt: skip
"""As `FREE_LEGS`; of somebody on a chair whose pelvis is upright."""
FLOOR_LEGS = {
    "long": ((88, 6, 5, 6, 20),) * 2, "wide": ((80, 38, 15, 8, 15),) * 2, "knees up": ((118, 8, 0, 118, 10),) * 2,
    "cross-legged": ((80, 38, 78, 128, 20), (88, 34, 82, 125, 20)),
    "one knee up": ((116, 6, 0, 112, 10), (86, 10, 10, 8, 20)),
    "to one side": ((80, 40, 80, 118, 25), (78, 15, -62, 125, 25)), "soles together": ((78, 44, 82, 118, 25),) * 2,
    "hurdle": ((86, 5, 5, 6, 20), (80, 40, 84, 125, 20)),
}  # fmt: skip
"""Both legs of somebody who sits on the floor, pelvis upright."""
SUPINE_LEGS = {
    "straight": (3, 8, 10, 6, 35), "bent": (48, 8, 3, 92, 15), "raised": (80, 6, 3, 15, 20),
    "to the chest": (118, 8, 0, 125, 20), "table top": (90, 8, 0, 90, 15), "open": (55, 40, 45, 100, 20),
}  # fmt: skip
PRONE_LEGS = {
    "straight": (0, 8, 5, 6, 45),
    "heels up": (0, 8, 5, 80, 25),
    "frog": (30, 50, 40, 90, 20),
    "raised": (-15, 6, 0, 10, 40),
}
LYING = {
    "supine": (-90.0, 0.0, SUPINE_LEGS), "prone": (90.0, 0.0, PRONE_LEGS), "on the side": (-90.0, 80.0, SUPINE_LEGS),
}  # fmt: skip
"""Turn about the side, then about the body's long axis, degrees; postures of a leg."""
POINTS = 700
"""Of the skin, that are looked at for the lowest."""


def sit(times: Times, random: Random, skeleton: MeanSkeleton) -> MotionPlan:
    """Sits down on a chair, sits with legs this way and that, stands up."""
    seat, width, out = random.uniform(0.34, 0.56), random.uniform(0.07, 0.18), random.uniform(0, 0.3)
    keys, time = [], -random.uniform(0, 4)
    down = float(random.random() < 0.7)
    first = down
    while time < times[-1]:
        time += random.uniform(1.5, 5.0) if down else random.uniform(0.2, 1.5)
        down = 1 - down
        keys.append((time, time + random.uniform(1.1, 2.0), down))
        time = keys[-1][1]
    sat = through(times, first, keys)
    settled = ease(sat, 0.97, 1.0)
    legs, among = [], list(SEATED_LEGS.values())
    for side, sign in enumerate((1, -1)):
        angles = turn_through(
            times, random, lambda side=side: leg_angles(side, random.normal(among[int(random.integers(len(among)))], 7))
        )
        moves = rove(times, random, lambda: float(random.random() < 0.45), (0.7, 1.2), (0.5, 3.0))
        free = (
            0.999
            * moves
            * gaussian_filter1d(settled * (gaussian_filter1d(settled, 12, mode="nearest") > 0.9), 6, mode="nearest")
        )
        ball = np.array([sign * width, 0, random.normal(0, 0.03)])
        legs.append(standing_leg(times, ball, sign * out, -0.03, 0, free, angles))
    slump = rove(times, random, lambda: random.normal(-0.1, 0.15), (0.8, 1.5), (0.5, 3.0)).clip(-0.5, 0.3)
    lean = random.uniform(2.0, 3.2) * sat * (1 - sat) + slump * sat
    R_pelvis = pelvis_turned(times, random, lean)
    forward = random.uniform(0.8, 1.6) * sat * (1 - sat) + sat * (0.15 - slump * random.uniform(0.3, 1))
    bend = bends(times, random, forward, 0.1, 0.2)
    arms = (
        "on thighs",
        "on thighs",
        "folded",
        "hang",
        "hand to face",
        "before chest",
        "forward",
        "behind head",
        "overhead",
    )
    upper = upper_body(times, random, R_pelvis, bend, arms, 0.25)
    plan = balanced(times, random, (legs[0], legs[1]), 0.5, R_pelvis, upper)
    back = skeleton.length("hip", "knee") + 0.13 - random.uniform(-0.05, 0.1)
    place = np.array([0, seat + SEAT, -back]) + sway(times, random, [0.004, 0.002, 0.004])
    return replace(plan, pelvis=place, balances=1 - sat)


def kneel(times: Times, random: Random, skeleton: MeanSkeleton) -> MotionPlan:
    """On both knees, upright to sitting on the heels, or on one with the other foot before."""
    width, tucked = random.uniform(0.07, 0.16), random.random() < 0.4
    turned_up = 1.3 if tucked else 2.5
    half = random.random() < 0.5
    back = rove(times, random, lambda: random.uniform(-0.05, 0.25 if half else 1.05), (0.8, 1.8), (0.2, 2.5))
    up = rove(times, random, lambda: float(random.random() < 0.65), (0.9, 1.5), (0.5, 3.0)) if half else 0 * times
    leads = random.integers(2)
    shank = skeleton.length("knee", "ankle")
    legs = []
    for side, (sign, name) in enumerate(zip((1, -1), SIDES, strict=True)):
        R_foot = about(X, turned_up)
        ankle_y = float(skeleton.ankle_over(name, 0 * X, R_foot)[1]) if tucked else 0.06
        ankle = np.array([sign * width, ankle_y, -np.sqrt(shank**2 - (ankle_y - KNEE) ** 2)])
        down = 2 * ankle - skeleton.ankle_over(name, ankle, R_foot)
        ahead = np.array([sign * (width + 0.03), 0.0, random.uniform(0.36, 0.5)])
        share = up if side == leads else 0 * times
        aside = (16 * (share * (1 - share)) ** 2)[:, None] * (0.12 * Y + 0.24 * sign * X)
        ball = down + share[:, None] * (ahead - down) + aside
        leg = standing_leg(times, ball, 0.0, 0.1, turned_up * (1 - share), tucked=tucked)
        legs.append(replace(leg, yaw=sign * (0.1 * share + 2.5 * share * (1 - share))))
    lean = random.normal(0.0, 0.08) + back * random.uniform(-0.1, 0.25)
    R_pelvis = pelvis_turned(times, random, lean)
    pelvis = over_knees(back, R_pelvis, skeleton) + np.array([0, -0.003, 0])
    far = random.uniform(0.0, 0.7)
    forward = rove(times, random, lambda: far * random.uniform(0, 1), (0.8, 1.6), (0.2, 2.0)) - 0.5 * lean
    upper = upper_body(times, random, R_pelvis, bends(times, random, forward, 0.15, 0.2), reaching=0.35)
    return MotionPlan(R_pelvis, upper, (legs[0], legs[1]), pelvis[:, [0, 2]], pelvis, 0 * times)


def over_knees(
    back: Times, R_world_pelvis: Float[ndarray, "time 3 3"], skeleton: MeanSkeleton
) -> Float[ndarray, "time 3"]:
    """Where the pelvis is of somebody on both knees whose thighs lean back by these angles."""
    thigh = skeleton.length("hip", "knee")
    hips = np.stack([0 * back, KNEE + thigh * np.cos(back), -thigh * np.sin(back)], -1)
    return hips - R_world_pelvis @ ((skeleton.of("left_hip") + skeleton.of("right_hip")) / 2 - skeleton.rest[0])


def all_fours(times: Times, random: Random, skeleton: MeanSkeleton) -> MotionPlan:
    """On hands and knees: crawls on the spot, rocks, arches the back, or stretches an arm or a leg."""
    width, turned_up = random.uniform(0.08, 0.14), 2.55
    shank = skeleton.length("knee", "ankle")
    rate, stride = random.uniform(0.5, 0.9), random.choice([0.0, random.uniform(0.05, 0.2)])
    rock = rove(times, random, lambda: random.uniform(-0.15, 0.5 if stride == 0 else 0.1), (0.8, 1.6), (0.0, 2.0))
    arch = rove(times, random, lambda: random.normal(0.1, 0.3), (0.8, 1.6), (0.2, 2.0)).clip(-0.4, 0.7)
    lifts = random.random() < 0.6 and stride == 0
    legs, hands = [], []
    for side, (sign, name) in enumerate(zip((1, -1), SIDES, strict=True)):
        ankle = np.array([sign * width, KNEE, -shank])
        step = 0.5 * stride * np.sin(2 * np.pi * rate * times + (0 if side else np.pi))
        raised = 0.03 * (np.cos(2 * np.pi * rate * times + (0 if side else np.pi)).clip(0)) ** 2 * (stride > 0)
        ball = 2 * ankle - skeleton.ankle_over(name, ankle, about(X, turned_up)) + step[:, None] * Z
        free = rove(times, random, lambda: float(lifts and random.random() < 0.4), (0.8, 1.4), (0.4, 2.0))
        angles = turn_through(
            times, random, lambda side=side: leg_angles(side, random.normal((0, 5, 0, 15, 20), (12, 6, 4, 12, 8)))
        )
        legs.append(standing_leg(times, ball, 0.0, 0.1, turned_up, free, angles, tucked=False))
        hand = np.array([sign * (0.17 + random.normal(0, 0.04)), 0.07, 0.5 + random.normal(0, 0.05)])
        hands.append(hand - step[:, None] * Z + raised[:, None] * Y)
    R_pelvis = pelvis_turned(times, random, 1.42 - 0.5 * arch + 0.25 * rock)
    pelvis = over_knees(rock, R_pelvis, skeleton)
    upper = upper_body(times, random, R_pelvis, bends(times, random, arch, 0.05, 0.05), ("forward",), 0)
    upper[:, 0] = R_pelvis
    upper[:, SMPL.index("head")] = about(X, -random.uniform(0, 0.7) + sway(times, random, 0.1)) @ about(
        Y, sway(times, random, 0.2)
    )
    for side, hand in enumerate(hands):
        put_hand(upper, pelvis, side, hand, skeleton)
    return MotionPlan(R_pelvis, upper, (legs[0], legs[1]), pelvis[:, [0, 2]], pelvis, 0 * times)


def sit_on_floor(times: Times, random: Random, skeleton: MeanSkeleton) -> MotionPlan:
    """Sits on the floor with legs this way and that; leans, turns, reaches, props itself on the hands."""
    names = list(FLOOR_LEGS)

    def both(one: str) -> ndarray:
        pair = FLOOR_LEGS[one] if random.random() < 0.5 else FLOOR_LEGS[one][::-1]
        return np.concatenate([leg_angles(side, random.normal(posture, 5)) for side, posture in enumerate(pair)])

    among = random.choice(names, 2)
    angles = turn_through(times, random, lambda: both(among[random.integers(2)]), (1.0, 2.0), (0.5, 3.0))
    props = random.random() < 0.3
    lean = rove(times, random, lambda: random.normal(-0.35 if props else -0.1, 0.15), (0.8, 1.6), (0.2, 2.5)).clip(
        -0.7, 0.35
    )
    forward = rove(times, random, lambda: abs(random.normal(0.1, 0.3)), (0.8, 1.8), (0.2, 2.0)) - 0.4 * lean
    R_pelvis = pelvis_turned(times, random, lean)
    arms = ("on thighs", "forward", "low forward", "overhead", "folded", "hand to face", "behind head", "before chest")
    upper = upper_body(times, random, R_pelvis, bends(times, random, forward.clip(-0.2, 0.9), 0.15, 0.25), arms, 0.3)
    plan = on_floor(times, R_pelvis, upper, (angles[:, :3], angles[:, 3:]), skeleton)
    for side, sign in enumerate((1, -1)):
        if props and random.random() < 0.8:
            hand = np.array([sign * random.uniform(0.2, 0.35), 0.07, -random.uniform(0.2, 0.4)])
            put_hand(plan.upper, plan.pelvis, side, np.broadcast_to(hand, (len(times), 3)), skeleton)
    return plan


def lie(times: Times, random: Random, skeleton: MeanSkeleton) -> MotionPlan:
    """Lies on the back, the belly or the side; legs and arms move, the trunk curls up a little."""
    pitch, roll, postures = LYING[random.choice(list(LYING), p=[0.5, 0.25, 0.25])]
    among = list(postures.values())

    def legs() -> ndarray:
        same = among[random.integers(len(among))]
        chosen = [same, same if random.random() < 0.5 else among[random.integers(len(among))]]
        return np.concatenate([leg_angles(side, random.normal(each, 6)) for side, each in enumerate(chosen)])

    angles = turn_through(times, random, legs, (0.9, 2.0), (0.3, 2.5))
    turn = np.radians(roll) * random.choice([-1, 1]) + sway(times, random, 0.05)
    R_pelvis = about(X, np.radians(pitch)) @ about(Y, turn) @ rotmat_from_rotvec(sway(times, random, [0.02] * 3))
    curl = rove(times, random, lambda: max(0.0, random.normal(0, 0.3)), (0.8, 1.6), (0.5, 2.5)).clip(0, 0.7)
    curl = curl * (1 if pitch < 0 else -0.6)
    arms = ("overhead", "sideways", "wide overhead", "behind head") if pitch > 0 else (
        "overhead", "sideways", "folded", "forward", "before chest", "behind head", "on thighs")  # fmt: skip
    upper = upper_body(times, random, R_pelvis, bends(times, random, curl, 0.05, 0.05), arms, 0.0)
    return on_floor(times, R_pelvis, upper, (angles[:, :3], angles[:, 3:]), skeleton)


def on_floor(
    times: Times, R_world_pelvis: ndarray, upper: ndarray, angles: tuple[ndarray, ndarray], skeleton: MeanSkeleton
) -> MotionPlan:
    """Legs by angles, feet kept above the floor, and the pelvis so high that the trunk touches it."""
    whole = upper.copy()
    whole[:, 0] = R_world_pelvis
    for side, name in enumerate(SIDES):
        for place, joint in enumerate(("hip", "knee", "ankle")):
            whole[:, SMPL.index(f"{name}_{joint}")] = angles[side][:, place]
    height = gaussian_filter1d(-lowest_point(whole, skeleton), 4, mode="nearest")
    pelvis = np.stack([0 * height, height, 0 * height], -1)
    one = np.ones(len(times))
    legs = tuple(standing_leg(times, np.zeros(3), free=one, angles=each, carries=0 * one) for each in angles)
    return MotionPlan(R_world_pelvis, whole, (legs[0], legs[1]), 0 * pelvis[:, :2], pelvis, 0 * one)


@lru_cache(1)
def _skin() -> tuple[Float[ndarray, "point 3"], Float[ndarray, "point 24"]]:
    """Some of the points of the trunk's and head's skin on the mean body, and what moves them."""
    body = mean_skeleton().body
    points, weights = rest_vertices(body, np.zeros(10)), np.asarray(body.weights)
    trunk = [SMPL.index(name) for name in ("pelvis", "spine1", "spine2", "spine3", "neck", "head")]
    kept = np.nonzero(weights[:, trunk].sum(1) > 0.4)[0]
    kept = kept[:: max(1, len(kept) // POINTS)]
    return points[kept], weights[kept]


def lowest_point(rotmat: Float[ndarray, "time 24 3 3"], skeleton: MeanSkeleton) -> Float[ndarray, "time"]:
    """How far below the pelvis the lowest point of head and trunk is; below is less than 0."""
    points, weights = _skin()
    R_world, joints = pose_joints(skeleton.body, rotmat, np.zeros(10))
    offset = joints - joints[:, :1] - np.einsum("tjab,jb->tja", R_world, skeleton.rest)
    heights = np.einsum("pj,tja,pa->tp", weights, R_world[:, :, 1], points, optimize=True) + offset[..., 1] @ weights.T
    return heights.min(1)


Kind = Callable[[Times, Random, MeanSkeleton], MotionPlan]


KINDS: Mapping[str, tuple[Kind, float]] = {
    "squat": (procedural_kinds.squat, 3.0),
    "one leg": (procedural_kinds.one_leg, 2.5),
    "one-leg squat": (procedural_kinds.one_leg_squat, 3.0),
    "unsteady": (procedural_kinds.unsteady_stand, 1.5),
    "knee raises": (procedural_kinds.knee_raises, 1.0),
    "split stance": (procedural_kinds.split_stance, 1.5),
    "lunges": (procedural_kinds.lunges, 1.5),
    "reaches": (procedural_kinds.reaches, 2.0),
    "walk": (procedural_kinds.steps, 1.5),
    "sit": (sit, 2.0),
    "kneel": (kneel, 1.0),
    "all fours": (all_fours, 0.8),
    "sit on floor": (sit_on_floor, 1.2),
    "lie": (lie, 0.8),
}
"""What makes a plan, and how much there is of it over the others."""
FASTEST, PLANS = 30.0, 1000
"""Acceleration of a joint, m/s^2, with which a plan is drawn anew, and how often: of walks five in six are too fast."""
SECONDS = 10.0
"""Of a clip."""
POOL_MINUTES = 45.0
"""Of a training's pool, which is made in less than a minute of a core."""


@dataclass(frozen=True)
class ProceduralClip:
    """One motion by rule."""

    kind: str
    plan: MotionPlan
    rotmat: Float[ndarray, "time 24 3 3"]
    """Relative to parents; the root's in a world of y up."""
    pelvis: Float[ndarray, "time 3"]
    """Metres; the floor is at y = 0."""


def make_motion(kind: str, seed: int, seconds: float = SECONDS) -> ProceduralClip:
    """A clip of a kind of `KINDS`, the same for the same seed: the first plan drawn that no joint is too fast for."""
    random, skeleton = np.random.default_rng([seed, *kind.encode()]), mean_skeleton()
    for _ in range(PLANS):
        plan = KINDS[kind][0](clip_times(seconds), random, skeleton)
        clip = ProceduralClip(kind, plan, *solve(plan, skeleton))
        if accelerations(clip).max() < FASTEST:
            return clip
    raise AssertionError(f"{PLANS} plans of {kind} were too fast")


def accelerations(clip: ProceduralClip) -> Float[ndarray, "_ 24"]:
    """Of the joints in the world, m/s^2."""
    _, joints = pose_joints(mean_skeleton().body, clip.rotmat, np.zeros(10))
    places = joints - joints[:, :1] + clip.pelvis[:, None]
    return np.linalg.norm(np.diff(places, 2, axis=0), axis=-1) * FPS**2


def procedural_motions(seed: int, minutes: float = POOL_MINUTES) -> Motions:
    """So many minutes of clips of all kinds, of each as its weight says, for `vibe.data.motion.draw_windows`."""
    clips = round(60 * minutes / SECONDS)
    total, passed, names = sum(weight for _, weight in KINDS.values()), 0.0, []
    for kind, (_, weight) in KINDS.items():
        begun = round(clips * passed / total)
        passed += weight
        names += [kind] * (round(clips * passed / total) - begun)
    made = [make_motion(kind, 100_003 * seed + number, SECONDS) for number, kind in enumerate(names)]
    quaternions = [continuous(roma.rotmat_to_unitquat(torch.from_numpy(each.rotmat).float())) for each in made]
    places = torch.cat([torch.from_numpy(each.pelvis).float() for each in made])
    lengths = torch.full((len(made),), round(SECONDS * FPS))
    return Motions(torch.cat(quaternions), places, lengths.cumsum(0) - lengths, lengths, tuple(names))


def with_procedural(
    motions: Motions, share: float, seed: int, minutes: float = POOL_MINUTES
) -> tuple[Motions, Float[torch.Tensor, "clip"]]:
    """Clips and how often to draw each: `share` of the windows are by rule, of a pool that the seed makes.

    Raises ValueError for a share that is none.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"{share:g} of the windows can't be of motion by rule: give a share from 0 to 1")
    weights = clip_weights(motions)
    if not share:
        return motions, weights
    pool = procedural_motions(seed, minutes)
    return join_motions(motions, pool), torch.cat([(1 - share) * weights, share * pool.lengths / pool.lengths.sum()])
