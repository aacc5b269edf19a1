"""Exports of a motion whose camera is known in the world: people stand on its floor, the camera moves in it."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import performers
import pytest
import roma
import torch
from readers import glb_array, glb_matrices, read_glb, usd_joints

from vibe.body import load_body
from vibe.errors import Misuse
from vibe.export.export import export
from vibe.motion import Result

SIZE = np.array([performers.WIDTH, performers.HEIGHT])
TURNED = {"y": ([0, 2, 1], [1, 1, -1]), "z": ([0, 1, 2], [1, 1, 1])}
"""The world's axes where y points up and where z does: their order, and their signs."""


@pytest.fixture(scope="module")
def moving() -> Result:
    """Two people on the floor before a moving camera, of whose feet the first's are known to stand."""
    body = load_body(detail="low")
    people = performers.performer(body, torch.arange(60)), performers.performer(body, torch.arange(20, 50), 1)
    stands = np.random.default_rng(0).random((60, 4), np.float32)
    people = replace(people[0], contacts=stands), people[1]
    return performers.on_the_floor(body, performers.show(body, *people))


def glb_camera(read: tuple, frame: int) -> np.ndarray:
    """From the camera of a glTF file, which looks along -z, to the world in one frame of its animation."""
    head, _ = read
    node = next(place for place, each in enumerate(head["nodes"]) if "camera" in each)
    (action,) = [action for action in head["animations"] if action["name"] == "camera"]
    matrix = np.eye(4)
    for channel in action["channels"]:
        assert channel["target"]["node"] == node
        numbers = torch.tensor(glb_array(read, action["samplers"][channel["sampler"]]["output"])[frame])
        if channel["target"]["path"] == "translation":
            matrix[:3, 3] = numbers
        else:
            matrix[:3, :3] = roma.unitquat_to_rotmat(numbers)
    return matrix


def glb_joints(path: Path) -> list[np.ndarray]:
    """Everybody's joints in every frame of theirs."""
    read = read_glb(path)
    actions = [action for action in read[0]["animations"] if action["name"].startswith("person")]
    counts = [len(glb_array(read, action["samplers"][0]["input"])) for action in actions]
    return [
        torch.stack([glb_matrices(read, person, frame)[:, :3, 3] for frame in range(count)]).numpy()
        for person, count in enumerate(counts)
    ]


def in_scene(points_world: np.ndarray, up: str) -> np.ndarray:
    order, signs = TURNED[up]
    return points_world[..., order] * signs


