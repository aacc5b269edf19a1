"""Takes of motion capture: any skeleton's motion, by the directions of its bones, as SMPL's at 30 frames a second."""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vibe import body
from vibe.data.motion import FPS
from vibe.data.recording import Recording
from vibe.errors import damaged
from vibe.records import SmplParams
from vibe.refine.smooth import smooth_positions, smooth_rotations
from vibe.rotations import shortest_turn
from vibe.skeletons import SMPL, SMPL_PARENTS

LARGEST = 1 << 26
"""Bytes of a file; the largest in these sets have some tens of megabytes."""
MOST_JOINTS = 512
MOST_FRAMES = 1_000_000
MOST_TURNS = 1 << 24
"""Frames times joints; the longest takes of these sets have a twentieth."""


@dataclass(frozen=True)
class Bone:
    """A joint as a file of a skeleton has it."""

    name: str
    parent: int
    """Before its children; -1 for the root."""
    offset: Float[Tensor, "3"]
    """From the parent to the joint in the zero pose, metres."""
    channels: tuple[str, ...]
    """What each frame says of it, in this order: rx, ry, rz turn it, tx, ty, tz take the place of its offset."""
    R_world_own: Float[Tensor, "3 3"] = field(default_factory=lambda: torch.eye(3, dtype=torch.float64))
    """The axes that it turns about."""


@dataclass(frozen=True)
class Skeleton:
    """The joints of a file."""

    bones: Sequence[Bone]
    """The root first, parents before children."""
    unit: float
    """Metres for each unit of length."""
    degrees: bool = True
    about_fixed_axes: bool = False
    """Whether all of a bone's rotations are about the axes that it has at first, not those that the last one left."""


