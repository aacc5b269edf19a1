"""Motions on two feet, on one and in steps, by rule: a plan of where feet stand, knees bend and the weight is.

Each takes the moments of a clip and random numbers. Angles are radians, the world is `whole_body_ik`'s.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.rotations import rotmat_from_rotvec
from vibe.synthetic.procedural_postures import ARMS, FREE_LEGS, Random, random_leg, upper_body
from vibe.synthetic.smooth_curves import Span, ease, rove, sway, through, turn_through
from vibe.synthetic.whole_body_ik import LegPlan, MeanSkeleton, MotionPlan, X, Y, about

MIDDLE = np.array([0.0, 0.0, -0.065])
"""Of the sole, about the ball of the foot."""
FOOT = 0.19
"""From heel to ball."""
STAND = 0.93
"""Height at which the search for the pelvis's begins."""
Times = Float[ndarray, "time"]


def standing_leg(
    times: Times, ball: Float[ndarray, "*#time 3"], yaw: float = 0.0, knee: Times | float = 0.05,
    heel: Times | float = 0.0, free: Times | float = 0.0, angles: Float[ndarray, "time 3 3 3"] | None = None,
    carries: Times | float = 1.0, knee_out: float = 0.0, tucked: bool = True,
) -> LegPlan:  # fmt: skip
    """A leg plan whose numbers may be constant."""
    frames = len(times)

    def each(value: Times | float) -> Times:
        return np.broadcast_to(np.asarray(value, float), frames)

    angles = np.broadcast_to(np.eye(3), (frames, 3, 3, 3)) if angles is None else angles
    place = np.broadcast_to(ball, (frames, 3))
    return LegPlan(
        place, each(yaw), each(heel), each(knee_out), each(knee), each(free), angles, each(carries), tucked
    )  # fmt: skip


def middle_of(leg: LegPlan) -> Float[ndarray, "time 2"]:
    """x and z of the middle of a planted sole."""
    return (leg.ball + about(Y, leg.yaw) @ MIDDLE)[:, [0, 2]]


def balanced(
    times: Times, random: Random, legs: tuple[LegPlan, LegPlan], left: Times | float, R_world_pelvis: ndarray,
    upper: ndarray, unsteady: float = 0.008,
) -> MotionPlan:  # fmt: skip
    """Whoever stands with this share of the weight on the left foot, the pelvis wherever balance wants it."""
    share = np.broadcast_to(np.asarray(left, float), len(times))[:, None]
    support = share * middle_of(legs[0]) + (1 - share) * middle_of(legs[1]) + sway(times, random, [unsteady] * 2)
    begin = np.stack([support[:, 0], np.full(len(times), STAND), support[:, 1]], -1)
    return MotionPlan(R_world_pelvis, upper, legs, support, begin, np.ones(len(times)))


def pelvis_turned(times: Times, random: Random, pitch: Times | float, yaw: float = 0.0) -> Float[ndarray, "time 3 3"]:
    """A pelvis that leans forward so far, is turned to its left, and wavers."""
    waver = sway(times, random, [0.02, 0.03, 0.02])
    lean = np.broadcast_to(np.asarray(pitch, float), len(times))
    return about(Y, yaw) @ about(X, lean) @ rotmat_from_rotvec(waver)


def bends(times: Times, random: Random, forward: Times | float, aside: float = 0.08, twist: float = 0.1) -> ndarray:
    """The chest against the pelvis."""
    free = rove(times, random, lambda: random.normal(0, (0.05, twist, aside)), (0.8, 2.0), (0.2, 2.0))
    return free + np.stack([np.broadcast_to(np.asarray(forward, float), len(times)), 0 * times, 0 * times], -1)


