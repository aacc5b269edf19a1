"""A leg as a model like OpenSim's gait2392 has it, moved by a MOT's columns, stands where the body's leg stands.

The model is written down here: a hip that flexes, adducts and turns, a knee that is a hinge, an ankle that flexes and
inverts, and the lengths between them. Nothing of `vibe.motion.joint_angles` is in it.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import performers
import pytest
import torch
from numpy import ndarray
from readers import mot_columns
from scipy.spatial.transform import Rotation

from vibe.arrays import as_numpy
from vibe.body import Body, load_body
from vibe.body.pose import pose_joints, rest_joints
from vibe.export.tables import write_mot
from vibe.motion.scene import SceneOptions, build_scene
from vibe.skeletons import SMPL

FORWARD, UP, RIGHT = np.eye(3)
"""The axes of the ground, of the pelvis and of all segments of somebody who stands upright."""
R_GROUND_REST = np.array([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
"""From the body's axes at rest (x left, y up, z forward)."""
SIDES = {"r": ("right", 1), "l": ("left", -1)}
LEG = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle", "subtalar_angle")
RANGES_DEG = ((-20, 100), (-30, 20), (-30, 30), (-15, 120), (-30, 25), (-20, 20))
BENT_DEG = 25.0
"""What a knee must be bent by to show how the thigh is turned."""
FRAMES = 40


@pytest.fixture(scope="module")
def body() -> Body:
    return as_numpy(load_body(detail="low"))


@pytest.fixture(scope="module")
def betas(body) -> ndarray:
    return performers.performer(body, torch.arange(2)).smpl.betas


def about(axis: ndarray, degrees: ndarray) -> ndarray:
    return Rotation.from_rotvec(np.radians(degrees)[:, None] * axis).as_matrix()


def leg_segments(R_pelvis: ndarray, leg: dict[str, ndarray], sign: int) -> list[ndarray]:
    """Of thigh, shin and foot, their axes in the ground; a left leg is a right one in a mirror."""
    hip = about(RIGHT, leg["hip_flexion"]) @ about(sign * FORWARD, leg["hip_adduction"])
    thigh = R_pelvis @ hip @ about(sign * UP, leg["hip_rotation"])
    shin = thigh @ about(-RIGHT, leg["knee_angle"])
    foot = shin @ about(RIGHT, leg["ankle_angle"]) @ about(sign * FORWARD, leg["subtalar_angle"])
    return [thigh, shin, foot]


def pelvis_axes(columns: dict[str, ndarray]) -> ndarray:
    turns = zip((RIGHT, FORWARD, UP), ("pelvis_tilt", "pelvis_list", "pelvis_rotation"), strict=True)
    tilt, listed, rotation = (about(axis, columns[name]) for axis, name in turns)
    return tilt @ listed @ rotation


def leg_places(columns: dict[str, ndarray], rest: ndarray, side: str) -> ndarray:
    """Knee, ankle and toes about the hip in the ground, metres; the bones hang straight down where all is zero."""
    name, sign = SIDES[side]
    hip, knee, ankle, toes = (rest[SMPL.index(f"{name}_{joint}")] for joint in ("hip", "knee", "ankle", "foot"))
    bones = [-np.linalg.norm(knee - hip) * UP, -np.linalg.norm(ankle - knee) * UP, R_GROUND_REST @ (toes - ankle)]
    leg = {each: columns[f"{each}_{side}"] for each in LEG}
    turned = leg_segments(pelvis_axes(columns), leg, sign)
    return np.cumsum([R @ bone for R, bone in zip(turned, bones, strict=True)], 0).transpose(1, 0, 2)


def bone_axes(rest: ndarray, name: str, upper: str, lower: str) -> ndarray:
    """Axes of a bone at rest, as columns in the body's own: along it, and to the right as far as it can be."""
    along = rest[SMPL.index(f"{name}_{upper}")] - rest[SMPL.index(f"{name}_{lower}")]
    along = along / np.linalg.norm(along)
    right = np.array([-1.0, 0, 0]) + along[0] * along
    right = right / np.linalg.norm(right)
    return np.stack([np.cross(along, right), along, right], 1)