@dataclass(frozen=True)
class Capture:
    """What the joints of one skeleton did, y up, metres; it stands in its zero pose where all of its angles are 0."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    """Before their children; -1 for the root."""
    offsets: Float[Tensor, "joint 3"]
    """From the parent to the joint in the zero pose."""
    turns: Float[Tensor, "time joint 3 3"]
    """How each joint has turned in the world since the zero pose (R_world_zero)."""
    places: Float[Tensor, "time joint 3"]
    """Where the joints are."""
    fps: float
    path: Path
    """The file that it was read from."""

    def find(self, name: str) -> int:
        """The index of the joint, or of the only one with a prefix such as `man:` or `Bip01 `; raises ValueError."""
        near = [each for each in self.names if each.endswith((f":{name}", f"_{name}", f" {name}"))]
        if name not in self.names and len(near) != 1:
            raise ValueError(f"the skeleton has no joint {name!r} but {', '.join(self.names[:12])} ...")
        return self.names.index(name if name in self.names else near[0])

    def cut(self, frames: slice) -> Capture:
        """Some of its frames."""
        return replace(self, turns=self.turns[frames], places=self.places[frames])


def pose_bones(path: Path, skeleton: Skeleton, values: Float[ndarray, "time channel"], fps: float) -> Capture:
    """A skeleton's motion from all bones' channels in turn; raises ValueError for NaN, or more than any take has."""
    bones = skeleton.bones
    if len(values) * len(bones) > MOST_TURNS:
        raise ValueError(f"{path} has {len(values)} frames of {len(bones)} joints: it is no capture of a clip")
    if not np.isfinite(values).all():
        frame = int((~np.isfinite(values)).any(1).argmax())
        raise ValueError(f"{path}: frame {frame} holds NaN or infinity: leave the file out, or copy it again")
    turns = torch.empty(len(values), len(bones), 3, 3, dtype=torch.float64)
    places = torch.empty(len(values), len(bones), 3, dtype=torch.float64)
    left = torch.from_numpy(values)
    for joint, bone in enumerate(bones):
        given, left = left.split([len(bone.channels), left.shape[1] - len(bone.channels)], 1)
        angles = [at for at, channel in enumerate(bone.channels) if channel[0] == "r"]
        order = "".join(bone.channels[at][1] for at in angles)
        turn = torch.eye(3, dtype=torch.float64).expand(len(values), 3, 3)
        if angles:
            order = order if skeleton.about_fixed_axes else order.upper()
            turn = roma.euler_to_rotmat(order, given[:, angles], degrees=skeleton.degrees)
        turn = bone.R_world_own @ turn @ bone.R_world_own.mT
        step = bone.offset.repeat(len(values), 1)
        for at, channel in enumerate(bone.channels):
            if channel[0] == "t":
                step[:, "xyz".index(channel[1])] = given[:, at] * skeleton.unit
        if bone.parent < 0:
            turns[:, joint], places[:, joint] = turn, step
        else:
            above = turns[:, bone.parent]
            turns[:, joint] = above @ turn
            places[:, joint] = places[:, bone.parent] + (above @ step[..., None])[..., 0]
    names, parents = tuple(bone.name for bone in bones), tuple(bone.parent for bone in bones)
    return Capture(names, parents, torch.stack([bone.offset for bone in bones]), turns, places, fps, path)


def read_text(path: Path) -> str:
    """The text of a motion capture file; raises OSError, or ValueError for one that is too large to be one."""
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(
            f"{path} has {size >> 20} MB, and {LARGEST >> 20} are read at most: it is no capture of a clip"
        )
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    return content.removeprefix(codecs.BOM_UTF8).decode("latin-1")


MOCAP_RECIPE = {
    "fps": FPS,
    "resampling": "by time: rotations by slerp, places linearly",
    "world": "y up",
    "trans": "pelvis minus the open body's pelvis at rest",
    "hands": "at zero",
}
"""What all recordings made here have in common."""


def mocap_recording(name: str, smpl: SmplParams, fps: float, subject: str, **about: Any) -> Recording:
    """A recording at FPS of a person of one shape in a world whose y points up; `about` are others of its fields.

    At k / FPS seconds from the first frame on, as long as there is a frame after it. Raises ValueError, with the name,
    for a take that is too short or a frame rate that is none.
    """
    frames = len(smpl.rotmat)
    if frames < 2 or not 1 <= fps <= 10_000:
        raise ValueError(f"{name} has {frames} frames at {fps} a second: two at a possible rate are the least")
    times = torch.arange(frames, dtype=torch.float64) / fps
    count = int((frames - 1) / fps * FPS + 1e-6) + 1
    moments, still = torch.arange(count, dtype=torch.float64) / FPS, torch.zeros(len(SMPL))
    rotmat = smooth_rotations(smpl.rotmat, times, moments, still)
    pelvis = smooth_positions(smpl.pelvis, times, moments, still[:3])
    columns = {
        "poses": roma.rotmat_to_rotvec(rotmat).flatten(1).numpy(),
        "betas": smpl.betas.expand(count, 10).numpy(),
        "trans": (pelvis - pelvis_at_rest()).numpy(),
    }
    return Recording(name, np.arange(count), FPS, columns, subject, **about)


@lru_cache
def pelvis_at_rest() -> Float[Tensor, "3"]:
    """Where the open body's pelvis is at rest, which `trans` is counted from."""
    return body.load_body().J_template[0].double()


