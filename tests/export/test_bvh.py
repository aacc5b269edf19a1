"""BVH: read by our own reader of others' files and by a published one, the joints are where they were."""

import math

import numpy as np
import performers
import pytest
import roma
import torch
from readers import bvh_joints

from vibe.data.sets.bvh import read_bvh
from vibe.export.bvh import ORDER, UNITS, write_bvh
from vibe.motion.scene import SceneOptions, build_scene
from vibe.rotations import steady_angles
from vibe.skeletons import SMPL


@pytest.fixture(scope="module")
def given(body):
    return performers.show(body, performers.performer(body, torch.arange(60)))


@pytest.mark.parametrize(
    ("options", "unit"), [(SceneOptions(), "cm"), (SceneOptions("z", "x", ground=True), "m")], ids=["y up cm", "z up m"]
)
def test_joints_read_back_are_ours_to_a_tenth_of_a_millimetre(body, given, options, unit, tmp_path):
    scene = build_scene(given, body, options)
    (character,) = scene.characters
    write_bvh(tmp_path / "x.bvh", scene, character, body, unit)
    read = read_bvh(tmp_path / "x.bvh", 1 / UNITS[unit])
    order = [read.names.index(name) for name in SMPL]
    assert read.fps == performers.FPS
    assert (read.places[:, order] - character.joints).abs().max() < 1e-4
    assert [path.name for path in tmp_path.iterdir()] == ["x.bvh"]


@pytest.mark.parametrize("options", [SceneOptions(), SceneOptions("z", ground=True)], ids=["y up", "z up"])
def test_a_published_reader_finds_the_joints_too(body, given, options, tmp_path):
    pytest.importorskip("bvhio")
    scene = build_scene(given, body, options)
    (character,) = scene.characters
    write_bvh(tmp_path / "x.bvh", scene, character, body)
    assert np.abs(bvh_joints(tmp_path / "x.bvh") - character.joints).max() < 1e-3


def test_the_rest_pose_stands_upright_with_arms_out(body, given, tmp_path):
    for up, axis in (("y", 1), ("z", 2)):
        scene = build_scene(given, body, SceneOptions(up))
        write_bvh(tmp_path / "x.bvh", scene, scene.characters[0], body, "m")
        read = read_bvh(tmp_path / "x.bvh", 1.0)
        place = {name: np.zeros(3) for name in read.names}
        for name, parent, offset in zip(read.names, read.parents, read.offsets, strict=True):
            place[name] = offset + (place[read.names[parent]] if parent >= 0 else 0)
        rest = scene.characters[0].rest
        assert float(place["head"][axis] - place["left_foot"][axis]) == pytest.approx(
            float(rest[15, 1] - rest[10, 1]), abs=1e-5
        )
        assert float(place["left_hand"][0]) > 0.5 > -0.5 > float(place["right_hand"][0])


def test_no_channel_jumps_by_half_a_turn(body, given, tmp_path):
    scene = build_scene(given, body, SceneOptions())
    write_bvh(tmp_path / "x.bvh", scene, scene.characters[0], body)
    text = (tmp_path / "x.bvh").read_text()
    numbers = np.array([line.split() for line in text.split("Frame Time:")[1].splitlines()[1:]], float)
    assert numbers.shape == (60, 75)
    assert np.abs(np.diff(numbers[:, 3:], axis=0)).max() < 180


TIME = torch.linspace(0, 1, 61)[:, None]
ACROSS, UP = torch.tensor([1.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("rotmat", "step_deg"),
    [
        (roma.rotvec_to_rotmat(12 * TIME * ACROSS), 12.0),
        (roma.rotvec_to_rotmat(math.pi / 2 * ACROSS) @ roma.rotvec_to_rotmat(6 * TIME * UP), 6.0),
        (roma.rotvec_to_rotmat(-math.pi / 2 * ACROSS) @ roma.rotvec_to_rotmat(6 * TIME * UP), 6.0),
        (roma.rotvec_to_rotmat(12 * TIME * UP), 12.0),
        (roma.rotvec_to_rotmat(12 * TIME * ACROSS + 0.1 * torch.sin(9 * TIME) * UP), 180.0),
    ],
    ids=["somersaults", "turns lying on the back", "on the face", "pirouette", "somersaults aslant"],
)
def test_angles_run_on_where_two_axes_fall_together(rotmat, step_deg):
    angles_deg = steady_angles(rotmat[:, None].numpy(), ORDER)
    back = roma.euler_to_rotmat(ORDER, torch.from_numpy(angles_deg), degrees=True)
    assert (back[:, 0].float() - rotmat).abs().max() < 1e-5
    assert np.abs(np.diff(angles_deg, axis=0)).max() < step_deg + 0.1


def test_one_frame_is_enough(body, tmp_path):
    given = performers.show(body, performers.performer(body, torch.arange(1)))
    scene = build_scene(given, body, SceneOptions())
    write_bvh(tmp_path / "x.bvh", scene, scene.characters[0], body)
    assert "Frames: 1\n" in (tmp_path / "x.bvh").read_text()
