"""Fingers in exports: the skeleton is SMPL-H's, its joints and skin are where ours are."""

import json

import numpy as np
import performers
import pytest
import torch
from readers import glb_joints, usd_joints, usd_surface

from vibe.body.outfit import dressed
from vibe.body.placed import vertices_cam
from vibe.data.sets.bvh import read_bvh
from vibe.export.bvh import write_bvh
from vibe.export.gltf import write_glb
from vibe.export.smpl_parameters import write_amass, write_smplx_json
from vibe.export.usd import write_usd
from vibe.motion.scene import SceneOptions, build_scene
from vibe.skeletons import SMPLH


@pytest.fixture(scope="module")
def scene(body):
    people = performers.performer(body, torch.arange(20)), performers.performer(body, torch.arange(20), 1)
    return build_scene(performers.show(body, performers.fingered(people[0]), people[1]), body, SceneOptions())


def test_joints_of_glb_bvh_and_usd_are_ours_those_of_the_fingers_too(body, scene, tmp_path):
    with_fingers, _ = scene.characters[0].with_fingers(body)
    assert with_fingers.names == SMPLH and with_fingers.joints.shape[1] == 52
    np.testing.assert_allclose(with_fingers.joints[:, :22], scene.characters[0].joints[:, :22], atol=1e-6)
    write_glb(tmp_path / "x.glb", scene, body)
    for found, character in zip(glb_joints(tmp_path / "x.glb"), (with_fingers, scene.characters[1]), strict=True):
        assert np.abs(found - character.joints).max() < 1e-4
    write_bvh(tmp_path / "x.bvh", scene, scene.characters[0], body, "m")
    read = read_bvh(tmp_path / "x.bvh", 1.0)
    order = [read.names.index(name) for name in SMPLH]
    assert (read.places[:, order] - with_fingers.joints).abs().max() < 1e-4


def test_usd_s_joints_and_skin_are_ours_with_fingers(body, scene, tmp_path):
    pytest.importorskip("pxr", reason="the extra usd is not installed")
    write_usd(tmp_path / "x.usdc", scene, body)
    character, fingered = scene.characters[0].with_fingers(dressed(body))
    assert np.abs(usd_joints(tmp_path / "x.usdc")[0] - character.joints).max() < 1e-5
    truth = vertices_cam(character.smpl.at(slice(7, 8)), fingered)[0]
    plain = vertices_cam(scene.characters[0].smpl.at(slice(7, 8)), dressed(body))[0]
    found = usd_surface(tmp_path / "x.usdc", 1, 7)
    assert np.abs(found - truth).max() < 1e-5 < 0.01 < np.abs(found - plain).max()


def test_smplh_s_156_numbers_and_smplx_s_hands_hold_the_fingers(body, scene, tmp_path):
    for character in scene.characters:
        write_amass(tmp_path / "x.npz", scene, character, body)
        write_smplx_json(tmp_path / "x.json", scene, character, body)
        told = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))
        with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
            hands = file["poses"][:, 66:]
        if character.fingers is None:
            assert not hands.any() and "left_hand_pose" not in told
            continue
        given = performers.fingered(performers.performer(body, torch.arange(20)))
        np.testing.assert_allclose(hands[:, :45], given.left_hand_pose, atol=1e-4)
        np.testing.assert_allclose(hands[:, 45:], given.right_hand_pose, atol=1e-4)
        np.testing.assert_allclose(told["right_hand_pose"], given.right_hand_pose, atol=1e-4)


def test_a_motion_s_own_joints_and_surface_have_the_fingers(body):
    motion = performers.fingered(performers.performer(body, torch.arange(5)))
    plain = performers.performer(body, torch.arange(5))
    assert motion.joints("smplh52", body).values.shape == (5, 52, 3)
    np.testing.assert_allclose(motion.joints("smplh52", body).values[:, :22], plain.joints_cam[:, :22], atol=1e-5)
    assert np.abs(motion.vertices(body) - plain.vertices(body)).max() > 0.01
    with pytest.raises(ValueError, match="no fingers"):
        plain.joints("smplh52", body)