Axes = Sequence[Sequence[float]]
UPRIGHT: Axes = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
LIMB_DIRECTIONS = {
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
    """What of a skeleton drives SMPL's joints, and how it stands in SMPL's T-pose: left is +x then, forward +z."""

    drivers: Mapping[str, str]
    """By SMPL's joint, the joint whose turn it takes; a joint without one keeps to its parent."""
    stance: Mapping[str, Axes] = field(default_factory=dict)
    """By SMPL's joint, the turn since the zero pose in that T-pose (rows of the matrix), before the limbs are
    straightened; none where the zero pose is about a T-pose."""


TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
LIMBS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")


def drivers(trunk: str, limbs: str) -> dict[str, str]:
    """By SMPL's joint, the names that a skeleton has for TRUNK, `-` where it has none, and for LIMBS.

    In those `{Side}`, `{S}` and `{s}` stand for the words and letters of left and right.
    """
    found = {joint: name for joint, name in zip(TRUNK, trunk.split(), strict=True) if name != "-"}
    for side in ("left", "right"):
        words = {"Side": side.capitalize(), "S": side[0].upper(), "s": side[0]}
        found |= {f"{side}_{joint}": name.format(**words) for joint, name in zip(LIMBS, limbs.split(), strict=True)}
    return found


def to_smpl(capture: Capture, rig: Rig) -> SmplParams:
    """The motion of the open body, in the mean shape.

    A joint's turn is that of its driver since the pose in which the skeleton stands as SMPL does at rest: the rig's
    stance with the trunk upright (hips to neck) and upper arms, forearms, thighs and shanks laid along SMPL's, each by
    the shortest turn. Hands follow, feet only sideways. So limbs point where the skeleton's point, whatever its rest
    pose; lengths stay SMPL's, places the file's. Raises ValueError, with the file, for a skeleton of another kind.
    """
    world: list[Tensor] = []
    with damaged(f"{capture.path}: its skeleton is of another kind", "the set's files have another"):
        stance = standing(capture, rig)
    for joint, parent in enumerate(SMPL_PARENTS):
        driver = rig.drivers.get(SMPL[joint])
        if driver is None:
            world.append(world[parent])
        else:
            world.append(capture.turns[:, capture.find(driver)] @ stance[SMPL[joint]].mT)
    local = [world[0], *(world[SMPL_PARENTS[joint]].mT @ world[joint] for joint in range(1, len(SMPL)))]
    pelvis = capture.places[:, capture.find(rig.drivers["pelvis"])]
    return SmplParams(torch.stack(local, 1), pelvis.new_zeros(10), pelvis)


def standing(capture: Capture, rig: Rig) -> dict[str, Float[Tensor, "3 3"]]:
    """By SMPL's joint, its driver's turn since the zero pose when SMPL stands in its T-pose."""
    stances = {name: torch.tensor(rig.stance.get(name, UPRIGHT), dtype=torch.float64) for name in SMPL}
    places = _stance_places(capture, rig, stances)
    hips = (places["left_hip"] + places["right_hip"]) / 2
    straightened = {"": straightening(places["neck"] - hips, torch.tensor(UPRIGHT[1]).double())}
    turns = {}
    for joint, parent in enumerate(SMPL_PARENTS):
        name = SMPL[joint]
        follow = straightened[SMPL[parent] if parent >= 0 else ""]
        turns[name] = follow @ stances[name]
        if name in LIMB_DIRECTIONS and name in places and LIMB_DIRECTIONS[name][0] in places:
            child, direction = LIMB_DIRECTIONS[name]
            bone, aim = places[child] - places[name], torch.tensor(direction, dtype=torch.float64)
            shortest = straightening(follow @ bone, aim)
            turns[name] = shortest @ turns[name]
            follow = straightening(bone * FRONTAL, aim * FRONTAL) if "knee" in name else shortest @ follow
        straightened[name] = follow
    return turns


def _stance_places(
    capture: Capture, rig: Rig, stances: Mapping[str, Float[Tensor, "3 3"]]
) -> dict[str, Float[Tensor, "3"]]:
    """By SMPL's joint, where its driver is in the rig's stance."""
    driven = {capture.find(driver): joint for joint, driver in rig.drivers.items()}
    turns, places = [], []
    for joint, parent in enumerate(capture.parents):
        above = turns[parent] if parent >= 0 else torch.eye(3, dtype=torch.float64)
        turns.append(stances[driven[joint]] if joint in driven else above)
        places.append(above @ capture.offsets[joint] + (places[parent] if parent >= 0 else 0))
    return {name: places[joint] for joint, name in driven.items()}


def straightening(start: Float[Tensor, "3"], end: Float[Tensor, "3"]) -> Float[Tensor, "3 3"]:
    """The smallest rotation that takes one direction onto another; raises ValueError for more than a right angle."""
    if float(start @ end) < 0:
        raise ValueError("a bone points away from SMPL's in the skeleton's zero pose")
    return torch.from_numpy(shortest_turn(start.numpy(), end.numpy()))
