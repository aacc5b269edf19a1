"""Joint angles: a known bend gives its number with its sign, both sides mean the same, and nothing jumps."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.body.pose import mirror_rotmat, rest_joints
from vibe.motion.joint_angles import (
    PELVIS,
    PELVIS_ORDERS,
    R_GROUND_SPACE,
    R_REST_UPRIGHT,
    angle_names,
    joint_angles_deg,
    rest_frames,
)
from vibe.rotations import rotmat_from_rotvec
from vibe.skeletons import SMPL

NAMES = angle_names()
TURNS = {"Z": -12.0, "X": 7.0, "Y": 100.0}
UPRIGHT = R_REST_UPRIGHT.T
"""From the body's axes at rest, looking along x of the ground, to the ground."""


@pytest.fixture(scope="module")
def rest():
    return rest_joints(as_numpy(load_body(detail="low")), np.zeros(10, np.float32)).astype(np.float64)


def angles(rest, *turns):
    """The angles, by name, of a body with some joints turned: (joint, axis-angle in degrees in the body's axes)."""
    rotmat = np.tile(np.eye(3), (1, 24, 1, 1))
    for joint, rotvec_deg in turns:
        rotmat[:, SMPL.index(joint)] = rotmat_from_rotvec(np.radians(np.array([rotvec_deg], float)))
    rotmat[:, 0] = UPRIGHT @ rotmat[:, 0]
    return dict(zip(NAMES, joint_angles_deg(rotmat, rest, np.eye(3))[0]))


BENDS = [
    ("left_hip", (-50, 0, 0), "left_hip_flexion", 50),
    ("right_hip", (0, 0, 20), "right_hip_adduction", 20),
    ("left_hip", (0, 0, -20), "left_hip_adduction", 20),
    ("left_knee", (70, 0, 0), "left_knee_flexion", 70),
    ("right_ankle", (-15, 0, 0), "right_ankle_dorsiflexion", 15),
    ("left_ankle", (0, 0, -10), "left_ankle_inversion", 10),
    ("left_foot", (-25, 0, 0), "left_toes_extension", 25),
    ("left_elbow", (0, -80, 0), "left_elbow_flexion", 80),
    ("right_elbow", (0, 80, 0), "right_elbow_flexion", 80),
    ("right_wrist", (40, 0, 0), "right_forearm_pronation", 40),
    ("left_wrist", (0, 0, -30), "left_wrist_flexion", 30),
    ("right_wrist", (0, 20, 0), "right_wrist_deviation", -20),
    ("spine2", (30, 0, 0), "lumbar_extension", -30),
    ("spine1", (0, 0, 15), "lumbar_bending", 15),
    ("spine1", (0, 25, 0), "lumbar_rotation", 25),
    ("head", (-20, 0, 0), "neck_extension", 20),
]


@pytest.mark.parametrize(("joint", "rotvec_deg", "name", "degrees"), BENDS, ids=[each[2] for each in BENDS])
def test_a_known_bend_gives_its_number_and_little_else(rest, joint, rotvec_deg, name, degrees):
    before, after = angles(rest), angles(rest, (joint, rotvec_deg))
    assert after[name] - before[name] == pytest.approx(degrees, abs=0.5)
    others = [each for each in NAMES if each != name and not each.startswith(joint.split("_")[0] + "_shoulder")]
    assert max(abs(after[each] - before[each]) for each in others) < 6


def test_standing_with_hanging_arms_is_nearly_zero(rest):
    hanging = angles(rest, ("left_shoulder", (0, 0, -90)), ("right_shoulder", (0, 0, 90)))
    pronated = {name for name in NAMES if name.endswith("pronation")}
    assert all(abs(value) < 5 for name, value in hanging.items() if name not in pronated)
    assert all(hanging[name] == pytest.approx(90) for name in pronated)


