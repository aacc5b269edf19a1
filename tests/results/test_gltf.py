"""GLB: read by published programs, joints, skin and camera are where they were."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import performers
import pytest
import roma
import torch

from vibe.body import load_body, vertices
from vibe.results.gltf import continuous, influences, write_glb
from vibe.results.staging import Staging, stage
from vibe.skeletons import SMPL

KINDS = {5126: np.float32, 5125: np.uint32, 5123: np.uint16, 5121: np.uint8}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@pytest.fixture(scope="module")
def body():
    return load_body(detail="low")


@pytest.fixture(scope="module")
def staged(body):
    people = performers.performer(body, torch.arange(60)), performers.performer(body, torch.arange(20, 50), 1)
    return stage(performers.show(body, *people), body, Staging())


@pytest.fixture(scope="module")
def path(body, staged, tmp_path_factory):
    path = tmp_path_factory.mktemp("glb") / "x.glb"
    write_glb(path, staged, body)
    return path


@pytest.fixture(scope="module")
def read(path):
    """The file's JSON and its bytes, by a published reader."""
    pygltflib = pytest.importorskip("pygltflib")
    file = pygltflib.GLTF2().load(str(path))
    return json.loads(file.to_json()), file.binary_blob()


def array(read, index):
    head, content = read
    accessor = head["accessors"][index]
    view = head["bufferViews"][accessor["bufferView"]]
    kind, width = KINDS[accessor["componentType"]], WIDTHS[accessor["type"]]
    return np.frombuffer(content, kind, accessor["count"] * width, view["byteOffset"]).reshape(-1, width)


def posed(read, person, frame):
    """World matrices of a person's joints in one of their frames, by the rules of glTF."""
    head, _ = read
    nodes, skin, action = head["nodes"], head["skins"][person], head["animations"][person]
    told = {}
    for channel in action["channels"]:
        numbers = array(read, action["samplers"][channel["sampler"]]["output"])[frame]
        told[channel["target"]["node"], channel["target"]["path"]] = torch.tensor(numbers)
    world = {}

    def walk(node, above):
        local = torch.eye(4)
        local[:3, 3] = told.get((node, "translation"), torch.tensor(nodes[node]["translation"]))
        local[:3, :3] = roma.unitquat_to_rotmat(told[node, "rotation"])
        world[node] = above @ local
        for child in nodes[node].get("children") or []:
            walk(child, world[node])

    walk(skin["joints"][0], torch.eye(4))
    return torch.stack([world[node] for node in skin["joints"]])


def test_every_person_s_action_gives_the_joints(read, staged):
    for person, actor in enumerate(staged.actors):
        clock = array(read, read[0]["animations"][person]["samplers"][0]["input"])[:, 0]
        assert np.allclose(clock, (actor.first + np.arange(len(actor.joints))) / 25)
        for frame in (0, 11, 29):
            assert (posed(read, person, frame)[:, :3, 3] - actor.joints[frame]).abs().max() < 1e-4


def test_the_skin_follows_to_some_millimetres(read, staged, body):
    """Four joints a vertex stand for up to seven; the mean of all is far below a millimetre."""
    for person, actor in enumerate(staged.actors):
        told = read[0]["meshes"][person]["primitives"][0]["attributes"]
        rest, joints, weights = (array(read, told[name]) for name in ("POSITION", "JOINTS_0", "WEIGHTS_0"))
        inverse = torch.tensor(array(read, read[0]["skins"][person]["inverseBindMatrices"])).reshape(24, 4, 4).mT
        matrices = (posed(read, person, 17) @ inverse)[joints.astype(np.int64)]
        blended = (matrices * torch.tensor(weights)[..., None, None]).sum(1)
        found = (blended @ torch.nn.functional.pad(torch.tensor(rest), (0, 1), value=1.0)[..., None])[:, :3, 0]
        truth = vertices(body, actor.rotmat[17], actor.betas) - actor.rest[0] + actor.joints[17, 0]
        apart = (found - truth).norm(dim=-1)
        assert apart.max() < 0.015 and apart.mean() < 0.0005
        exact = (body.weights > 0).sum(1) <= 4
        assert apart[exact].max() < 1e-4


def test_the_camera_sees_a_joint_where_the_video_has_it(read, staged, body):
    head, _ = read
    node = next(node for node in head["nodes"] if node.get("camera") is not None)
    lens = head["cameras"][0]["perspective"]
    matrix = np.array(node["matrix"]).reshape(4, 4).T
    joints = staged.actors[0].joints[5].numpy()
    seen = (joints - matrix[:3, 3]) @ matrix[:3, :3]
    assert (seen[:, 2] < 0).all(), "glTF's camera looks along -z"
    tall = np.tan(lens["yfov"] / 2)
    x = seen[:, 0] / -seen[:, 2] / (tall * lens["aspectRatio"])
    y = seen[:, 1] / -seen[:, 2] / tall
    found_px = np.stack([(x + 1) / 2 * performers.WIDTH, (1 - y) / 2 * performers.HEIGHT], 1)
    truth_px = performers.performer(body, torch.arange(60)).joints_px[5].numpy()
    assert np.abs(found_px - truth_px).max() < 0.01


def test_units_axes_and_body_are_in_the_file(read, body):
    extras = read[0]["asset"]["extras"]
    assert extras["units"].startswith("metres") and extras["axes"] == "right-handed, y up"
    assert extras["body"]["sha256"] == body.origin.sha256 and extras["body"]["licence"]
    assert [action["name"] for action in read[0]["animations"]] == ["person 1", "person 2"]
    assert {node["name"] for node in read[0]["nodes"]} >= {*SMPL, "person 1", "person 2", "camera"}


def test_trimesh_opens_it(path, body):
    trimesh = pytest.importorskip("trimesh")
    scene = trimesh.load(io.BytesIO(path.read_bytes()), file_type="glb")
    assert sorted(len(mesh.faces) for mesh in scene.geometry.values()) == [len(body.faces)] * 2


def test_the_khronos_validator_finds_nothing_wrong(path):
    node = shutil.which("node")
    program = (
        "const v=require('gltf-validator'),f=require('fs');"
        "v.validateBytes(new Uint8Array(f.readFileSync(process.argv[1]))).then(r=>console.log("
        "JSON.stringify(r.issues)))"
    )
    try:
        done = subprocess.run([str(node), "-e", program, str(path)], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("node with the package gltf-validator is not here")
    issues = json.loads(done.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"][:5]


def test_four_joints_carry_all_of_every_vertex(body):
    joints, weights = influences(body.weights)
    assert torch.allclose(weights.sum(1), torch.ones(len(weights)), atol=1e-6)
    assert (joints[weights == 0] == 0).all()


def test_neighbouring_quaternions_lie_on_one_side():
    turning = roma.rotvec_to_unitquat(torch.linspace(0, 12, 50)[:, None, None] * torch.tensor([0.0, 0.6, 0.8]))
    assert ((continuous(turning)[1:] * continuous(turning)[:-1]).sum(-1) > 0).all()


def test_z_can_t_point_up_and_held_people_leave_no_camera(body, tmp_path: Path):
    given = performers.show(body, performers.performer(body, torch.arange(3)))
    with pytest.raises(ValueError, match="--up"):
        write_glb(tmp_path / "x.glb", stage(given, body, Staging("z")), body)
    assert not list(tmp_path.iterdir())
    write_glb(tmp_path / "x.glb", stage(given, body, Staging(root="in-place")), body)
    assert b'"cameras"' not in (tmp_path / "x.glb").read_bytes()