def rows(path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_every_format_has_people_in_the_world(moving, tmp_path):
    truth = [in_scene(person.joints_world, "y") for person in moving]
    export(moving, tmp_path / "x.glb", "glb")
    for found, joints in zip(glb_joints(tmp_path / "x.glb"), truth, strict=True):
        np.testing.assert_allclose(found, joints, atol=1e-4)
    export(moving, tmp_path / "x.csv", "csv")
    first = rows(tmp_path / "x.csv")[0]
    assert [float(first[f"pelvis_{axis}_m"]) for axis in ("x", "y_up", "z")] == pytest.approx(truth[0][0, 0], abs=1e-5)
    export(moving, tmp_path / "x.npz", "amass", person=1)
    amass = np.load(tmp_path / "x.npz")
    np.testing.assert_allclose(amass["pelvis"], moving.people[0].pelvis_world, atol=1e-5)
    np.testing.assert_allclose(amass["poses"][:, :3], moving.people[0].global_orient_world, atol=1e-3)
    assert str(amass["space"]) == "world"
    export(moving, tmp_path / "x.json", "smplx-json", person=1)
    smplx = json.loads((tmp_path / "x.json").read_text())
    np.testing.assert_allclose(smplx["pelvis"], truth[0][:, 0], atol=1e-4)
    assert smplx["space"] == "world" and str(np.load(tmp_path / "x.npz")["axes"]).startswith("right-handed, z up")
    export(moving, tmp_path / "x.trc", "trc", person=1)
    line = (tmp_path / "x.trc").read_text().splitlines()[6].split("\t")
    assert [float(number) for number in line[2:5]] == pytest.approx(truth[0][0, 0], abs=1e-5)
    export(moving, tmp_path / "x.bvh", "bvh", person=1, unit="m")
    line = (tmp_path / "x.bvh").read_text().split("Frame Time:")[1].splitlines()[1].split()
    assert [float(number) for number in line[:3]] == pytest.approx(truth[0][0, 0], abs=1e-5)


def test_the_moving_camera_of_a_glb_sees_every_joint_where_the_video_has_it(moving, tmp_path):
    export(moving, tmp_path / "x.glb", "glb")
    read = read_glb(tmp_path / "x.glb")
    assert [action["name"] for action in read[0]["animations"]] == ["everybody", "person 1", "person 2", "camera"]
    assert len(read[0]["animations"][0]["channels"]) == 2 * 25 + 2
    lens = read[0]["cameras"][0]["perspective"]
    tall = np.tan(lens["yfov"] / 2)
    for person, joints in zip(moving, glb_joints(tmp_path / "x.glb"), strict=True):
        for row in (0, 7, len(person) - 1):
            matrix = glb_camera(read, int(person.frames[row]))
            seen = (joints[row] - matrix[:3, 3]) @ matrix[:3, :3]
            x, y = seen[:, 0] / -seen[:, 2] / (tall * lens["aspectRatio"]), seen[:, 1] / -seen[:, 2] / tall
            found_px = np.stack([x + 1, 1 - y], 1) / 2 * SIZE
            assert np.abs(found_px - person.joints_px[row]).max() < 0.05
    clock = read[0]["animations"][3]["samplers"][0]["input"]
    assert glb_array(read, clock)[-1, 0] == pytest.approx(59 / performers.FPS)
    assert read[0]["asset"]["extras"]["world"] == {
        "camera": "moving", "gravity": "people", "floor": "feet", "tilt_error_deg": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("up", ["y", "z"])
def test_the_moving_camera_of_a_usd_sees_every_joint_where_the_video_has_it(moving, up, tmp_path):
    pxr = [pytest.importorskip(f"pxr.{name}", reason="the extra usd is not here") for name in ("Gf", "Usd", "UsdGeom")]
    Gf, Usd, UsdGeom = pxr
    export(moving, tmp_path / "x.usdc", "usd", up=up)
    stage = Usd.Stage.Open(str(tmp_path / "x.usdc"))
    camera = UsdGeom.Camera.Get(stage, "/World/camera")
    for person, joints in zip(moving, usd_joints(tmp_path / "x.usdc"), strict=True):
        np.testing.assert_allclose(joints, in_scene(person.joints_world, up), atol=1e-4)
        for row in (0, 7, len(person) - 1):
            seen = camera.GetCamera(int(person.frames[row])).frustum
            matrix = seen.ComputeViewMatrix() * seen.ComputeProjectionMatrix()
            for joint, pixel in zip(joints[row], person.joints_px[row], strict=True):
                x, y, _ = matrix.Transform(Gf.Vec3d(*joint.tolist()))
                assert np.allclose(np.array([x + 1, 1 - y]) / 2 * SIZE, pixel, atol=0.05)
    contacts = stage.GetPrimAtPath("/World/person_1/skeleton_1/motion_1").GetAttribute("vibe:contacts")
    wanted = moving.people[0].contacts
    assert wanted is not None and np.allclose(contacts.Get(5), wanted[5])
    assert not stage.GetPrimAtPath("/World/person_2/skeleton_2/motion_2").GetAttribute("vibe:contacts")


def test_a_camera_that_stands_still_has_no_animation(tmp_path):
    body = load_body(detail="low")
    people = performers.show(body, performers.performer(body, torch.arange(9)))
    export(performers.on_the_floor(body, people, moving=False), tmp_path / "x.glb", "glb")
    head, _ = read_glb(tmp_path / "x.glb")
    assert [action["name"] for action in head["animations"]] == ["person 1"]
    assert "matrix" in next(node for node in head["nodes"] if "camera" in node)


def test_contacts_are_in_tables_and_parameters_of_who_has_them(moving, tmp_path):
    wanted = moving.people[0].contacts
    assert wanted is not None
    export(moving, tmp_path / "x.csv", "csv")
    table = rows(tmp_path / "x.csv")
    names = [f"contact_{side}_{part}" for side in ("left", "right") for part in ("heel", "toe")]
    assert list(table[0])[-4:] == names and len(table) == 90
    found = [[float(row[name]) for name in names] for row in table[:60]]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert all(row[name] == "" for row in table[60:] for name in names)
    for name, to in (("x.npz", "amass"), ("x.json", "smplx-json")):
        for person in (1, 2):
            export(moving, tmp_path / name, to, person=person)
            file = np.load(tmp_path / name) if to == "amass" else json.loads((tmp_path / name).read_text())
            assert ("contacts" in file) == (person == 1)
            assert person == 2 or np.allclose(file["contacts"], wanted, atol=1e-5)


@pytest.mark.parametrize("to", ["glb", "bvh", "amass", "csv", "trc", "smplx-json"])
def test_in_the_camera_s_space_files_are_as_those_of_a_motion_without_a_world(moving, to, tmp_path):
    for name, given, space in (("asked", moving, "camera"), ("plain", replace(moving, world=None), None)):
        export(given, tmp_path / name, to, person=1, space=space)
    if to == "trc":  # which says its name
        texts = [(tmp_path / name).read_text().splitlines()[1:] for name in ("asked", "plain")]
        assert texts[0] == texts[1]
    else:
        assert (tmp_path / "asked").read_bytes() == (tmp_path / "plain").read_bytes()


def test_where_there_is_no_world_it_is_said_if_it_was_asked_for(moving, tmp_path):
    bare = replace(moving, world=None)
    assert "has no world" in export(bare, tmp_path / "x.csv", "csv", space="world").notes[0]
    assert not [note for note in export(bare, tmp_path / "x.csv", "csv").notes if "world" in note]
    with pytest.raises(Misuse, match="space is 'moon': choose one of world, camera"):
        export(bare, tmp_path / "x.csv", "csv", space="moon")
    with pytest.raises(Misuse, match="legacy"):
        export(moving, tmp_path / "x.pkl", "legacy", space="world")
