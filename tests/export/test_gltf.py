"""GLB: read by published programs, joints, skin and camera are where they were. VRM animation: the humanoid bones are
named and turned as avatars take them over.
"""

import io
from pathlib import Path

import numpy as np
import performers
import pytest
import torch
from readers import glb_array, glb_matrices, read_glb
from scipy.spatial.transform import Rotation

from vibe.body.hands import relaxed
from vibe.body.outfit import dressed, vertex_colours
from vibe.body.placed import vertices_cam
from vibe.export.export import export
from vibe.export.gltf import write_glb
from vibe.motion.scene import SceneOptions, build_scene
from vibe.skeletons import SMPL


@pytest.fixture(scope="module")
def scene(body):
    people = performers.performer(body, torch.arange(60)), performers.performer(body, torch.arange(20, 50), 1)
    return build_scene(performers.show(body, *people), body, SceneOptions())


@pytest.fixture(scope="module")
def path(body, scene, tmp_path_factory):
    path = tmp_path_factory.mktemp("glb") / "x.glb"
    write_glb(path, scene, body)
    return path


@pytest.fixture(scope="module")
def read(path):
    return read_glb(path)


def test_every_person_s_action_gives_the_joints(read, scene):
    for person, character in enumerate(scene.characters):
        clock = glb_array(read, read[0]["animations"][1 + person]["samplers"][0]["input"])[:, 0]
        assert np.allclose(clock, (character.first + np.arange(len(character.joints))) / 25)
        for frame in (0, 11, 29):
            assert (glb_matrices(read, person, frame)[:, :3, 3] - character.joints[frame]).abs().max() < 1e-4


def test_the_first_animation_moves_everybody_as_their_own_do(read):
    def moved(action):
        return [(channel["target"], action["samplers"][channel["sampler"]]) for channel in action["channels"]]

    together, *own = read[0]["animations"]
    assert moved(together) == [each for action in own for each in moved(action)]


def test_the_skin_follows_to_some_millimetres(read, scene, body):
    """Four joints a vertex stand for up to seven; the mean of all is far below a millimetre."""
    for person, character in enumerate(scene.characters):
        told = read[0]["meshes"][person]["primitives"][0]["attributes"]
        rest, joints, weights = (glb_array(read, told[name]) for name in ("POSITION", "JOINTS_0", "WEIGHTS_0"))
        inverse = torch.tensor(glb_array(read, read[0]["skins"][person]["inverseBindMatrices"])).reshape(24, 4, 4).mT
        matrices = (glb_matrices(read, person, 17) @ inverse)[joints.astype(np.int64)]
        blended = (matrices * torch.tensor(weights)[..., None, None]).sum(1)
        found = (blended @ torch.nn.functional.pad(torch.tensor(rest), (0, 1), value=1.0)[..., None])[:, :3, 0]
        truth = vertices_cam(character.smpl.at(slice(17, 18)), relaxed(dressed(body)))[0]
        apart = (found - truth).norm(dim=-1)
        assert apart.max() < 0.015 and apart.mean() < 0.0005
        exact = (body.weights > 0).sum(1) <= 4
        assert apart[exact].max() < 1e-4


def test_the_camera_sees_a_joint_where_the_video_has_it(read, scene, body):
    head, _ = read
    node = next(node for node in head["nodes"] if node.get("camera") is not None)
    lens = head["cameras"][0]["perspective"]
    matrix = np.array(node["matrix"]).reshape(4, 4).T
    joints = scene.characters[0].joints[5]
    seen = (joints - matrix[:3, 3]) @ matrix[:3, :3]
    assert (seen[:, 2] < 0).all(), "glTF's camera looks along -z"
    tall = np.tan(lens["yfov"] / 2)
    x = seen[:, 0] / -seen[:, 2] / (tall * lens["aspectRatio"])
    y = seen[:, 1] / -seen[:, 2] / tall
    found_px = np.stack([(x + 1) / 2 * performers.WIDTH, (1 - y) / 2 * performers.HEIGHT], 1)
    truth_px = performers.performer(body, torch.arange(60)).joints_px[5]
    assert np.abs(found_px - truth_px).max() < 0.01


def test_units_axes_and_body_are_in_the_file(read, body):
    extras = read[0]["asset"]["extras"]
    assert extras["units"].startswith("metres") and extras["axes"] == "right-handed, y up"
    assert extras["body"]["sha256"] == body.origin.sha256 and extras["body"]["licence"]
    assert [action["name"] for action in read[0]["animations"]] == ["everybody", "person 1", "person 2"]
    assert {node["name"] for node in read[0]["nodes"]} >= {*SMPL, "person 1", "person 2", "camera"}


def test_trimesh_opens_it(path, body):
    trimesh = pytest.importorskip("trimesh")
    scene = trimesh.load(io.BytesIO(path.read_bytes()), file_type="glb")
    assert sorted(len(mesh.faces) for mesh in scene.geometry.values()) == [len(body.faces)] * 2


def test_four_joints_carry_all_of_every_vertex(body):
    joints, weights = body.influences(4)
    assert np.allclose(weights.sum(1), 1, atol=1e-6)
    assert (joints[weights == 0] == 0).all()


def test_z_can_t_point_up_and_held_people_leave_no_camera(body, tmp_path: Path):
    given = performers.show(body, performers.performer(body, torch.arange(3)))
    with pytest.raises(ValueError, match="--up"):
        write_glb(tmp_path / "x.glb", build_scene(given, body, SceneOptions("z")), body)
    assert not list(tmp_path.iterdir())
    write_glb(tmp_path / "x.glb", build_scene(given, body, SceneOptions(root="in-place")), body)
    assert b'"cameras"' not in (tmp_path / "x.glb").read_bytes()


def test_a_person_has_the_clothes_and_colours_that_films_give_them(read, scene, body):
    for person, character in enumerate(scene.characters):
        told = read[0]["meshes"][person]["primitives"][0]["attributes"]
        linear = glb_array(read, told["COLOR_0"])
        srgb = 1.055 * linear ** (1 / 2.4) - 0.055
        assert np.allclose(srgb, vertex_colours(body, character.number), atol=1e-4)
        assert np.ptp(srgb, axis=0).min() > 0.2
    assert not any("baseColorFactor" in each["pbrMetallicRoughness"] for each in read[0]["materials"])


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
