"""Points of the skin: under heels and toes, with when these stand, and the virtual markers of gait laboratories.

Each marker is the vertex at which a ray from within a segment leaves the skin, found on the mean body at rest and kept
for every shape, so that markers of all people are at the same anatomical places.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from vibe.body.lbs import vertices
from vibe.body.pose import pose_joints, rest_joints, rest_vertices
from vibe.body.record import Body
from vibe.records import SmplParams
from vibe.rotations import unit
from vibe.skeletons import SMPL

CARRIERS = [SMPL.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("ankle", "foot")]
"""The joints that carry left heel, left toe, right heel and right toe: the order of all contacts."""
SKIN = 0.012
"""Metres above the sole at rest in which skin counts as part of it, and from the heel's back to the heel's point."""
LEAST = 0.1
"""Seconds that a stance lasts at least."""


def rest_soles(body: Body, betas: Float[ndarray, "10"]) -> Float[ndarray, "4 3"]:
    """Heel and toe of each side as seen from the joint that carries it, at rest, metres.

    The heel's point lies under the back of what the ankle carries, the toe's between the ball of the foot and its tip.
    """
    surface, joints = rest_vertices(body, betas), rest_joints(body, betas)
    carrier, points = body.weights.argmax(1), []
    for joint in CARRIERS:
        skin = surface[carrier == joint]
        skin = skin if len(skin) else joints[joint : joint + 1]
        low = skin[:, 1].min()
        z = skin[skin[:, 1] < low + SKIN, 2]
        heel = SMPL[joint].endswith("ankle")
        along = z.min() + SKIN if heel else (joints[joint, 2] + z.max()) / 2
        points.append(np.array([joints[joint, 0], low, along]) - joints[joint])
    return np.stack(points).astype(np.float32)


def sole_points(
    body: Body, smpl: SmplParams, joints: Float[ndarray, "time 24 3"]
) -> tuple[Float[ndarray, "time 4 3"], Float[ndarray, "time 4 3 3"]]:
    """Left heel, left toe, right heel, right toe where the joints are, and the rotations of what carries them.

    In the frame of the joints and of the pelvis's rotation, metres; `body` is of NumPy's arrays.
    """
    R, _ = pose_joints(body, smpl.rotmat, smpl.betas)
    R_carrier = R[:, CARRIERS]
    return joints[:, CARRIERS] + (R_carrier @ rest_soles(body, smpl.betas)[..., None])[..., 0], R_carrier


def standing_spans(standing: Bool[ndarray, "time"], times: Float[ndarray, "time"]) -> list[slice]:
    """Stretches of at least `LEAST` seconds in which a sole stands."""
    from scipy.ndimage import find_objects, label

    numbered: Any = label(standing)
    spans = [found[0] for found in find_objects(numbered[0])]
    return [span for span in spans if times[span.stop - 1] - times[span.start] >= LEAST]


def lower_around(heights: Float[ndarray, "time"], stands: Bool[ndarray, "time"]) -> Float[ndarray, "time"]:
    """In a stance its own height, between two the lower of both, before the first and after the last theirs.

    Raises IndexError where nothing stands.
    """
    stances, rows = np.flatnonzero(stands), np.arange(len(heights))
    before, after = np.searchsorted(stances, rows, "right") - 1, np.searchsorted(stances, rows)
    return np.minimum(heights[stances[before.clip(0)]], heights[stances[after.clip(max=len(stances) - 1)]])


def unbroken(frames: Int[ndarray, "time"]) -> list[Int[ndarray, "_"]]:
    """The rows of each stretch of a track between its gaps, of its indices into the clip."""
    return np.split(np.arange(len(frames)), np.flatnonzero(np.diff(frames) > 1) + 1)


def sole_velocity(
    soles: Float[ndarray, "time 4 3"], times: Float[ndarray, "time"], seconds: float
) -> Float[ndarray, "time 4 3"]:
    """Metres a second between so long before and so long after, or the neighbours, as far as the stretch goes; 0 of a
    single frame."""
    rows = np.arange(len(times))
    before = np.minimum(np.searchsorted(times, times - seconds - 1e-6), (rows - 1).clip(0))
    after = np.maximum(np.searchsorted(times, times + seconds + 1e-6) - 1, (rows + 1).clip(max=len(rows) - 1))
    return (soles[after] - soles[before]) / (times[after] - times[before]).clip(1e-9)[:, None, None]


Triple = tuple[float, float, float]
LIMB_RAYS: dict[str, tuple[str, str, float, Triple, Triple]] = {
    "asis": ("hip", "hip", 0.0, (0.01, 0.085, 0.0), (0.3, 0.0, 1.0)),
    "psis": ("hip", "hip", 0.0, (-0.06, 0.10, 0.0), (0.0, 0.0, -1.0)),
    "thigh": ("hip", "knee", 0.55, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
    "knee_lateral": ("knee", "knee", 0.0, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
    "knee_medial": ("knee", "knee", 0.0, (0.0, 0.0, 0.0), (-1.0, 0.0, 0.0)),
    "shank": ("knee", "ankle", 0.5, (0.0, 0.0, 0.0), (0.8, 0.0, 0.6)),
    "ankle_lateral": ("ankle", "ankle", 0.0, (0.0, 0.0, 0.0), (1.0, 0.0, 0.0)),
    "ankle_medial": ("ankle", "ankle", 0.0, (0.0, 0.0, 0.0), (-1.0, 0.0, 0.0)),
    "heel": ("ankle", "ankle", 0.0, (0.0, -0.035, 0.0), (0.0, 0.0, -1.0)),
    "toe": ("foot", "foot", 0.0, (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "toe_lateral": ("foot", "foot", 0.0, (0.0, 0.0, -0.01), (1.0, 0.0, 0.0)),
    "acromion": ("shoulder", "shoulder", 0.0, (-0.02, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "upper_arm": ("shoulder", "elbow", 0.6, (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "elbow_lateral": ("elbow", "elbow", 0.0, (0.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "elbow_medial": ("elbow", "elbow", 0.0, (0.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    "wrist_radial": ("wrist", "wrist", 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "wrist_ulnar": ("wrist", "wrist", 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "hand_radial": ("hand", "hand", 0.0, (-0.01, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "hand_ulnar": ("hand", "hand", 0.0, (-0.01, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "head_front": ("head", "head", 0.0, (0.0, 0.09, 0.0), (0.5, 0.0, 1.0)),
    "head_back": ("head", "head", 0.0, (0.0, 0.09, 0.0), (0.5, 0.0, -1.0)),
}
"""Of the left side: from a joint, by a share of the way to another and by metres, in a direction; in the body's axes at
rest (x left, y up, z forward; arms to the sides, palms down). Of the right side they are in the mirror."""
MIDDLE_RAYS: dict[str, tuple[str, str, float, Triple, Triple]] = {
    "sacrum": ("pelvis", "pelvis", 0.0, (0.0, 0.03, 0.0), (0.0, 0.0, -1.0)),
    "t10": ("spine3", "spine3", 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "c7": ("neck", "neck", 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "sternum": ("spine3", "spine3", 0.0, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "clavicles": ("neck", "neck", 0.0, (0.0, -0.06, 0.0), (0.0, 0.0, 1.0)),
}
"""Likewise, of the middle."""
REACH = 0.2
"""Metres from the ray's start within which the skin lies."""
MARKERS = [*MIDDLE_RAYS, *(f"{side}_{name}" for side in ("left", "right") for name in LIMB_RAYS)]


