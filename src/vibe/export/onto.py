"""A motion on a user's own character: written into a copy of its file as one more animation, all else as it was."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from vibe import assets
from vibe.assets.smpl_files import BETAS
from vibe.body.feet import LEGS, bend_leg, plant_feet
from vibe.body.hands import ARMS
from vibe.body.pose import pose_joints, rest_vertices
from vibe.body.record import Body
from vibe.body.skin_points import lower_around, sole_points, standing_spans
from vibe.export.armature import orthonormal
from vibe.export.character_file import CharacterFile, read_character
from vibe.export.gltf import GltfFile, sampled
from vibe.export.rigs import GROUPS, NEXT, SIDES, find_bones
from vibe.motion.gravity import DIRECTIONS
from vibe.motion.scene import Character, Scene
from vibe.records import SmplParams, Weights
from vibe.rotations import continuous, quaternions_from_rotmat, rotmat_from_rotvec, shortest_turn, unit
from vibe.skeletons import SMPL, SMPL_PARENTS, SMPLH, SMPLH_PARENTS

LIMBS = ("leg", "arm", "finger")
"""Of `GROUPS`: parts whose bones are brought to the directions that ours have at rest; all others, such as feet, which
stand flat, keep how they are turned at rest."""
HIPS, KNEES, ANKLES = zip(*LEGS)
UP = np.array([0.0, 1.0, 0.0], np.float32)
LEAN_DEG, BENT_DEG, HANGING_DEG = 35.0, 35.0, 75.0
"""By how much a character at rest may lean, bend its knees, and let its arms hang below a T-pose."""
SAME = 0.05
"""Metres by which what a sole stands on may differ from the floor and be the floor."""
TOES = [SMPL.index(f"{side}_foot") for side in SIDES]
ROUNDS = 2
"""Of planting feet and laying toes flat, each of which moves the other a little."""
LARGEST = 50.0
"""Metres, of somebody with our legs, that a character may reach from its pelvis."""
MOST_BENT = math.radians(60)
ROLL = 0.07
"""Seconds before and after a stance in which the toes are laid flat."""
SUNK = 0.008
"""Metres of skin below the ground that is left, so that what stands stays."""
TOELESS = 0.7
"""Where the toes' point of a character without toes lies, as a share of the way from the ankle to the tip."""


def write_onto(
    path: Path, scene: Scene, character: Character, body: Body, onto: Path | str, bones: Path | str | None = None
) -> None:
    """One person's motion in a copy of a character's GLB or VRM file, written whole or not at all.

    The character takes our joints' turns in space, with the directions of its limbs at rest brought to ours, and our
    path scaled by its legs; feet that stand are then put where they stand, and none is left below the floor. The file
    gets an animation `person N`; its numbers lie behind those that it has. Raises ValueError for a character that can't
    be moved (`read_character`, `find_bones`), OSError if a file can't be read or written.
    """
    if scene.up != "y":
        raise ValueError("glTF's y points up, always: leave --up out, programs turn it to their own axes")
    assets.keep_inputs((path,), onto, bones)
    file = read_character(Path(onto))
    found, moved, places = fitted(file, scene, character, body, bones)
    paths = _paths(file, found, moved, places)
    head = file.head | {name: list(file.head.get(name, [])) for name in ("accessors", "bufferViews", "animations")}
    out = GltfFile(head | {"nodes": _turnable(file, {node for node, _, _ in paths})}, file.content)
    made = sampled(out, scene.fps, 0, paths)
    out.add("animations", {"name": f"person {character.number}", "extras": scene.about(body)} | made)
    assets.write_whole(path, out.content())


def fitted(
    file: CharacterFile, scene: Scene, character: Character, body: Body, bones: Path | str | None
) -> tuple[dict[str, int], dict[str, Float[ndarray, "time 3 3"]], Float[ndarray, "time 3"]]:
    """The character's bones by joint, how each is turned in the scene, and the places of the pelvis's; raises
    ValueError."""
    found = find_bones(file, None if bones is None else Path(bones))
    fingered, made_with = character.with_fingers(body)
    rest = _aligned(file, found, fingered)
    smpl, places = _planted(rest, scene, character, body)
    rotmat = np.concatenate([smpl.rotmat[:, :ARMS], fingered.smpl.rotmat[:, ARMS:]], 1)
    R_scene_joint, _ = pose_joints(made_with, rotmat, character.smpl.betas)
    moved = {joint: R_scene_joint[:, fingered.names.index(joint)] @ R for joint, R in rest.R_rest.items()}
    return found, moved, places


