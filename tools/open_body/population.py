"""Adults drawn at random from MakeHuman's shape space, standing in SMPL's T-pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from open_body.makehuman import FINGER_JOINTS, Assets
from vibe.skeletons import SMPL, SMPL_PARENTS

STATURE = {"male": 1.765, "female": 1.635}
STATURE_SD = 0.07
ARM_STRETCH = {"shoulder": 1.07, "elbow": 1.05}
"""MakeHuman's span from fingertip to fingertip is 0.98 of the stature; adults' is 1.02 on average."""
STRETCH_SD = 0.03
"""Spread of the length of upper arms, forearms, thighs and shanks beside that of the stature."""
AIMS = {
    "shoulder": ("elbow", (1.0, 0.0, 0.0)),
    "elbow": ("wrist", (1.0, 0.0, 0.0)),
    "hip": ("knee", (0.06, -1.0, 0.0)),
    "knee": ("ankle", (0.0, -1.0, -0.08)),
}
"""Where the bone from a joint to the next points in the T-pose, on the left side."""
ORIGIN = (0.0, -0.03, -0.035)
"""From halfway between pelvis and neck: where SMPL's origin lies."""


@dataclass(frozen=True)
class Person:
    """What is drawn for one person; each in 0 to 1 but `stature` (metres) and `stretch` (ratios)."""

    male: float
    age: float
    """0.5 is 25 years, 1 is 90."""
    muscle: float
    weight: float
    proportions: float
    stature: float
    stretch: dict[str, float]
    """Of the bone that starts at a joint."""


def draw(count: int, seed: int) -> list[Person]:
    """People, half of them men."""
    rng = np.random.default_rng(seed)
    people = []
    for index in range(count):
        male = index % 2
        muscle, weight, proportions = rng.normal(0.5, [0.25, 0.25, 0.15]).clip(0, 1)
        stretch = {part: ARM_STRETCH.get(part, 1.0) * rng.normal(1, STRETCH_SD) for part in AIMS}
        stature = STATURE["male" if male else "female"] + rng.normal(0, STATURE_SD)
        people.append(Person(male, rng.uniform(0.5, 0.95), muscle, weight, proportions, stature, stretch))
    return people


def stand(
    assets: Assets, person: Person
) -> tuple[Float[np.ndarray, "skin 3"], Float[np.ndarray, "24 3"], Float[np.ndarray, "30 3"]]:
    """The person's skin, joints and joints of the fingers in the T-pose; these go with their wrist."""
    points = _mesh(assets, person)
    skin, joints = points[assets.surface], assets.joints @ points
    R_world, posed = _t_pose(joints, person.stretch)
    moved = np.zeros_like(skin)
    for joint in range(24):
        local = skin - joints[joint]
        turned = _stretched(local, joints, joint, person.stretch) @ R_world[joint].T + posed[joint]
        moved += assets.weights[:, joint, None] * turned
    wrists = [SMPL.index(f"{name.split('_')[0]}_wrist") for name in FINGER_JOINTS]
    reach = (assets.fingers @ points - joints[wrists])[:, None] @ R_world[wrists].swapaxes(1, 2)
    fingers = posed[wrists] + reach[:, 0]
    grown = person.stature / np.ptp(moved[:, 1])  # 1.5 %: legs that stand together reach higher
    middle = (posed[SMPL.index("pelvis")] + posed[SMPL.index("neck")]) / 2
    return tuple((points - middle) * grown - ORIGIN for points in (moved, posed, fingers))


def _mesh(assets: Assets, person: Person) -> Float[np.ndarray, "vertex 3"]:
    """The base mesh with the targets that make this person, at their stature.

    The stature is linear in the height slider on either side of its middle.
    """
    middle = _shaped(assets, person, 0.5)
    missing = person.stature - _stature(assets, middle)
    end = _shaped(assets, person, 1.0 if missing > 0 else 0.0)
    share = missing / (_stature(assets, end) - _stature(assets, middle))
    return middle + min(share, 1.0) * (end - middle)


def _stature(assets: Assets, points: Float[np.ndarray, "vertex 3"]) -> float:
    return float(np.ptp(points[assets.surface, 1]))


def _shaped(assets: Assets, person: Person, height: float) -> Float[np.ndarray, "vertex 3"]:
    factors = _factors(person, height)
    amounts = np.array([np.prod([factors[word] for word in name]) for name in assets.names])
    used = amounts.nonzero()[0]
    return assets.base + np.tensordot(amounts[used], assets.targets[used], 1)


def _factors(person: Person, height: float) -> dict[str, float]:
    """How much of each word that a target's name may hold the person has."""
    factors = {"universal": 1.0, "male": float(person.male), "female": 1.0 - person.male}
    factors |= dict.fromkeys(("african", "asian", "caucasian"), 1 / 3)
    factors |= {"old": max(0.0, 2 * person.age - 1), "young": 1 - max(0.0, 2 * person.age - 1)}
    for word, value in (("muscle", person.muscle), ("weight", person.weight), ("height", height)):
        factors |= {"min" + word: max(0.0, 1 - 2 * value), "max" + word: max(0.0, 2 * value - 1)}
        factors["average" + word] = 1 - abs(2 * value - 1)
    factors["idealproportions"] = max(0.0, 2 * person.proportions - 1)
    factors["uncommonproportions"] = max(0.0, 1 - 2 * person.proportions)
    return factors


def _t_pose(joints: Float[np.ndarray, "24 3"], stretch: dict[str, float]):
    """Turns of the limbs that bring them to the T-pose, and where the joints come to lie."""
    R_world, posed = np.tile(np.eye(3), (24, 1, 1)), joints.copy()
    for joint, name in enumerate(SMPL):
        parent = SMPL_PARENTS[joint]
        side, _, part = name.rpartition("_")
        if parent >= 0:
            bone = _stretched(joints[joint] - joints[parent], joints, parent, stretch)
            posed[joint] = posed[parent] + R_world[parent] @ bone
        if part in AIMS:
            child, aim = AIMS[part]
            aim = np.array(aim) * ([1, 1, 1] if side == "left" else [-1, 1, 1])
            R_world[joint] = _turn(joints[SMPL.index(f"{side}_{child}")] - joints[joint], aim, R_world[parent])
        elif part in ("wrist", "hand"):
            R_world[joint] = R_world[parent]
    return R_world, posed


def _turn(bone: Float[np.ndarray, "3"], aim: Float[np.ndarray, "3"], R_parent: Float[np.ndarray, "3 3"]):
    """The parent's turn, then the shortest way to the aim; the lower leg and the arm keep no twist of their own."""
    start = R_parent @ bone
    start, aim = start / np.linalg.norm(start), aim / np.linalg.norm(aim)
    axis = np.cross(start, aim)
    angle = np.arctan2(np.linalg.norm(axis), start @ aim)
    return Rotation.from_rotvec(axis / max(np.linalg.norm(axis), 1e-12) * angle).as_matrix() @ R_parent


def _stretched(local: Float[np.ndarray, "*n 3"], joints: Float[np.ndarray, "24 3"], joint: int, stretch: dict):
    """Points relative to a joint, stretched along the bone that starts there."""
    side, _, part = SMPL[joint].rpartition("_")
    if part not in AIMS:
        return local
    bone = joints[SMPL.index(f"{side}_{AIMS[part][0]}")] - joints[joint]
    bone = bone / np.linalg.norm(bone)
    return local + (stretch[part] - 1) * (local @ bone)[..., None] * bone
