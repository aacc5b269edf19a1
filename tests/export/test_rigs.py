"""Rigs: the same places in space under other names, and rest poses, axes and twist as each rig has them."""

import numpy as np
import performers
import pytest
from readers import glb_array, glb_matrices, read_glb

from vibe.body.placed import vertices_cam
from vibe.data.sets.bvh import read_bvh
from vibe.errors import Misuse
from vibe.export.armature import build_armature
from vibe.export.bvh import write_bvh
from vibe.export.export import export
from vibe.export.gltf import write_glb
from vibe.export.rigs import NEXT, RIGS
from vibe.motion.scene import SceneOptions, build_scene
from vibe.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from vibe.skeletons import SMPL, SMPLH

OTHERS = [name for name in RIGS if name != "smpl"]


def places_of_joints(rig, bones):
    """Where the bones of SMPL-H's joints stand."""
    return [list(bones).index(RIGS[rig].bones[name]) for name in SMPLH]


@pytest.mark.parametrize("rig", RIGS)
def test_the_bones_of_a_glb_are_where_our_joints_are(rig, scene, body, tmp_path):
    write_glb(tmp_path / "x.glb", scene, body, rig=rig)
    read = read_glb(tmp_path / "x.glb")
    names = [read[0]["nodes"][node]["name"] for node in read[0]["skins"][0]["joints"]]
    character, _ = scene.characters[0].with_fingers(body)
    for frame in (0, 17, 29):
        found = glb_matrices(read, 0, frame)[places_of_joints(rig, names), :3, 3].numpy()
        assert np.abs(found - character.joints[frame]).max() < 1e-4


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("rig", RIGS)
def test_the_bones_of_a_bvh_are_where_our_joints_are(rig, up, given, body, tmp_path):
    scene = build_scene(given, body, SceneOptions(up))
    write_bvh(tmp_path / "x.bvh", scene, scene.characters[0], body, rig=rig)
    read = read_bvh(tmp_path / "x.bvh", 0.01)
    character, _ = scene.characters[0].with_fingers(body)
    assert np.abs(np.asarray(read.places)[:, places_of_joints(rig, read.names)] - character.joints).max() < 2e-4


@pytest.mark.parametrize(("rig", "worst"), [("mixamo", 1e-5), ("vrm", 1e-5), ("ue5", 0.09), ("rigify", 0.05)])
def test_the_skin_is_about_the_body_s(rig, worst, scene, body):
    """Arms that rest lower and twist that is shared out move the skin of shoulders and forearms by some centimetres."""
    character, fingered = scene.characters[0].with_fingers(body)
    made = build_armature(RIGS[rig], scene, character, fingered, fingered)
    R = made.R_scene_bone[17] @ made.R_body_bone.mT
    moved = made.places[17] - (R @ made.rest[..., None])[..., 0]
    skin = np.einsum("vb,bij,vj->vi", made.weights, R, made.surface) + made.weights @ moved
    apart = np.linalg.norm(skin - vertices_cam(character.smpl.at(slice(17, 18)), fingered)[0], axis=-1)
    assert apart.max() < worst and apart.mean() < 0.005
    assert np.allclose(made.weights.sum(1), 1, atol=1e-5)


def test_bones_point_along_the_axis_that_their_program_expects(scene, body):
    for rig, axis in {"mixamo": 1, "rigify": 1, "ue5": 0}.items():
        made = build_armature(RIGS[rig], scene, scene.characters[0], body, body)
        for side in ("left", "right"):
            for joint in ("hip", "knee", "ankle", "collar", "shoulder", "elbow"):
                first, last = (
                    made.bones.index(RIGS[rig].bones[name]) for name in (f"{side}_{joint}", NEXT[f"{side}_{joint}"])
                )
                way = made.R_body_bone[first].T @ (made.rest[last] - made.rest[first])
                sign = -1 if rig == "ue5" and (side == "left") == (joint in ("hip", "knee", "ankle")) else 1
                assert sign * way[axis] == pytest.approx(np.linalg.norm(way), rel=1e-5), (rig, side, joint)
        assert np.allclose(np.linalg.det(made.R_body_bone), 1, atol=1e-5)


