"""BVH: a skeleton of the person's own measures at rest, and Euler angles in degrees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe import assets
from vibe.body.record import Body
from vibe.export.armature import Armature, build_armature
from vibe.export.rigs import RIGS
from vibe.export.tables import number_rows
from vibe.motion.scene import Character, Scene
from vibe.rotations import steady_angles

UNITS = {"cm": 100.0, "m": 1.0}
"""How many of each are a metre."""
ORDER = "ZXY"
"""The matrix of a joint is Rz Rx Ry: the last is applied first."""
CHANNELS = " ".join(f"{axis}rotation" for axis in ORDER)
SHORTEST = 0.01
"""Metres of a last bone that carries no skin."""


def write_bvh(path: Path, scene: Scene, character: Character, body: Body, unit: str = "cm", rig: str = "smpl") -> None:
    """One person's motion, written whole or not at all; raises OSError.

    Joints are those of a rig (`RIGS`), with fingers of who has them, in the order of a walk down the tree, the channels
    of the root, and of what a root bone carries, Xposition Yposition Zposition Zrotation Xrotation Yrotation, of the
    others the last three. The rest pose is the rig's, upright in the scene's axes, with the root at the origin; the
    format has no axes of bones.
    """
    scale = UNITS[unit]
    armature = build_armature(RIGS[rig], scene, character, body, body)
    order, parents = _walk(armature.parents), list(armature.parents)
    offsets = (armature.rest - armature.rest[parents]) @ scene.R_scene_rest.T
    offsets[list(armature.travels)] = 0  # they are placed by their positions
    hierarchy = _hierarchy(armature, offsets * scale, _tips(armature) @ scene.R_scene_rest.T * scale)
    numbers = []
    for bone in order:
        if bone in armature.travels:
            # in the parent's axes, which are the scene's at rest
            R_upright = scene.R_scene_rest @ armature.R_body_bone[parents[bone]] if bone else np.eye(3)
            numbers.append(armature.moves(bone) @ R_upright.T * scale)
        numbers.append(steady_angles(armature.turns(bone, scene.R_scene_rest)[:, None], ORDER)[:, 0])
    head = f"MOTION\nFrames: {len(armature.places)}\nFrame Time: {1 / scene.fps:.10f}\n"
    assets.write_whole(path, f"{hierarchy}{head}{''.join(number_rows(np.concatenate(numbers, 1), ' '))}".encode())


def _walk(parents: tuple[int, ...], bone: int = 0) -> list[int]:
    """The bones as a BVH file has them: each followed by all that hang on it."""
    children = [child for child, parent in enumerate(parents) if parent == bone]
    return [bone, *(each for child in children for each in _walk(parents, child))]


def _tips(armature: Armature) -> Float[ndarray, "bone 3"]:
    """From each bone to the end of the skin that it carries, in the body's axes."""
    carrier, tips = armature.weights.argmax(1), np.zeros((len(armature.bones), 3), np.float32)
    for bone, way in enumerate(armature.ways):
        reach = (armature.surface[carrier == bone] - armature.rest[bone]) @ way
        tips[bone] = max([SHORTEST, *reach.tolist()]) * way
    return tips


def _hierarchy(armature: Armature, offsets: Float[ndarray, "bone 3"], tips: Float[ndarray, "bone 3"]) -> str:
    def block(bone: int, indent: str) -> str:
        kind = "ROOT" if bone == 0 else "JOINT"
        place = "6 Xposition Yposition Zposition" if bone in armature.travels else "3"
        children = [child for child, parent in enumerate(armature.parents) if parent == bone]
        inner = "".join(block(child, indent + "\t") for child in children)
        if not inner:
            inner = f"{indent}\tEnd Site\n{indent}\t{{\n{indent}\t\tOFFSET {_triple(tips[bone])}\n{indent}\t}}\n"
        return (
            f"{indent}{kind} {armature.bones[bone]}\n{indent}{{\n{indent}\tOFFSET {_triple(offsets[bone])}\n"
            f"{indent}\tCHANNELS {place} {CHANNELS}\n{inner}{indent}}}\n"
        )

    return "HIERARCHY\n" + block(0, "")


def _triple(numbers: Float[ndarray, "3"]) -> str:
    return " ".join(f"{number:.6f}" for number in numbers)
