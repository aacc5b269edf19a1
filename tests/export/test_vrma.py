"""VRM animation: the humanoid bones are named and turned as avatars take them over."""

import numpy as np
import performers
import pytest
import torch
from readers import glb_array, read_glb
from scipy.spatial.transform import Rotation

from vibe.export.export import export
from vibe.motion.scene import SceneOptions, build_scene
from vibe.skeletons import SMPL


@pytest.fixture(scope="module")
def given(body):
    people = performers.performer(body, torch.arange(20)), performers.performer(body, torch.arange(5, 20), 1)
    return performers.show(body, performers.fingered(people[0]), people[1])


@pytest.fixture(scope="module")
def files(body, given, tmp_path_factory):
    return export(given, tmp_path_factory.mktemp("vrma") / "all", "vrma", body=body).files


def humanoid(path):
    """The file, and the node of each humanoid bone."""
    read = read_glb(path)
    assert read[0]["extensionsUsed"] == ["VRMC_vrm_animation"]
    told = read[0]["extensions"]["VRMC_vrm_animation"]
    assert told["specVersion"] == "1.0"
    return read, {name: bone["node"] for name, bone in told["humanoid"]["humanBones"].items()}


def test_there_is_a_file_for_each_person_without_skin_from_their_first_frame(files):
    assert [path.name for path in files] == ["person1.vrma", "person2.vrma"]
    for path, frames in zip(files, (20, 15)):
        read, bones = humanoid(path)
        assert not {"skins", "meshes", "cameras"} & set(read[0])
        (action,) = read[0]["animations"]
        clock = glb_array(read, action["samplers"][0]["input"])[:, 0]
        assert np.allclose(clock, np.arange(frames) / 25)
        assert {name: read[0]["nodes"][node]["name"] for name, node in bones.items()} == {name: name for name in bones}


def test_the_hips_rest_at_their_height_above_the_soles(files):
    for path in files:
        read, bones = humanoid(path)
        assert 0.7 < read[0]["nodes"][bones["hips"]]["translation"][1] < 1.2


def test_turns_are_our_own_and_only_the_hips_have_a_place(files, given, body):
    for path, character in zip(files, build_scene(given, body, SceneOptions()).characters, strict=True):
        read, bones = humanoid(path)
        (action,) = read[0]["animations"]
        turns, places = {}, []
        for channel in action["channels"]:
            numbers = glb_array(read, action["samplers"][channel["sampler"]]["output"])
            if channel["target"]["path"] == "rotation":
                turns[channel["target"]["node"]] = Rotation.from_quat(numbers).as_matrix()
            else:
                places.append(channel["target"]["node"])
                assert np.allclose(numbers, character.smpl.pelvis, atol=1e-6)
        assert places == [bones["hips"]]
        for bone, joint in [("hips", "pelvis"), ("leftUpperArm", "left_shoulder"), ("rightFoot", "right_ankle")]:
            assert np.allclose(turns[bones[bone]], character.smpl.rotmat[:, SMPL.index(joint)], atol=1e-5)


def test_fingers_go_along_where_they_are_known(files):
    counts = [len(humanoid(path)[1]) for path in files]
    assert counts == [52, 22]


def test_z_can_t_point_up(given, body, tmp_path):
    with pytest.raises(ValueError, match="--up"):
        export(given, tmp_path / "x.vrma", "vrma", person=1, up="z", body=body)
    assert not list(tmp_path.iterdir())