@dataclass(frozen=True)
class _Rest:
    """A character in our T-pose, in the body's axes (y up, looking along z)."""

    R_rest: dict[str, Float[ndarray, "3 3"]]
    """By joint, the bone's axes."""
    body: Body
    """SMPL's joints with the character's measures and the skin of its feet, in a size in which its legs are ours."""
    scale: float
    """The character's size over that."""


def _aligned(file: CharacterFile, found: dict[str, int], character: Character) -> _Rest:
    """Raises ValueError where the character does not rest in about a T- or A-pose, or has no feet."""
    left = file.matrices[found["left_hip"], :3, 3] - file.matrices[found["right_hip"], :3, 3]
    left = unit(left - (left @ UP) * UP)
    R_body_file = np.stack([left, UP, np.cross(left, UP)])
    places = {joint: R_body_file @ file.matrices[node, :3, 3] for joint, node in found.items()}
    _check_pose(file, places)
    turns: dict[str, ndarray] = {}
    at: dict[str, ndarray] = {}
    R_rest = {}
    for joint, node in found.items():
        above, following = _above(joint, found), NEXT.get(joint)
        limb = GROUPS.get(joint.partition("_")[2]) in LIMBS and not joint.endswith("ankle")
        turns[joint] = turns[above] if limb and above else np.eye(3)
        if limb and following in found and following in character.names:
            ours = character.rest[character.names.index(following)] - character.rest[character.names.index(joint)]
            turns[joint] = shortest_turn(places[following] - places[joint], ours)
        at[joint] = at[above] + turns[above] @ (places[joint] - places[above]) if above else places[joint]
        axes = file.matrices[node, :3, :3]
        if joint in character.names:
            R_rest[joint] = turns[joint] @ R_body_file @ (axes / np.linalg.norm(axes, axis=0))
    skin, carrier = _feet(file, found, R_body_file, {joint: at[joint] - places[joint] for joint in at})
    for side in SIDES:
        if f"{side}_foot" not in at:
            ankle, tip = at[f"{side}_ankle"], skin[carrier == SMPL.index(f"{side}_ankle"), 2].max()
            at[f"{side}_foot"] = np.array([ankle[0], skin[:, 1].min(), ankle[2] + TOELESS * (tip - ankle[2])])
    joints = np.stack([at[joint] if joint in at else at[_above(joint, at) or "pelvis"] for joint in SMPL])
    scale = _leg(joints) / _leg(character.rest)
    if not np.abs(joints - joints[0]).max() + np.abs(skin - joints[0]).max() < LARGEST * scale:
        raise ValueError(f"{file.path} has bones or skin of the feet far from its legs: export the character again")
    return _Rest(R_rest, _body(joints / scale, skin / scale, carrier), scale)


def _above(joint: str, found: Collection[str]) -> str | None:
    """The nearest joint above that the character has."""
    above = SMPLH_PARENTS[SMPLH.index(joint)] if joint in SMPLH else SMPL_PARENTS[SMPL.index(joint)]
    while above >= 0 and SMPLH[above] not in found:
        above = SMPLH_PARENTS[above]
    return SMPLH[above] if above >= 0 else None


def _leg(joints: Float[ndarray, "joint 3"]) -> float:
    """Mean length of both legs, from the hip by the knee to the ankle."""
    ways = [joints[list(KNEES)] - joints[list(HIPS)], joints[list(ANKLES)] - joints[list(KNEES)]]
    return float(np.linalg.norm(ways, axis=-1).sum() / 2)


def _check_pose(file: CharacterFile, places: dict[str, Float[ndarray, "3"]]) -> None:
    def degrees(one: ndarray, two: ndarray) -> float:
        return float(np.degrees(np.arccos(np.clip(unit(one) @ unit(two), -1, 1))))

    leaning = degrees(places["head"] - places["pelvis"], UP)
    said = f"leans by {leaning:.0f} degrees" if leaning > LEAN_DEG else ""
    for side in SIDES:
        hip, knee, ankle, shoulder, elbow = (
            places[f"{side}_{joint}"] for joint in ("hip", "knee", "ankle", "shoulder", "elbow")
        )
        bent, hanging = degrees(knee - hip, ankle - knee), degrees(elbow - shoulder, UP) - 90
        said = said or (f"has its {side} knee bent by {bent:.0f} degrees" if bent > BENT_DEG else "")
        said = said or (f"has its {side} arm {hanging:.0f} degrees down" if abs(hanging) > HANGING_DEG else "")
    if said:
        raise ValueError(f"{file.path} {said} at rest: export the character in a T- or A-pose, with its rest position")