def squat(times: Times, random: Random, _: MeanSkeleton) -> MotionPlan:
    """Both feet stand; knees bend to 135 degrees and back, with pauses."""
    width, out = random.uniform(0.07, 0.26), random.uniform(-0.05, 0.6)
    deep = random.uniform(0.9, 2.4)

    def draw() -> float:
        return random.uniform(-0.06, 0.1) if random.random() < 0.4 else random.uniform(0.4, 1) ** 0.4 * deep

    depth = rove(times, random, draw, (0.7, 2.0), (0.0, 1.8))
    stagger = random.normal(0, 0.04)
    legs = []
    for sign in (1, -1):
        knee_out, ball = sign * random.uniform(-0.1, 0.15), np.array([sign * width, 0, sign * stagger])
        legs.append(standing_leg(times, ball, sign * out, depth, knee_out=knee_out))
    lean = random.uniform(0.22, 0.42) * depth
    R_pelvis = pelvis_turned(times, random, 0.75 * lean)
    upper = upper_body(times, random, R_pelvis, bends(times, random, 0.25 * lean), reaching=0.15)
    left = 0.5 + sway(times, random, 0.05)
    return balanced(times, random, (legs[0], legs[1]), left, R_pelvis, upper)


def stances(
    times: Times, random: Random, alone: Span, both: Span, quick: Span = (0.6, 1.1)
) -> tuple[Times, Times, Times]:
    """Share of the weight on the left foot, and how far the left and the right leg are free, from stance to stance."""
    side = int(random.integers(2))
    first = [float(side), float(1 - side), float(side)]  # 1: on the left foot, so that the right one is free
    keys: list[tuple[float, float, list[float]]] = []
    time = -random.uniform(0, 1) * random.uniform(*alone)
    while time < times[-1]:
        time += random.uniform(*alone)
        keys.append((time, time + random.uniform(*quick), [float(side), 0.0, 0.0]))
        time = keys[-1][1] + random.uniform(*both)
        side = side if random.random() < 0.3 else 1 - side
        keys.append((time, time + random.uniform(*quick), [float(side), 0.0, 0.0]))
        time = keys[-1][1]
        keys.append((time, time + random.uniform(*quick), [float(side), float(1 - side), float(side)]))
        time = keys[-1][1]
    left, free_left, free_right = through(times, first, keys).T
    return left, free_left, free_right


def on_one_leg(
    times: Times, random: Random, knee: Times, alone: Span, both: Span, among: tuple[str, ...],
    quick: Span = (0.6, 1.1), unsteady: float = 0.008, arms: tuple[str, ...] = tuple(ARMS),
) -> MotionPlan:  # fmt: skip
    """Stands on one leg and the other, knees bent at least so far; the free leg moves among these postures."""
    width, out = random.uniform(0.06, 0.13), random.uniform(-0.05, 0.35)
    left, *free = stances(times, random, alone, both, quick)
    legs = []
    for side, sign in enumerate((1, -1)):
        angles = turn_through(times, random, lambda side=side: random_leg(random, side, among))
        ball = np.array([sign * width, 0, random.normal(0, 0.03)])
        legs.append(standing_leg(times, ball, sign * out, knee, 0, free[side], angles, 1 - free[side]))
    lean = random.uniform(0.1, 0.4) * knee + random.normal(0.04, 0.06)
    part = random.uniform(0.3, 0.9)
    R_pelvis = pelvis_turned(times, random, part * lean)
    R_pelvis = R_pelvis @ about(np.eye(3)[2], (2 * left - 1) * random.normal(0.03, 0.07))
    bend = bends(times, random, (1 - part) * lean, aside=0.15)
    upper = upper_body(times, random, R_pelvis, bend, arms, reaching=0.3, alike=0.5)
    return balanced(times, random, (legs[0], legs[1]), left, R_pelvis, upper, unsteady)


def one_leg(times: Times, random: Random, _: MeanSkeleton) -> MotionPlan:
    """Stands on one leg, knee nearly straight or somewhat bent, for long."""
    base = random.choice([random.uniform(-0.06, 0.1), random.uniform(0.1, 0.6)])
    knee = (base + sway(times, random, 0.04 + 0.1 * base)).clip(-0.06)
    return on_one_leg(times, random, knee, (2.0, 6.0), (0.0, 1.0), tuple(FREE_LEGS))