def marker_vertices(body: Body) -> Int[ndarray, "marker"]:
    """The vertices of `MARKERS`; `body` is of NumPy's arrays."""
    rest = dict(zip(SMPL, body.J_template))
    found = []
    for name in MARKERS:
        side, _, part = name.partition("_")
        mirror = np.array([-1.0 if side == "right" else 1.0, 1, 1])
        above, below, share, offset, direction = MIDDLE_RAYS.get(name) or LIMB_RAYS[part]
        prefix = "" if name in MIDDLE_RAYS or above == "head" else f"{side}_"
        start, end = rest[prefix + above], rest[prefix + below]
        from_ray = body.v_template - ((1 - share) * start + share * end + mirror * offset)
        along = from_ray @ unit(mirror * direction)
        aside = np.linalg.norm(from_ray - along[:, None] * unit(mirror * direction), axis=1)
        # of what lies about the ray on its way out, the nearest to it
        found.append(int(np.where((along > 0) & (along < REACH), aside, np.inf).argmin()))
    return np.array(found)


def marker_places(body: Body, smpl: SmplParams) -> Float[ndarray, "time marker 3"]:
    """Where `MARKERS` are in the frame that the pelvis's rotation maps to, metres; all is of NumPy's arrays."""
    chosen = marker_vertices(body)
    posedirs = None if body.posedirs is None else body.posedirs[chosen]
    skin = replace(
        body, v_template=body.v_template[chosen], shapedirs=body.shapedirs[chosen], posedirs=posedirs,
        weights=body.weights[chosen],
        regressors={}, hands=None,
    )  # fmt: skip
    origin = smpl.pelvis - rest_joints(body, smpl.betas)[..., 0, :]
    return vertices(skin, smpl.rotmat, smpl.betas) + origin[:, None]
