"""Joints and surfaces as other programs find them in exported files, by the rules of the files' own formats."""

from __future__ import annotations

import csv
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch

from vibe.body import Body, pose_joints
from vibe.skeletons import SMPL

KINDS = {5126: np.float32, 5125: np.uint32, 5123: np.uint16, 5121: np.uint8}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
Glb = tuple[dict[str, Any], bytes]


def read_glb(path: Path) -> Glb:
    """The file's JSON and its bytes."""
    content = path.read_bytes()
    magic, version, size, length, kind = struct.unpack("<4sIII4s", content[:20])
    assert (magic, version, size, kind) == (b"glTF", 2, len(content), b"JSON")
    return json.loads(content[20 : 20 + length]), content[28 + length :]


def glb_array(read: Glb, index: int) -> np.ndarray:
    """An accessor's numbers."""
    head, content = read
    accessor = head["accessors"][index]
    view = head["bufferViews"][accessor["bufferView"]]
    kind, width = KINDS[accessor["componentType"]], WIDTHS[accessor["type"]]
    return np.frombuffer(content, kind, accessor["count"] * width, view["byteOffset"]).reshape(-1, width)


def glb_matrices(read: Glb, person: int, frame: int) -> torch.Tensor:
    """World matrices of a person's joints in one of their frames."""
    head, _ = read
    nodes, skin = head["nodes"], head["skins"][person]
    action = next(action for action in head["animations"] if action["name"] == skin["name"])
    told = {}
    for channel in action["channels"]:
        numbers = glb_array(read, action["samplers"][channel["sampler"]]["output"])[frame]
        told[channel["target"]["node"], channel["target"]["path"]] = torch.tensor(numbers)
    world = {}

    def walk(node: int, above: torch.Tensor) -> None:
        local = torch.eye(4)
        local[:3, 3] = told.get((node, "translation"), torch.tensor(nodes[node]["translation"]))
        local[:3, :3] = roma.unitquat_to_rotmat(told[node, "rotation"])
        world[node] = above @ local
        for child in nodes[node].get("children", []):
            walk(child, world[node])

    walk(skin["joints"][0], torch.eye(4))
    return torch.stack([world[node] for node in skin["joints"]])


def glb_joints(path: Path) -> list[np.ndarray]:
    """Everybody's joints in every frame of theirs."""
    read = read_glb(path)
    found = []
    actions = [action for action in read[0]["animations"] if action["name"] != "everybody"]
    for person, action in enumerate(actions):
        frames = len(glb_array(read, action["samplers"][0]["input"]))
        matrices = torch.stack([glb_matrices(read, person, frame) for frame in range(frames)])
        found.append(matrices[..., :3, 3].numpy())
    return found


def bvh_joints(path: Path) -> np.ndarray:
    """Joints as bvhio finds them, centimetres made metres."""
    import bvhio

    read = bvhio.readAsHierarchy(str(path))
    joints = {joint.Name: joint for joint, _, _ in read.layout()}
    found = []
    for frame in range(read.getKeyframeRange()[1] + 1):
        read.loadPose(frame)
        found.append([list(joints[name].PositionWorld) for name in SMPL])
    return np.array(found) / 100


def usd_joints(path: Path) -> list[np.ndarray]:
    """Everybody's joints at the times of their samples, as Pixar's library poses the skeletons."""
    from pxr import Usd, UsdSkel

    scene, cache, found = Usd.Stage.Open(str(path)), UsdSkel.Cache(), []
    for prim in scene.Traverse():
        if prim.IsA(UsdSkel.Root):
            cache.Populate(UsdSkel.Root(prim), Usd.PrimDefaultPredicate)
        if prim.IsA(UsdSkel.Skeleton):
            query = cache.GetSkelQuery(UsdSkel.Skeleton(prim))
            times = query.GetAnimQuery().GetJointTransformTimeSamples()
            posed = np.array([query.ComputeJointSkelTransforms(time) for time in times])
            names = UsdSkel.Skeleton(prim).GetJointNamesAttr().Get()
            found.append(posed[:, [list(names).index(name) for name in SMPL], 3, :3])
    return found


def usd_surface(path: Path, person: int, frame: int) -> np.ndarray:
    """A person's skin in a frame of the stage."""
    from pxr import Usd, UsdGeom, UsdSkel

    scene = Usd.Stage.Open(str(path))
    root = UsdSkel.Root.Get(scene, f"/World/person_{person}")
    assert UsdSkel.BakeSkinning(root)
    mesh = UsdGeom.Mesh.Get(scene, f"/World/person_{person}/skin_{person}")
    return np.array(mesh.GetPointsAttr().Get(frame))


def csv_joints(path: Path, up: str) -> list[np.ndarray]:
    """Everybody's joints."""
    axes = [axis + ("_up" if axis == up else "") for axis in "xyz"]
    with path.open(newline="") as file:
        table = list(csv.DictReader(file))
    people: dict[str, list] = {}
    for row in table:
        people.setdefault(row["person"], []).append(
            [[float(row[f"{joint}_{axis}_m"]) for axis in axes] for joint in SMPL]
        )
    return [np.array(found) for found in people.values()]


def trc_joints(path: Path) -> np.ndarray:
    """The markers, which the third line says are in metres."""
    lines = path.read_text().splitlines()
    assert lines[2].split("\t")[4] == "m" and lines[3].split("\t")[2::3][: len(SMPL)] == SMPL
    rows = np.array([line.split("\t") for line in lines[6:]], float)
    return rows[:, 2:].reshape(-1, len(SMPL), 3)


def smpl_joints(body: Body, poses: Any, betas: Any, trans: Any) -> torch.Tensor:
    """As SMPL's software places a body: posed about its own origin, then moved by `trans`."""
    trans, betas = (torch.as_tensor(numbers, dtype=torch.float32) for numbers in (trans, betas))
    poses = torch.as_tensor(poses, dtype=torch.float32).reshape(len(trans), -1)[:, :66]
    rotvec = torch.cat([poses, torch.zeros(len(trans), 6)], 1).unflatten(1, (24, 3))
    return pose_joints(body, roma.rotvec_to_rotmat(rotvec), betas)[1] + trans[:, None]


def amass_joints(path: Path, body: Body) -> np.ndarray:
    """Joints of an SMPL body whose motion the file holds."""
    with np.load(path, allow_pickle=False) as file:
        return smpl_joints(body, file["poses"], file["betas"], file["trans"]).numpy()


def smplx_json_joints(path: Path, body: Body) -> np.ndarray:
    """Likewise."""
    read = json.loads(path.read_text())
    poses = np.concatenate([read["global_orient"], read["body_pose"]], 1)
    return smpl_joints(body, poses, read["betas"], read["transl"]).numpy()