def one_leg_squat(times: Times, random: Random, _: MeanSkeleton) -> MotionPlan:
    """Bends the knee that stands on one leg to 100 degrees and back, with pauses."""
    deep = random.uniform(0.5, 1.75)

    def draw() -> float:
        return random.uniform(-0.06, 0.15) if random.random() < 0.33 else random.uniform(0.3, 1) * deep

    knee = rove(times, random, draw, (0.7, 1.8), (0.0, 2.0)) + sway(times, random, 0.02)
    return on_one_leg(times, random, knee.clip(-0.06), (3.0, 8.0), (0.0, 0.8), tuple(FREE_LEGS))


def unsteady_stand(times: Times, random: Random, _: MeanSkeleton) -> MotionPlan:
    """As on a balance board: knees bent, the weight never at rest, arms out."""
    knee = (random.uniform(0.25, 1.0) + sway(times, random, random.uniform(0.05, 0.2), (0.2, 1.0))).clip(0)
    arms = ("sideways", "low forward", "hang", "wide overhead", "forward")
    if random.random() < 0.5:
        return on_one_leg(times, random, knee, (3.0, 8.0), (0.3, 1.0), ("hang", "stork", "bent back", "sideways"),
                          unsteady=0.016, arms=arms)  # fmt: skip
    plan = squat(times, random, _)
    bend = bends(times, random, 0.3 * knee, aside=0.15)
    upper = upper_body(times, random, plan.R_world_pelvis, bend, arms, 0.1, alike=0.3)
    legs = (replace(plan.legs[0], knee=knee), replace(plan.legs[1], knee=knee))
    left = (0.5 + sway(times, random, 0.16, (0.2, 0.9))).clip(0.1, 0.9)
    R_pelvis = pelvis_turned(times, random, 0.2 * knee)
    return balanced(times, random, legs, left, R_pelvis, upper, 0.016)


def knee_raises(times: Times, random: Random, _: MeanSkeleton) -> MotionPlan:
    """One knee after the other up to the hip or higher."""
    knee = (random.uniform(-0.06, 0.2) + sway(times, random, 0.03)).clip(-0.06)
    arms = ("hang", "hips", "forward", "before chest", "overhead", "sideways")
    return on_one_leg(times, random, knee, (0.1, 0.8), (0.0, 0.3), ("stork", "high"), (0.45, 0.7), arms=arms)


def split_stance(times: Times, random: Random, _: MeanSkeleton) -> MotionPlan:
    """One foot before the other, the rear heel up; both knees bend and stretch."""
    half, width = random.uniform(0.12, 0.42), random.uniform(0.03, 0.14)
    front = random.choice([1, -1])
    deep = random.uniform(0.4, 1.7)
    depth = rove(times, random, lambda: random.uniform(0.1, 1) * deep, (0.8, 1.8), (0.0, 1.8))
    raised = (random.uniform(0.2, 0.5) + 0.35 * depth + half * 0.4).clip(0, 1.15)
    legs = []
    for sign in (1, -1):
        leads = sign == front
        ball, out = np.array([sign * width, 0, half if leads else -half]), random.uniform(0, 0.35 if leads else 0.1)
        knee = depth * (1 if leads else random.uniform(0.6, 1.0)) + 0.05
        legs.append(standing_leg(times, ball, sign * out, knee, 0.0 if leads else raised))
    lean = random.normal(0.06, 0.08) + random.uniform(-0.02, 0.2) * depth
    R_pelvis = pelvis_turned(times, random, 0.6 * lean, random.normal(0, 0.15))
    upper = upper_body(times, random, R_pelvis, bends(times, random, 0.4 * lean))
    ahead = (random.uniform(0.4, 0.75) + sway(times, random, 0.05)).clip(0.1, 0.9)
    return balanced(times, random, (legs[0], legs[1]), ahead if front == 1 else 1 - ahead, R_pelvis, upper)