@pytest.mark.parametrize(("degrees", "plane"), [((-90, 0, 0), 90), ((0, 0, 0), 0)])
def test_an_arm_forward_and_an_arm_aside_are_lifted_in_their_planes(rest, degrees, plane):
    hang = rotmat_from_rotvec(np.radians([[0.0, 0, 90]]))
    lift = rotmat_from_rotvec(np.radians([degrees], dtype=float)) @ (hang if plane else np.eye(3))
    rotmat = np.tile(np.eye(3), (1, 24, 1, 1))
    rotmat[:, SMPL.index("right_shoulder")] = lift
    found = dict(zip(NAMES, joint_angles_deg(rotmat, rest, np.eye(3))[0]))
    assert found["right_shoulder_elevation"] == pytest.approx(90, abs=0.5)
    assert found["right_shoulder_plane"] == pytest.approx(plane, abs=0.5)


@pytest.mark.parametrize("order", PELVIS_ORDERS)
def test_the_pelvis_tilts_lists_and_turns_in_each_order(rest, order):
    about = {axis: rotmat_from_rotvec(np.radians(np.eye(3)["XYZ".index(axis)] * turn)) for axis, turn in TURNS.items()}
    rotmat = np.tile(np.eye(3), (1, 24, 1, 1))
    rotmat[:, 0] = np.linalg.multi_dot([about[axis] for axis in PELVIS_ORDERS[order]]) @ UPRIGHT
    found = dict(zip(NAMES, joint_angles_deg(rotmat, rest, np.eye(3), order)[0]))
    assert [found[PELVIS[axis]] for axis in TURNS] == pytest.approx([*TURNS.values()])


def random_poses(count):
    random = np.random.RandomState(0)
    rotmat = rotmat_from_rotvec(0.3 * random.standard_normal((count, 24, 3)))
    for side, turn in (("left", -1.3), ("right", 1.3)):
        shoulder = SMPL.index(f"{side}_shoulder")
        rotmat[:, shoulder] = rotmat[:, shoulder] @ rotmat_from_rotvec(np.array([0, 0, turn]))
    return rotmat


def test_a_pose_in_the_mirror_has_the_angles_of_the_other_side(rest):
    rotmat = random_poses(20)
    symmetric = (rest + rest[[SMPL.index(swapped(name)) for name in SMPL]] * [-1, 1, 1]) / 2
    plain = joint_angles_deg(rotmat, symmetric, UPRIGHT)
    other = joint_angles_deg(mirror_rotmat(rotmat), symmetric, UPRIGHT)
    signs = [-1 if name.endswith(("_list", "_bending")) or name in ("pelvis_rotation",) else 1 for name in NAMES]
    signs = [-1 if name in ("lumbar_rotation", "neck_rotation") else sign for name, sign in zip(NAMES, signs)]
    order = [NAMES.index(swapped(name)) for name in NAMES]
    for one, two in zip(plain, other):  # frame by frame: what is unwrapped may differ by whole turns
        off = (one - signs * two[order]) / 360
        assert np.abs(off - off.round()).max() < 1e-6


def swapped(name):
    return "_".join({"left": "right", "right": "left"}.get(word, word) for word in name.split("_"))


def test_the_space_that_a_motion_is_in_changes_only_the_pelvis(rest):
    rotmat = random_poses(10)
    one, two = (joint_angles_deg(rotmat, rest, np.array(R)) for R in R_GROUND_SPACE.values())
    assert np.abs((one - two)[:, len(PELVIS) :]).max() < 1e-9


