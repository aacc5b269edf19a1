"""BVH: a skeleton of the person's own measures in the T-pose, and Euler angles in degrees."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe import assets
from vibe.body.pose import rest_vertices
from vibe.body.posture import unit
from vibe.body.record import Body
from vibe.export.tables import number_rows
from vibe.motion.scene import Character, Scene, turned_at_rest

UNITS = {"cm": 100.0, "m": 1.0}
"""How many of each are a metre."""
ORDER = "ZXY"
"""The matrix of a joint is Rz Rx Ry: the last is applied first."""
CHANNELS = " ".join(f"{axis}rotation" for axis in ORDER)
LOCKED = 10
"""Digits to which the sine of X is 1 or -1 where Z and Y turn about one axis: 0.001 degrees from the right angle."""
TIPS = {"head": (0.0, 1.0, 0.0), "left_foot": (0.0, 0.0, 1.0), "right_foot": (0.0, 0.0, 1.0)} | {
    "left_hand": (1.0, 0.0, 0.0), "right_hand": (-1.0, 0.0, 0.0),
}  # fmt: skip
"""Where the last bones but those of fingers point at rest, in the body's own axes."""


def write_bvh(path: Path, scene: Scene, character: Character, body: Body, unit: str = "cm") -> None:
    """One person's motion, written whole or not at all; raises OSError.

    Joints are SMPL's, or SMPL-H's of who has fingers, in the order of a walk down the tree, the channels of the root
    Xposition Yposition Zposition Zrotation Xrotation Yrotation, of the others the last three. The rest pose is the
    T-pose, upright in the scene's axes, with the pelvis at the origin.
    """
    scale = UNITS[unit]
    character, body = character.with_fingers(body)
    order = _walk(character.parents)
    offsets = character.steps @ scene.R_scene_rest.T
    offsets[0] = 0  # the pelvis is placed by its positions
    hierarchy = _hierarchy(character, offsets * scale, _tips(scene, character, body) * scale)
    angles_deg = steady_angles(turned_at_rest(scene, character)[:, order]).reshape(len(character.joints), -1)
    numbers = np.concatenate([character.smpl.pelvis * scale, angles_deg], 1)
    head = f"MOTION\nFrames: {len(numbers)}\nFrame Time: {1 / scene.fps:.10f}\n"
    assets.write_whole(path, f"{hierarchy}{head}{''.join(number_rows(numbers, ' '))}".encode())


def steady_angles(rotmat: Float[ndarray, "time joint 3 3"]) -> Float[ndarray, "time joint 3"]:
    """Z, X and Y in degrees, the rotation being Rz Rx Ry, each as near to the frame before as can be.

    Every rotation has two triples of angles; where X is a right angle it has a whole line of them, as only Z + Y, or
    Z - Y, counts. The nearest is taken, so that programs that interpolate don't spin what lies or somersaults.
    """
    from scipy.spatial.transform import Rotation

    with warnings.catch_warnings():  # of angles that are not the only ones, which the rest takes care of
        warnings.simplefilter("ignore", UserWarning)
        angles = Rotation.from_matrix(rotmat.reshape(-1, 3, 3)).as_euler(ORDER, degrees=True)
    angles = angles.reshape(rotmat.shape[:-1])
    side = np.sin(np.radians(angles[..., 1])).round(LOCKED)
    for frame, joint in np.argwhere(np.abs(side[1:]) == 1) + [1, 0]:
        sign, before = np.array([1.0, side[frame, joint]]), angles[frame - 1, joint, ::2]
        missing = _short(sign @ (angles[frame, joint, ::2] - before))
        angles[frame, joint, ::2] = before + sign * missing / 2
    other = np.stack([angles[..., 0] + 180, 180 - angles[..., 1], angles[..., 2] + 180], -1)
    plain, crossed = (np.abs(_short(way[1:] - angles[:-1])).sum(-1) for way in (angles, other))
    crossings = np.concatenate([np.zeros((1, rotmat.shape[1]), bool), np.logical_xor.accumulate(crossed < plain)])
    return np.unwrap(np.where(crossings[..., None], other, angles), period=360.0, axis=0)


def _short(turn: Any) -> Any:
    """The same turn the short way round, degrees."""
    return turn - 360 * np.round(turn / 360)


def _walk(parents: tuple[int, ...], joint: int = 0) -> list[int]:
    """The joints as a BVH file has them: each followed by all that hang on it."""
    return [joint, *(each for child in _children(parents, joint) for each in _walk(parents, child))]


def _children(parents: tuple[int, ...], joint: int) -> list[int]:
    return [child for child, parent in enumerate(parents) if parent == joint]


def _tips(scene: Scene, character: Character, body: Body) -> Float[ndarray, "joint 3"]:
    """From each joint to the end of the skin that it carries, where its bone is the last."""
    surface, carrier = rest_vertices(body, character.smpl.betas), body.weights.argmax(1)
    tips = np.zeros((len(character.names), 3), np.float32)
    for joint in set(range(len(tips))) - set(character.parents):
        # a finger's last bone goes on as the one before it
        axis = unit(character.steps[joint])
        axis = np.array(TIPS.get(character.names[joint], axis), np.float32)
        reach = ((surface[carrier == joint] - character.rest[joint]) @ axis).tolist()
        tips[joint] = max([0.01, *reach]) * axis
    return tips @ scene.R_scene_rest.T


def _hierarchy(character: Character, offsets: Float[ndarray, "joint 3"], tips: Float[ndarray, "joint 3"]) -> str:
    def block(joint: int, indent: str) -> str:
        kind = "ROOT" if joint == 0 else "JOINT"
        place = "6 Xposition Yposition Zposition" if joint == 0 else "3"
        inner = "".join(block(child, indent + "\t") for child in _children(character.parents, joint))
        if not inner:
            inner = f"{indent}\tEnd Site\n{indent}\t{{\n{indent}\t\tOFFSET {_triple(tips[joint])}\n{indent}\t}}\n"
        return (
            f"{indent}{kind} {character.names[joint]}\n{indent}{{\n{indent}\tOFFSET {_triple(offsets[joint])}\n"
            f"{indent}\tCHANNELS {place} {CHANNELS}\n{inner}{indent}}}\n"
        )

    return "HIERARCHY\n" + block(0, "")


def _triple(numbers: Float[ndarray, "3"]) -> str:
    return " ".join(f"{number:.6f}" for number in numbers)
