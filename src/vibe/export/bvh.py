"""BVH: a skeleton of the person's own measures in the T-pose, and Euler angles in degrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe import assets
from vibe.body.pose import rest_vertices
from vibe.body.posture import unit
from vibe.body.record import Body
from vibe.export.tables import number_rows
from vibe.motion.scene import Character, Scene, turned_at_rest
from vibe.rotations import steady_angles

UNITS = {"cm": 100.0, "m": 1.0}
"""How many of each are a metre."""
ORDER = "ZXY"
"""The matrix of a joint is Rz Rx Ry: the last is applied first."""
CHANNELS = " ".join(f"{axis}rotation" for axis in ORDER)
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
    angles_deg = steady_angles(turned_at_rest(scene, character)[:, order], ORDER).reshape(len(character.joints), -1)
    numbers = np.concatenate([character.smpl.pelvis * scale, angles_deg], 1)
    head = f"MOTION\nFrames: {len(numbers)}\nFrame Time: {1 / scene.fps:.10f}\n"
    assets.write_whole(path, f"{hierarchy}{head}{''.join(number_rows(numbers, ' '))}".encode())


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