def test_arms_swung_through_the_singular_pose_do_not_jump_or_wind_up(rest):
    time = np.linspace(0, 8 * np.pi, 400)
    rotvec = np.stack([0.4 * np.sin(2 * time), 0.3 * np.cos(3 * time), -1.5 + 1.4 * np.cos(time)], 1)
    rotmat = np.tile(np.eye(3), (len(time), 24, 1, 1))
    rotmat[:, SMPL.index("left_shoulder")] = rotmat_from_rotvec(rotvec)
    found = joint_angles_deg(rotmat, rest, UPRIGHT)
    shoulder = found[:, [NAMES.index(f"left_shoulder_{what}") for what in ("flexion", "adduction", "rotation")]]
    hanging = np.abs(rotvec[:, 2] + 1.5) < 0.3
    assert np.abs(shoulder[hanging]).max() < 90 and np.abs(np.diff(shoulder, axis=0)).max() < 60


def test_the_bent_elbow_shows_how_the_upper_arm_is_turned(rest):
    hang = rotmat_from_rotvec(np.radians(np.array([0.0, 0, 90])))
    hinge = rest_frames(rest)[SMPL.index("right_shoulder")]
    twist = hinge @ rotmat_from_rotvec(np.radians(np.array([0, 25.0, 0]))) @ hinge.T
    bend = hinge @ rotmat_from_rotvec(np.radians(np.array([0, 0, 70.0]))) @ hinge.T
    rotmat = np.tile(np.eye(3), (2, 24, 1, 1))
    rotmat[:, SMPL.index("right_shoulder")] = hang @ np.stack([twist, np.eye(3)])
    rotmat[:, SMPL.index("right_elbow")] = np.stack([bend, twist @ bend])
    first, second = joint_angles_deg(rotmat, rest, UPRIGHT)
    told = [NAMES.index(f"right_{name}") for name in ("shoulder_flexion", "shoulder_rotation", "elbow_flexion")]
    assert np.allclose(first[told], second[told], atol=1e-3) and np.allclose(first[told], [0, 25, 70], atol=0.5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_model_whose_knee_is_a_hinge_holds_a_bent_shin_as_it_is(rest, side):
    rotmat = np.tile(np.eye(3), (1, 24, 1, 1))
    for joint, rotvec_deg in (("hip", (-40, 5, 8)), ("knee", (60, -15, 20))):
        rotmat[:, SMPL.index(f"{side}_{joint}")] = rotmat_from_rotvec(np.radians(np.array([rotvec_deg], float)))
    turned = UPRIGHT @ rotmat[0, SMPL.index(f"{side}_hip")] @ rotmat[0, SMPL.index(f"{side}_knee")]
    shin = (turned @ rest_frames(rest)[SMPL.index(f"{side}_knee")])[:, 1]
    rotmat[:, 0] = UPRIGHT
    off = []
    for order in PELVIS_ORDERS:
        found = dict(zip(NAMES, joint_angles_deg(rotmat, rest, np.eye(3), order)[0]))
        sign = 1 if side == "right" else -1
        hip = [found[f"{side}_hip_{name}"] for name in ("flexion", "adduction", "rotation")] * np.array([1, sign, sign])
        model = Rotation.from_euler("ZXY", hip, degrees=True)
        model *= Rotation.from_euler("Z", -found[f"{side}_knee_flexion"], degrees=True)
        off.append(np.linalg.norm(model.as_matrix()[:, 1] - shin))
    assert off[0] > 0.08 > 0.01 > off[1]


@pytest.mark.parametrize("bent_deg", [-20.0, -10.0, 0.0])
def test_a_knee_that_is_bent_the_wrong_way_leaves_the_thigh_as_it_is(rest, bent_deg):
    rotmat = np.tile(np.eye(3), (1, 24, 1, 1))
    rotmat[:, SMPL.index("right_knee")] = rotmat_from_rotvec(np.radians(np.array([[bent_deg, 0.0, 0.0]])))
    plain, hinged = (dict(zip(NAMES, joint_angles_deg(rotmat, rest, np.eye(3), order)[0])) for order in PELVIS_ORDERS)
    for name in ("right_hip_rotation", "right_knee_flexion", "right_ankle_dorsiflexion"):
        assert hinged[name] == pytest.approx(plain[name], abs=0.5)