def _feet(
    file: CharacterFile,
    found: dict[str, int],
    R_body_file: Float[ndarray, "3 3"],
    moves: dict[str, Float[ndarray, "3"]],
) -> tuple[Float[ndarray, "vertex 3"], Int[ndarray, "vertex"]]:
    """The skin of the feet in our T-pose, and the joints that carry it; raises ValueError where a foot has none."""
    joint_of = {node: joint for joint, node in found.items()}
    carriers: dict[int, int] = {}
    for bone in set(file.carrier.tolist()):
        node = bone
        while node >= 0 and node not in joint_of:
            node = file.parents[node]
        if node >= 0 and joint_of[node].endswith(("ankle", "foot")):
            carriers[bone] = SMPL.index(joint_of[node])
    parts = [np.zeros((0, 3))]
    joints = [np.zeros(0, int)]
    for bone, joint in carriers.items():
        skin = file.skin[file.carrier == bone] @ R_body_file.T + moves[SMPL[joint]]
        parts.append(skin)
        joints.append(np.full(len(skin), joint))
    carrier = np.concatenate(joints)
    for side in SIDES:
        if not (carrier == SMPL.index(f"{side}_ankle")).any():
            raise ValueError(f"{file.path} has no skin on its {side} foot: skin the mesh to the feet's bones")
    return np.concatenate(parts), carrier


def _body(joints: Float[ndarray, "24 3"], skin: Float[ndarray, "vertex 3"], carrier: Int[ndarray, "vertex"]) -> Body:
    """Joints and skin as a body of one shape."""
    return Body(
        v_template=skin.astype(np.float32),
        shapedirs=np.zeros((len(skin), 3, BETAS), np.float32),
        posedirs=None,
        J_template=joints.astype(np.float32),
        J_shapedirs=np.zeros((len(SMPL), 3, BETAS), np.float32),
        weights=np.eye(len(SMPL), dtype=np.float32)[carrier],
        faces=np.zeros((0, 3), np.int64),
        parents=SMPL_PARENTS,
        marks={},
        regressors={},
        origin=Weights("character", "", ""),
    )


def _planted(
    rest: _Rest, scene: Scene, character: Character, body: Body
) -> tuple[SmplParams, Float[ndarray, "time 3"]]:
    """The turns of the character's joints with its feet where they stand, and the places of its pelvis in the scene."""
    theirs, soles = rest.body, sole_points(body, character.smpl, character.joints)[0]
    held = character.contacts is not None and scene.t_scene_cam is not None  # who is held in place slides
    contacts = character.contacts if held and character.contacts is not None else np.zeros(soles.shape[:2], np.float32)
    times = np.arange(len(soles)) / scene.fps
    ground, floor = _ground(soles[..., 1], contacts, times)
    own_soles = float(rest_vertices(body, character.smpl.betas)[:, 1].min())
    hips, own_hips = theirs.J_template[list(HIPS)].mean(0), character.rest[list(HIPS)].mean(0)
    higher = (hips[1] - theirs.v_template[:, 1].min()) - (own_hips[1] - own_soles)
    carried = character.smpl.rotmat[:, 0] @ (theirs.J_template[0] - hips)
    pelvis = character.joints[:, list(HIPS)].mean(1) + higher * UP + carried
    still = np.zeros(BETAS, np.float32)
    smpl = SmplParams(character.smpl.rotmat, still, pelvis.astype(np.float32))
    near = np.stack([_nearness(contact > 0.5, times) for contact in contacts.T], 1)
    smpl = _levelled(theirs, smpl, near)
    smpl = _bent_toes(smpl, _dips(theirs, smpl, near))
    for _ in range(ROUNDS):
        smpl = plant_feet(theirs, smpl, _joints(theirs, smpl)[1], contacts, UP, ground, times, np.arange(len(times)))
        smpl = _rolled(theirs, smpl, _dips(theirs, smpl, near))
    smpl = _lifted(theirs, _raised_toes(theirs, smpl, ground), ground)
    return smpl, smpl.pelvis * rest.scale + (1 - rest.scale) * floor * UP