@pytest.mark.parametrize("rig", OTHERS)
def test_a_rig_rests_on_its_soles_in_its_own_pose(rig, scene, body):
    made = build_armature(RIGS[rig], scene, scene.characters[0], body, body)
    tpose = build_armature(RIGS["smpl"], scene, scene.characters[0], body, body)
    assert made.surface[:, 1].min() == pytest.approx(0, abs=1e-5)
    shoulder, elbow = (made.bones.index(RIGS[rig].bones[f"left_{name}"]) for name in ("shoulder", "elbow"))
    arm, plain = made.rest[elbow] - made.rest[shoulder], tpose.rest[18] - tpose.rest[16]
    down = np.degrees(np.arctan2(plain[1], plain[0]) - np.arctan2(arm[1], arm[0]))
    assert down == pytest.approx(RIGS[rig].arms_down_deg, abs=0.01)


def test_a_root_bone_goes_along_on_the_floor_and_the_pelvis_rides_on_it(scene, body):
    made = build_armature(RIGS["ue5"], scene, scene.characters[0], body, body)
    assert made.bones[:2] == ("root", "pelvis") and made.travels == (0, 1)
    assert np.allclose(made.places[:, 0, 1], 0) and np.allclose(made.moves(1)[:, :2], 0, atol=1e-6)
    assert np.allclose(made.rest_rotmat[0] @ [0, 0, 1], [0, 1, 0]), "its z points up"


def test_twist_is_shared_with_the_bones_beside(body):
    """A hand that turns by 60 degrees turns the forearm's bones by 20 and 40; an upper arm that turns by 60 leaves its
    first bone as it was."""
    motion = performers.standing(body, 3)
    rotmat = motion.smpl.rotmat.copy()
    rest = build_scene(performers.show(body, motion), body, SceneOptions()).characters[0].rest
    for joint, following in (("left_wrist", None), ("left_shoulder", "left_elbow")):
        first, last = ("left_elbow", "left_wrist") if following is None else (joint, following)
        axis = rest[SMPL.index(last)] - rest[SMPL.index(first)]
        axis = (np.radians(60) * axis / np.linalg.norm(axis)).astype(np.float32)
        rotmat[:, SMPL.index(joint)] = rotmat_from_rotvec(axis)
    turned = performers.turned(
        motion, rotvec_from_rotmat(rotmat[:, 0]), rotvec_from_rotmat(rotmat[:, 1:]).reshape(3, -1)
    )
    scene = build_scene(performers.show(body, turned), body, SceneOptions())
    made = build_armature(RIGS["ue5"], scene, scene.characters[0], body, body)
    for bone, limb, degrees in [
        ("lowerarm_twist_02_l", "lowerarm_l", 20), ("lowerarm_twist_01_l", "lowerarm_l", 40),
        ("upperarm_twist_01_l", "upperarm_l", -60), ("upperarm_twist_02_l", "upperarm_l", -30),
        ("upperarm_twist_01_r", "upperarm_r", 0),
    ]:  # fmt: skip
        one, two = (made.R_scene_bone[1, made.bones.index(name)] for name in (limb, bone))
        assert np.degrees(rotvec_from_rotmat(one.T @ two)) == pytest.approx([degrees, 0, 0], abs=0.05)


def test_a_rig_is_for_skeletons(given, body, tmp_path):
    with pytest.raises(Misuse, match="bvh, glb, fbx"):
        export(given, tmp_path / "x.csv", "csv", rig="mixamo", body=body)
    with pytest.raises(Misuse, match="smpl, mixamo, ue5"):
        export(given, tmp_path / "x.bvh", "bvh", rig="maya", body=body)
    (path,) = export(given, tmp_path / "x.bvh", "bvh", rig="mixamo", body=body).files
    assert "ROOT mixamorig:Hips\n" in path.read_text()


def test_who_has_no_fingers_has_no_finger_bones(body):
    scene = build_scene(performers.show(body, performers.standing(body, 3)), body, SceneOptions())
    for rig in OTHERS:
        made = build_armature(RIGS[rig], scene, scene.characters[0], body, body)
        assert not set(made.bones) & {RIGS[rig].bones[name] for name in SMPLH[22:]}
        assert {RIGS[rig].bones[name] for name in SMPLH[:22]} <= set(made.bones)
        assert not [bone for bone in made.bones if "palm" in bone or "metacarpal" in bone]


def test_a_vertex_s_bones_are_told_for_each_rig(scene, body, tmp_path):
    write_glb(tmp_path / "x.glb", scene, body, rig="ue5")
    read = read_glb(tmp_path / "x.glb")
    told = read[0]["meshes"][0]["primitives"][0]["attributes"]
    assert np.allclose(glb_array(read, told["WEIGHTS_0"]).sum(1), 1, atol=1e-5)
    assert glb_array(read, told["JOINTS_0"]).max() < len(read[0]["skins"][0]["joints"])
    assert read[0]["asset"]["extras"]["joints"] == "the bones of ue5"
