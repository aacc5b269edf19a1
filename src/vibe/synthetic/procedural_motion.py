"""Motion by rule, of what free motion capture lacks: squats, one leg, lunges, kneeling, sitting, the floor, reaching.

Every clip is a plan made of seeded random numbers (`procedural_kinds`, `procedural_floor`) whose legs and balance are
solved (`whole_body_ik`) on the mean open body: joints keep their limits, planted feet stay where they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray

from vibe.body.pose import pose_joints
from vibe.data.motion import FPS, Motions, clip_weights, join_motions
from vibe.rotations import continuous
from vibe.synthetic import procedural_floor, procedural_kinds
from vibe.synthetic.procedural_floor import Kind
from vibe.synthetic.smooth_curves import clip_times
from vibe.synthetic.whole_body_ik import MotionPlan, mean_skeleton, solve

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
    "sit": (procedural_floor.sit, 2.0),
    "kneel": (procedural_floor.kneel, 1.0),
    "all fours": (procedural_floor.all_fours, 0.8),
    "sit on floor": (procedural_floor.sit_on_floor, 1.2),
    "lie": (procedural_floor.lie, 0.8),
}
"""What makes a plan, and how much there is of it over the others."""
FASTEST, PLANS = 30.0, 40
"""Acceleration of a joint, m/s^2, with which a plan is drawn anew, and how often."""
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
