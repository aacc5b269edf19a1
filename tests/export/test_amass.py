"""The forms of SMPL's software: the parameters give the joints back."""

import json
from dataclasses import replace

import numpy as np
import performers
import pytest
import roma
import torch
from readers import amass_joints, smpl_joints, smplx_json_joints

from vibe.arrays import as_numpy
from vibe.assets.archives import read_npz
from vibe.body import load_body, rest_joints
from vibe.data.sets.amass import to_take
from vibe.export.amass import write_amass, write_smplx_json
from vibe.motion.scene import SceneOptions, build_scene


@pytest.fixture(scope="module")
def open_body():
    return as_numpy(load_body(detail="low"))


def called(body, name):
    """The same body under another name, with a motion made with it."""
    body = replace(body, origin=replace(body.origin, name=name))
    return body, performers.show(body, performers.performer(body, torch.arange(60)))


@pytest.mark.parametrize(
    ("name", "gender"), [("SMPL neutral", "neutral"), ("SMPL female", "female"), ("SMPL male", "male")]
)
def test_smpl_s_own_shape_and_translation_give_the_joints(open_body, name, gender, tmp_path):
    body, given = called(open_body, name)
    scene = build_scene(given, body, SceneOptions("z", ground=True))
    (character,) = scene.characters
    write_amass(tmp_path / "x.npz", scene, character, body)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert file["poses"].shape == (60, 156) and not file["poses"][:, 66:].any()
        assert file["gender"].item() == gender
        assert file["mocap_framerate"] == file["mocap_frame_rate"] == performers.FPS
    assert np.abs(amass_joints(tmp_path / "x.npz", body) - character.joints).max() < 1e-4


def test_the_open_body_s_shape_is_not_taken_for_smpl_s(open_body, tmp_path):
    given = performers.show(open_body, performers.performer(open_body, torch.arange(60)))
    scene = build_scene(given, open_body, SceneOptions("z"))
    (character,) = scene.characters
    write_amass(tmp_path / "x.npz", scene, character, open_body)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert not file["betas"].any() and file["body_betas"].any()
        pelvis = file["trans"] + open_body.J_template[0]
        found = smpl_joints(
            open_body, file["poses"], file["body_betas"], pelvis - rest_joints(open_body, character.smpl.betas)[0]
        )
    assert np.abs(pelvis - character.joints[:, 0]).max() < 1e-5
    assert (found - character.joints).abs().max() < 1e-4


def test_our_reader_of_amass_takes_it_and_turns_it_to_a_world_whose_y_points_up(open_body, tmp_path):
    given = performers.show(open_body, performers.performer(open_body, torch.arange(60)), fps=30.0)
    scene = build_scene(given, open_body, SceneOptions("z", ground=True))
    write_amass(tmp_path / "x.npz", scene, scene.characters[0], open_body)
    names = ("poses", "trans", "betas", "gender", "surface_model_type", "mocap_framerate", "mocap_frame_rate")
    taken = to_take(tmp_path / "x.npz", read_npz(tmp_path / "x.npz", names), "x", "x", "train")
    found = roma.rotvec_to_rotmat(torch.from_numpy(taken.columns["poses"]).reshape(-1, 24, 3)).float()
    (upright,) = build_scene(given, open_body, SceneOptions("y", ground=True)).characters
    assert (found[:, :22] - upright.smpl.rotmat[:, :22]).abs().max() < 1e-5
    assert np.abs(taken.columns["trans"] + open_body.J_template[0] - upright.joints[:, 0]).max() < 1e-5


def test_the_arguments_of_smplx_give_the_joints(open_body, tmp_path):
    body, given = called(open_body, "SMPL neutral")
    scene = build_scene(given, body, SceneOptions())
    (character,) = scene.characters
    write_smplx_json(tmp_path / "x.json", scene, character, body)
    read = json.loads((tmp_path / "x.json").read_text())
    assert np.abs(smplx_json_joints(tmp_path / "x.json", body) - character.joints).max() < 1e-3
    assert read["axes"] == "right-handed, y up" and read["fps"] == performers.FPS


def test_the_pelvis_and_its_place_at_rest_are_stated_for_bodies_that_rest_elsewhere(open_body, tmp_path):
    """SMPL-X rests its pelvis some 13 cm lower than the open body does; `transl` alone would put it too low."""
    given = performers.show(open_body, performers.performer(open_body, torch.arange(20)))
    scene = build_scene(given, open_body, SceneOptions())
    (character,) = scene.characters
    write_smplx_json(tmp_path / "x.json", scene, character, open_body)
    write_amass(tmp_path / "x.npz", scene, character, open_body)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        amass = {"transl": file["trans"], **{name: file[name] for name in ("pelvis", "pelvis_at_rest")}}
    for read in (json.loads((tmp_path / "x.json").read_text()), amass):
        pelvis, at_rest, transl = (np.array(read[name]) for name in ("pelvis", "pelvis_at_rest", "transl"))
        assert np.abs(pelvis - character.joints[:, 0]).max() < 1e-5
        assert np.abs(at_rest - open_body.J_template[0]).max() < 1e-5
        assert np.abs(pelvis - at_rest - transl).max() < 2e-5