def posed(rest: ndarray, columns: dict[str, ndarray]) -> ndarray:
    """The rotations of a body whose pelvis and legs are as the model's."""
    rotmat = np.tile(np.eye(3), (FRAMES, 24, 1, 1))
    rotmat[:, 0] = pelvis_axes(columns) @ R_GROUND_REST
    for side, (name, sign) in SIDES.items():
        above = rotmat[:, 0]
        axes = [bone_axes(rest, name, *ends) for ends in (("hip", "knee"), ("knee", "ankle"))] + [R_GROUND_REST.T]
        segments = leg_segments(pelvis_axes(columns), {each: columns[f"{each}_{side}"] for each in LEG}, sign)
        for joint, segment, at_rest in zip(("hip", "knee", "ankle"), segments, axes, strict=True):
            turned = segment @ at_rest.T
            rotmat[:, SMPL.index(f"{name}_{joint}")] = above.transpose(0, 2, 1) @ turned
            above = turned
    return rotmat.astype(np.float32)


def random_columns(random: np.random.Generator) -> dict[str, ndarray]:
    columns = {f"pelvis_{name}": random.uniform(-25, 25, FRAMES) for name in ("tilt", "list", "rotation")}
    for side in SIDES:
        columns |= {f"{name}_{side}": random.uniform(*r, FRAMES) for name, r in zip(LEG, RANGES_DEG, strict=True)}
    return columns


def exported(body: Body, rotmat: ndarray, path: Path) -> dict[str, ndarray]:
    """The columns of the performer in these poses, the pelvis's in the ground."""
    scene = build_scene(
        performers.show(body, performers.performer(body, torch.arange(FRAMES))), body, SceneOptions("y")
    )
    character = scene.characters[0]
    write_mot(path, scene, replace(character, smpl=replace(character.smpl, rotmat=rotmat)))
    return mot_columns(path)[1]


def test_a_body_posed_by_the_model_s_coordinates_has_them_in_its_mot(body, betas, tmp_path):
    columns = random_columns(np.random.default_rng(0))
    found = exported(body, posed(rest_joints(body, betas), columns), tmp_path / "x.mot")
    for name, true in columns.items():
        assert np.abs((found[name] - true + 180) % 360 - 180).max() < 0.05, name


@pytest.mark.parametrize("loose_deg", [0.0, 10.0])
def test_knees_and_ankles_of_the_model_are_where_the_body_has_them(body, betas, tmp_path, loose_deg):
    """Also where a bent knee turns and gives aside, which a hinge cannot: the thigh is turned for it."""
    random, rest = np.random.default_rng(1), rest_joints(body, betas)
    columns = random_columns(random)
    if loose_deg:
        columns |= {f"knee_angle_{side}": columns[f"knee_angle_{side}"].clip(min=BENT_DEG) for side in SIDES}
    rotmat = posed(rest, columns)
    for name, _ in SIDES.values():
        loose = Rotation.from_rotvec(np.radians(loose_deg * random.standard_normal((FRAMES, 3)) * [0, 1, 1]))
        rotmat[:, SMPL.index(f"{name}_knee")] = rotmat[:, SMPL.index(f"{name}_knee")] @ loose.as_matrix()
    found, joints = exported(body, rotmat, tmp_path / "x.mot"), pose_joints(body, rotmat, betas)[1]
    for side, (name, _) in SIDES.items():
        hip, *own = (joints[:, SMPL.index(f"{name}_{joint}")] for joint in ("hip", "knee", "ankle", "foot"))
        off = np.linalg.norm(leg_places(found, rest, side) - np.stack(own, 1) + hip[:, None], axis=-1)
        assert off[:, :2].max() < 0.001, "knee and ankle"
        assert loose_deg or off[:, 2].max() < 0.001, "toes, but for what the shin turns about itself"