def lunges(times: Times, random: Random, _: MeanSkeleton) -> MotionPlan:
    """Steps out with one foot, bends the knees, and steps back; ahead, aside or behind."""
    width = random.uniform(0.08, 0.12)
    homes = [np.array([width, 0, 0]), np.array([-width, 0, 0])]
    way = random.choice(["ahead", "aside", "behind"])
    angle = {"ahead": 0.0, "aside": 1.4, "behind": np.pi}[way] + random.normal(0, 0.12)
    long, deep = random.uniform(0.3, 0.55), random.uniform(0.5, 1.5)
    channels: dict[str, list[tuple[float, float, object]]] = {
        name: [] for name in ("left", "knee", "0", "1", "h0", "h1")
    }
    time = -random.uniform(0, 2.0)
    while time < times[-1]:
        side = int(random.integers(2))
        sign = 1 - 2 * side
        stands, goes, step, dip = 1.0 - side, float(side), random.uniform(0.6, 0.9), random.uniform(0.7, 1.2)
        out = homes[side] + long * np.array([sign * abs(np.sin(angle)), 0, np.cos(angle)])
        moments = np.cumsum(
            [time + random.uniform(0.1, 0.8), 0.7, step, 0.25 * dip, dip, random.uniform(0, 1), dip, step, 0.5]
        )
        share = {"ahead": 0.6, "aside": 0.7, "behind": 0.4}[way]
        channels["left"] += [
            (moments[0], moments[1], goes),
            (moments[1] + 0.1 * step, moments[3], goes + share * (stands - goes)),
            (moments[5], moments[7] - 0.1 * step, goes),
            (moments[7], moments[8], 0.5),
        ]
        channels["knee"] += [(moments[2] - 0.3, moments[4], deep), (moments[5], moments[6] + 0.3 * step, -0.02)]
        channels[str(side)] += [(moments[1], moments[2], out), (moments[6], moments[7], homes[side])]
        heel = 0.9 if (way == "ahead") else 0.0
        channels[f"h{1 - side}"] += [(moments[2] - 0.2, moments[4], heel), (moments[5], moments[6], 0.0)]
        own = 0.9 if way == "behind" else 0.0
        channels[f"h{side}"] += [(moments[1], moments[2], own), (moments[6], moments[7], 0.0)]
        time = moments[-1]
    knee = through(times, -0.02, channels["knee"])
    legs = []
    for side in range(2):
        ball = through(times, homes[side], channels[str(side)])
        lift, carries = np.zeros(len(times)), np.ones(len(times))
        for start, stop, _to in channels[str(side)]:
            lift = lift + 0.1 * (ease(times, start, (start + stop) / 2) - ease(times, (start + stop) / 2, stop))
            carries = carries - ease(times, start, start + 0.15) + ease(times, stop - 0.15, stop)
        heel, out = through(times, 0.0, channels[f"h{side}"]), (1 - 2 * side) * random.uniform(0, 0.3)
        ball = ball + lift[:, None] * Y
        legs.append(standing_leg(times, ball, out, knee, heel, carries=carries.clip(0, 1)))
    lean = random.normal(0.05, 0.06) + random.uniform(0, 0.3) * knee
    R_pelvis = pelvis_turned(times, random, 0.6 * lean)
    arms = ("hang", "hips", "forward", "before chest", "overhead", "sideways", "folded")
    upper = upper_body(times, random, R_pelvis, bends(times, random, 0.4 * lean), arms, 0.1)
    return balanced(times, random, (legs[0], legs[1]), through(times, 0.5, channels["left"]), R_pelvis, upper)