def _joints(body: Body, smpl: SmplParams) -> tuple[Float[ndarray, "time 24 3 3"], Float[ndarray, "time 24 3"]]:
    """How the joints are turned in the scene, and where they are."""
    R_scene, joints = pose_joints(body, smpl.rotmat, smpl.betas)
    return R_scene, joints - joints[:, :1] + smpl.pelvis[:, None]


def _nearness(stands: Bool[ndarray, "time"], times: Float[ndarray, "time"]) -> Float[ndarray, "time"]:
    """1 in a stance, less the farther from one in time."""
    near = np.zeros(len(times))
    for span in standing_spans(stands, times):
        away = np.maximum(times[span.start] - times, times - times[span.stop - 1]).clip(0)
        near = np.maximum(near, (1 - away / ROLL).clip(0))
    return near


def _levelled(body: Body, smpl: SmplParams, near: Float[ndarray, "time 4"]) -> SmplParams:
    """The same with feet that do not tilt sideways where they stand."""
    R_scene, _ = _joints(body, smpl)
    rotmat = smpl.rotmat.copy()
    for side, ankle in enumerate(ANKLES):
        tilt = np.arctan2(R_scene[:, ankle, 1, 0], R_scene[:, ankle, 1, 1]).clip(-MOST_BENT, MOST_BENT)
        turn = np.zeros((len(tilt), 3), np.float32)
        turn[:, 2] = -near[:, 2 * side : 2 * side + 2].max(1) * tilt
        rotmat[:, ankle] = rotmat[:, ankle] @ rotmat_from_rotvec(turn)
    return SmplParams(rotmat, smpl.betas, smpl.pelvis)


def _dips(body: Body, smpl: SmplParams, near: Float[ndarray, "time 4"]) -> Float[ndarray, "time 2"]:
    """How far the toes of each foot point down where they stand, which they do flat."""
    R_scene, _ = _joints(body, smpl)
    return near[:, 1::2] * np.arcsin((-R_scene[:, TOES, 1, 2]).clip(-1, 1)).clip(-MOST_BENT, MOST_BENT)


def _rolled(body: Body, smpl: SmplParams, angles: Float[ndarray, "time 2"]) -> SmplParams:
    """The same with toes bent up by these angles and the rest of the foot lowered so that what stands stays."""
    R_scene, joints = _joints(body, smpl)
    bent = _bent_toes(smpl, angles)
    rotmat, soles = bent.rotmat, [sole_points(body, each, joints)[0][:, 1::2] for each in (smpl, bent)]
    straight = np.broadcast_to(np.eye(3, dtype=np.float32), (len(joints), 3, 3))
    for side, leg in enumerate(LEGS):
        bend_leg(rotmat, R_scene, joints, leg, straight, joints[:, leg[2]] + (soles[0] - soles[1])[:, side])
    return bent


def _raised_toes(body: Body, smpl: SmplParams, ground: Float[ndarray, "time 4"]) -> SmplParams:
    """The same with toes bent as far up as brings their skin out of the ground."""
    R_scene, joints = _joints(body, smpl)
    carrier, bends = body.weights.argmax(1), np.zeros((len(joints), len(TOES)))
    for side, joint in enumerate(TOES):
        skin = body.v_template[carrier == joint] - body.J_template[joint]
        skin = skin[skin[:, 2] > skin[:, 2].max(initial=0) / 2]
        if not len(skin):
            continue
        x, y, z = skin[np.unique((skin @ DIRECTIONS.T).argmax(0))].T
        along_x, along_y, along_z = R_scene[:, joint, 1, :, None].swapaxes(0, 1)
        # bent up by an angle a point is across * cos + along * sin above where the toes begin
        across, along = along_y * y + along_z * z, along_y * z - along_z * y
        missing = ground[:, 2 * side + 1, None] - SUNK / 2 - joints[:, joint, 1:2] - along_x * x
        angle = np.arcsin((missing / np.hypot(across, along)).clip(-1, 1)) - np.arctan2(across, along)
        bends[:, side] = np.where(missing > across, angle, 0).max(1).clip(0, MOST_BENT)
    return _bent_toes(smpl, bends)


