"""From any skeleton's motion to SMPL's 24 joints, by the directions of its bones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.data.sets.mocap import Capture
from vibe.skeletons import SMPL, SMPL_PARENTS

Axes = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
UPRIGHT: Axes = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
LIMBS = {
    "left_hip": ("left_knee", (0.06, -1.0, 0.0)),
    "right_hip": ("right_knee", (-0.06, -1.0, 0.0)),
    "left_knee": ("left_ankle", (0.0, -1.0, -0.08)),
    "right_knee": ("right_ankle", (0.0, -1.0, -0.08)),
    "left_shoulder": ("left_elbow", (1.0, 0.0, 0.0)),
    "right_shoulder": ("right_elbow", (-1.0, 0.0, 0.0)),
    "left_elbow": ("left_wrist", (1.0, 0.0, 0.0)),
    "right_elbow": ("right_wrist", (-1.0, 0.0, 0.0)),
}
"""Where each limb's bone ends, and its direction in the T-pose of the open body."""


FRONTAL = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
"""Feet follow their shank sideways only: where legs are spread, soles are tilted with them, but fore and aft they are
level."""


@dataclass(frozen=True)
class Rig:
    """What of a skeleton drives SMPL's joints, and how it stands when SMPL stands in its T-pose.

    Left is +x and forward +z then. Raises ValueError for a joint that SMPL does not have.
    """

    drivers: Mapping[str, str]
    """By SMPL's joint, the joint whose turn it takes; a joint without one keeps to its parent."""
    stance: Mapping[str, Axes] = field(default_factory=dict)
    """By SMPL's joint, the turn since the zero pose in that T-pose (rows of the matrix), before the limbs are
    straightened; none where the zero pose is about a T-pose."""

    def __post_init__(self) -> None:
        for name in (*self.drivers, *self.stance):
            SMPL.index(name)


def both_sides(drivers: Mapping[str, str]) -> dict[str, str]:
    """The same for left and right, where `{side}` stands for SMPL's word and `{Side}`, `{S}`, `{s}` for the file's."""
    out = {}
    for side in ("left", "right"):
        words = {"side": side, "Side": side.capitalize(), "S": side[0].upper(), "s": side[0]}
        out |= {joint.format(**words): driver.format(**words) for joint, driver in drivers.items()}
    return out


def to_smpl(capture: Capture, rig: Rig) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "time 3"]]:
    """Local rotations of SMPL's joints, and where the pelvis is.

    A joint's turn is that of its driver since the pose in which the skeleton stands as SMPL does at rest: the rig's
    stance with the trunk upright (hips to neck) and upper arms, forearms, thighs and shanks laid along SMPL's, each by
    the shortest turn. Hands follow, feet only sideways. So limbs point where the skeleton's point, whatever its rest
    pose; lengths stay SMPL's, places the file's. Raises ValueError, with the file, for a skeleton of another kind.
    """
    world: list[Tensor] = []
    try:
        stance = standing(capture, rig)
    except ValueError as error:
        raise ValueError(f"{capture.path}: {error}: the set's files have another") from error
    for joint, parent in enumerate(SMPL_PARENTS):
        driver = rig.drivers.get(SMPL[joint])
        if driver is None:
            world.append(world[parent])
        else:
            world.append(capture.turns[:, capture.find(driver)] @ stance[SMPL[joint]].mT)
    local = [world[0], *(world[SMPL_PARENTS[joint]].mT @ world[joint] for joint in range(1, len(SMPL)))]
    return torch.stack(local, 1), capture.places[:, capture.find(rig.drivers["pelvis"])]


def standing(capture: Capture, rig: Rig) -> dict[str, Float[Tensor, "3 3"]]:
    """By SMPL's joint, its driver's turn since the zero pose when SMPL stands in its T-pose."""
    places = _stance_places(capture, rig)
    hips = (places["left_hip"] + places["right_hip"]) / 2
    straightened = {"": shortest_turn(places["neck"] - hips, torch.tensor(UPRIGHT[1]).double())}
    turns = {}
    for joint, parent in enumerate(SMPL_PARENTS):
        name = SMPL[joint]
        follow = straightened[SMPL[parent] if parent >= 0 else ""]
        stance = _stance(rig, name)
        turns[name] = follow @ stance
        if name in LIMBS and name in places and LIMBS[name][0] in places:
            child, direction = LIMBS[name]
            bone, aim = places[child] - places[name], torch.tensor(direction, dtype=torch.float64)
            shortest = shortest_turn(follow @ bone, aim)
            turns[name] = shortest @ turns[name]
            follow = shortest_turn(bone * FRONTAL, aim * FRONTAL) if "knee" in name else shortest @ follow
        straightened[name] = follow
    return turns


def _stance(rig: Rig, joint: str) -> Float[Tensor, "3 3"]:
    return torch.tensor(rig.stance.get(joint, UPRIGHT), dtype=torch.float64)


def _stance_places(capture: Capture, rig: Rig) -> dict[str, Float[Tensor, "3"]]:
    """By SMPL's joint, where its driver is in the rig's stance."""
    driven = {capture.find(driver): joint for joint, driver in rig.drivers.items()}
    turns, places = [], []
    for joint, parent in enumerate(capture.parents):
        above = turns[parent] if parent >= 0 else _stance(rig, "")
        turns.append(_stance(rig, driven[joint]) if joint in driven else above)
        places.append(above @ capture.offsets[joint] + (places[parent] if parent >= 0 else 0))
    return {name: places[joint] for joint, name in driven.items()}


def shortest_turn(start: Float[Tensor, "3"], end: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """The smallest rotation that takes one direction onto another; raises ValueError for more than a right angle."""
    start, end = start / start.norm().clamp_min(1e-9), end / end.norm()
    axis, cosine = torch.linalg.cross(start, end), float(start @ end)
    if cosine < 0:
        raise ValueError("a bone has no length, or points away from SMPL's in the skeleton's zero pose")
    cross = torch.zeros(3, 3, dtype=axis.dtype)
    cross[[2, 0, 1], [1, 2, 0]] = axis
    cross = cross - cross.mT
    return torch.eye(3, dtype=axis.dtype) + cross + cross @ cross / (1 + cosine)


def about_x(degrees: float) -> Axes:
    """A turn about the axis that points left."""
    turn = roma.rotvec_to_rotmat(torch.tensor([degrees, 0.0, 0.0], dtype=torch.float64).deg2rad())
    first, second, third = (tuple(row) for row in turn.tolist())
    return first, second, third