def reaches(times: Times, random: Random, _: MeanSkeleton) -> MotionPlan:
    """Stands on both feet, bends and turns the trunk all ways, reaches up, down and about; sometimes on tiptoe."""
    width, out = random.uniform(0.07, 0.2), random.uniform(0, 0.35)
    knee = rove(times, random, lambda: random.choice([-0.05, random.uniform(-0.05, 0.6)]), (0.8, 2.0), (0.5, 2.5))
    tiptoe = rove(times, random, lambda: max(0.0, random.normal(0, 0.3)), (0.6, 1.2), (0.5, 2.0)).clip(0, 0.6)
    far = random.uniform(0, 1.5)
    forward = rove(
        times,
        random,
        lambda: random.choice([random.normal(0, 0.12), far * random.uniform(0.3, 1)]),
        (0.8, 2.0),
        (0.2, 2.0),
    )
    legs = tuple(standing_leg(times, np.array([sign * width, 0, 0]), sign * out, knee, tiptoe) for sign in (1, -1))
    R_pelvis = pelvis_turned(times, random, 0.55 * forward, random.normal(0, 0.1))
    bend = bends(times, random, 0.45 * forward, aside=0.3, twist=0.35).clip(-0.75, 0.75)
    arms = (
        "overhead",
        "wide overhead",
        "clasped overhead",
        "hips",
        "folded",
        "behind head",
        "hang",
        "sideways",
        "forward",
    )
    upper = upper_body(times, random, R_pelvis, bend, arms, reaching=0.4)
    plan = balanced(times, random, (legs[0], legs[1]), 0.5 + sway(times, random, 0.08), R_pelvis, upper)
    ahead = 0.05 * ease(tiptoe, 0.0, 0.3)
    return replace(plan, support=plan.support + np.stack([0 * ahead, ahead], -1))


def steps(times: Times, random: Random, _: MeanSkeleton) -> MotionPlan:
    """Walks on the spot as on a treadmill, or ahead; knees hardly bent, or as in a creep."""
    rate, width = random.uniform(0.55, 0.95), random.uniform(0.04, 0.12)
    stride = random.uniform(0.15, 0.6) * min(1.0, 0.7 / rate)
    crouch = random.uniform(-0.04, 0.1) if random.random() < 0.5 else random.uniform(0, 0.9)
    rise, strike = random.uniform(0.3, 0.7), random.uniform(0, 0.25)
    stance = random.uniform(0.58, 0.66)
    travel = stride / stance * rate * times * random.integers(2)
    legs = []
    for sign in (1, -1):
        phase = (rate * times + (0.5 if sign < 0 else 0.0)) % 1
        z, lift = stepping(phase, stance, stride)
        heel = through(phase, -strike, [(0.0, 0.14, 0.0), (0.38, stance + 0.04, rise), (stance + 0.06, 0.97, -strike)])
        on_heel = FOOT * np.sin((np.sqrt(heel**2 + 1e-4) - heel) / 2)
        ball = np.stack([np.full(len(times), sign * width), random.uniform(0.05, 0.1) * lift + on_heel, z + travel], -1)
        carries = ease(phase, 0.0, 0.2) - ease(phase, stance - 0.2, stance)
        knee = crouch + 0.25 * (ease(phase, 0.0, 0.12) - ease(phase, 0.12, 0.4))
        legs.append(standing_leg(times, ball, sign * random.uniform(0, 0.2), knee, heel, carries=carries))
    swing = np.sin(2 * np.pi * rate * times + 0.6)
    R_pelvis = pelvis_turned(times, random, random.normal(0.05, 0.06) + 0.2 * crouch) @ about(Y, 0.08 * swing)
    bend = bends(times, random, random.normal(0.03, 0.05) + 0.1 * crouch, 0.03, 0.05)
    arms = ("hang",) * 5 + ("hips", "before chest", "folded", "low forward", "overhead")
    swings = random.uniform(0, 0.5) * np.stack([swing, -swing], -1)
    upper = upper_body(times, random, R_pelvis, bend, arms, 0.05, swings)
    plan = balanced(times, random, (legs[0], legs[1]), 0.5, R_pelvis, upper)
    aside = 0.5 * width * np.sin(2 * np.pi * rate * times)
    return replace(plan, support=np.stack([aside, travel - 0.04 + 0.03 * random.normal() + 0 * aside], -1))


def stepping(phase: Times, stance: float, stride: float) -> tuple[Times, Times]:
    """How far a foot is before the body, and its lift over the highest, on a belt that moves at constant speed."""
    back = stride * (0.5 - phase / stance)
    share = ((phase - stance) / (1 - stance)).clip(0, 1)
    speed = -stride / stance * (1 - stance)
    # The belt's speed at both ends, and what is left of the way with the least jerk.
    swing = -0.5 * stride + speed * share + (stride - speed) * share**3 * (10 - 15 * share + 6 * share**2)
    return np.where(phase < stance, back, swing), 64 * (share * (1 - share)) ** 3