def _lifted(body: Body, smpl: SmplParams, ground: Float[ndarray, "time 4"]) -> SmplParams:
    """The same with feet lifted so far that their skin is hardly below the ground."""
    R_scene, joints = _joints(body, smpl)
    rotmat, carrier = smpl.rotmat.copy(), body.weights.argmax(1)
    straight = np.broadcast_to(np.eye(3, dtype=np.float32), (len(joints), 3, 3))
    for side, leg in enumerate(LEGS):
        lowest = np.full(len(joints), np.inf)
        for joint in (leg[2], TOES[side]):
            skin = body.v_template[carrier == joint] - body.J_template[joint]
            if len(skin):
                skin = skin[np.unique((skin @ DIRECTIONS.T).argmax(0))]
                lowest = np.minimum(lowest, (R_scene[:, joint, 1] @ skin.T).min(1) + joints[:, joint, 1])
        missing = ground[:, 2 * side : 2 * side + 2].min(1) - SUNK - lowest
        bend_leg(rotmat, R_scene, joints, leg, straight, joints[:, leg[2]] + missing.clip(0)[:, None] * UP)
    return SmplParams(rotmat, smpl.betas, smpl.pelvis)


def _bent_toes(smpl: SmplParams, angles: Float[ndarray, "time 2"]) -> SmplParams:
    """The same with both feet's toes bent up by these angles."""
    rotmat, bend = smpl.rotmat.copy(), np.zeros((*angles.shape, 3), np.float32)
    bend[..., 0] = -angles
    rotmat[:, TOES] = rotmat[:, TOES] @ rotmat_from_rotvec(bend)
    return SmplParams(rotmat, smpl.betas, smpl.pelvis)


def _ground(
    heights: Float[ndarray, "time 4"], contacts: Float[ndarray, "time 4"], times: Float[ndarray, "time"]
) -> tuple[Float[ndarray, "time 4"], float]:
    """The height of what is under each sole, between two stances that of the lower, and that of the floor."""
    spans = [(sole, span) for sole in range(4) for span in standing_spans(contacts[:, sole] > 0.5, times)]
    stood = [float(np.average(heights[span, sole], weights=contacts[span, sole])) for sole, span in spans]
    floor = min(stood, default=float(heights.min()))
    floor = 0.0 if abs(floor) < SAME else floor
    ground = np.full(heights.shape, np.nan)
    for (sole, span), height in zip(spans, stood, strict=True):
        ground[span, sole] = floor if abs(height - floor) < SAME else height
    for sole in range(4):
        known = np.isfinite(ground[:, sole])
        ground[:, sole] = lower_around(ground[:, sole], known) if known.any() else floor
    return ground, floor


def _paths(
    file: CharacterFile, found: dict[str, int], R_file_bone: dict[str, Float[ndarray, "time 3 3"]],
    places: Float[ndarray, "time 3"],
) -> list[tuple[int, Float[ndarray, "_ _"], str]]:  # fmt: skip
    """The numbers of an animation: the place of the hips and the turns of the bones, in their parents' axes."""
    R_rest = file.matrices[:, :3, :3] / np.linalg.norm(file.matrices[:, :3, :3], axis=1, keepdims=True)
    moved = {found[joint]: R for joint, R in R_file_bone.items()}
    hips = found["pelvis"]
    T_parent = file.matrices[file.parents[hips]] if file.parents[hips] >= 0 else np.eye(4)
    local = (places - T_parent[:3, 3]) @ np.linalg.inv(T_parent[:3, :3]).T
    paths: list[tuple[int, ndarray, str]] = [(hips, local.astype(np.float32), "translation")]
    for node, R in moved.items():
        parent = above = file.parents[node]
        while above >= 0 and above not in moved:
            above = file.parents[above]
        R_parent = np.eye(3) if parent < 0 else R_rest[parent]
        if above >= 0:
            R_parent = moved[above] @ (R_rest[above].T @ R_parent)
        turns = quaternions_from_rotmat(orthonormal(np.swapaxes(R_parent, -1, -2) @ R.astype(np.float64)))
        paths.append((node, continuous(turns).astype(np.float32), "rotation"))
    return paths


def _turnable(file: CharacterFile, moved: set[int]) -> list[dict[str, Any]]:
    """The nodes, those that are moved with place, turn and size instead of a matrix, which can't be animated."""
    nodes = list(file.head["nodes"])
    for node in moved:
        if "matrix" in nodes[node]:
            matrix = np.array(nodes[node]["matrix"], np.float64).reshape(4, 4).T
            size = np.linalg.norm(matrix[:3, :3], axis=0)
            turn = quaternions_from_rotmat(matrix[:3, :3] / size)
            kept = {name: what for name, what in nodes[node].items() if name != "matrix"}
            parts = {"translation": matrix[:3, 3].tolist(), "rotation": turn.tolist(), "scale": size.tolist()}
            nodes[node] = kept | parts
    return nodes
