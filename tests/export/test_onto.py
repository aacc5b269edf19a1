"""Motion on somebody's own character: limbs point as ours, feet stand, the file is else as it was; strange files."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import performers
import pytest
import torch
import walkers
from readers import glb_array, read_glb
from scipy.spatial.transform import Rotation

from vibe.arrays import as_tensors
from vibe.body.skin_points import standing_spans
from vibe.errors import Misuse
from vibe.export.character_file import read_character
from vibe.export.export import export
from vibe.export.gltf import write_glb
from vibe.export.onto import write_onto
from vibe.export.rigs import NEXT, RIGS, find_bones
from vibe.motion.scene import Character, Scene, SceneOptions, build_scene
from vibe.skeletons import SMPL

CHARACTERS = ("human-male.glb", "human-female.glb")


@pytest.fixture(scope="module")
def characters(body, tmp_path_factory):
    """Somebody of another shape on each rig, by its name."""
    folder = tmp_path_factory.mktemp("characters")
    other = performers.show(body, performers.fingered(performers.performer(body, torch.arange(2), 5)))
    for rig in RIGS:
        write_glb(folder / f"{rig}.glb", build_scene(other, body, SceneOptions(root="in-place")), body, rig=rig)
    return {rig: folder / f"{rig}.glb" for rig in RIGS}


def written(path: Path, head: dict, content: bytes) -> Path:
    """A GLB of this JSON and these bytes."""
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 4)
    content += b"\0" * (-len(content) % 4)
    parts = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(content), b"BIN\0") + content
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(parts)) + parts)
    return path


def changed(source: Path, path: Path, change) -> Path:
    """A copy of a GLB whose JSON a function has changed."""
    head, content = read_glb(source)
    change(head)
    return written(path, head, content)


def node(head: dict, name: str) -> dict:
    return next(each for each in head["nodes"] if each.get("name") == name)


def moved(path: Path) -> tuple[dict[str, int], np.ndarray]:
    """The joints' nodes, and [time, node, 4, 4] of the file's last animation."""
    file, read = read_character(path), read_glb(path)
    (action,) = [each for each in read[0]["animations"][-1:] if each["name"] == "person 1"]
    told = {}
    for channel in action["channels"]:
        numbers = glb_array(read, action["samplers"][channel["sampler"]]["output"]).astype(float)
        told[channel["target"]["node"], channel["target"]["path"]] = numbers
    frames = len(next(iter(told.values())))
    matrices = np.tile(np.eye(4), (frames, len(file.names), 1, 1))

    def walk(place: int, above: np.ndarray) -> None:
        plain = read[0]["nodes"][place]
        local = np.tile(np.array(plain.get("matrix", np.eye(4).ravel())).reshape(4, 4).T, (frames, 1, 1))
        if "matrix" not in plain:
            turn = told.get((place, "rotation"), np.array([plain.get("rotation", [0, 0, 0, 1])]))
            local[:, :3, :3] = Rotation.from_quat(turn).as_matrix() * np.array(plain.get("scale", [1, 1, 1]))
            local[:, :3, 3] = told.get((place, "translation"), plain.get("translation", [0, 0, 0]))
        matrices[:, place] = above @ local
        for child in plain.get("children", []):
            walk(child, matrices[:, place])

    for place, parent in enumerate(file.parents):
        if parent < 0:
            walk(place, np.eye(4))
    return find_bones(file), matrices


def worst_deg(path: Path, character: Character, joints: tuple[str, ...], found=None) -> float:
    """By how much a limb points elsewhere than ours, at most."""
    nodes, matrices = moved(path) if found is None else (found, moved(path)[1])
    worst = 0.0
    for first in [f"{side}_{joint}" for side in ("left", "right") for joint in joints]:
        last = NEXT[first]
        theirs = matrices[:, nodes[last], :3, 3] - matrices[:, nodes[first], :3, 3]
        ours = character.joints[:, character.names.index(last)] - character.joints[:, character.names.index(first)]
        cosine = (theirs * ours).sum(1) / np.linalg.norm(theirs, axis=1) / np.linalg.norm(ours, axis=1)
        worst = max(worst, float(np.degrees(np.arccos(cosine.clip(-1, 1))).max()))
    return worst


@pytest.mark.parametrize("rig", RIGS)
def test_limbs_point_as_ours_on_every_rig_and_fingers_too(rig, characters, scene, body, tmp_path):
    free = replace(scene.characters[0], joints=scene.characters[0].joints + [0, 1, 0])  # high above any floor
    free = replace(free, smpl=replace(free.smpl, pelvis=free.joints[:, 0]))
    write_onto(tmp_path / "x.glb", scene, free, body, characters[rig])
    fingered, _ = free.with_fingers(body)
    limbs = ("shoulder", "elbow", "hip", "knee", "wrist", "index1", "thumb2")
    assert worst_deg(tmp_path / "x.glb", fingered, limbs) < 0.6, "a straight leg stays a little bent"
    assert worst_deg(tmp_path / "x.glb", fingered, limbs[:2] + limbs[4:]) < 0.1


def test_a_character_that_faces_away_or_is_drawn_in_centimetres_is_the_same(characters, scene, body, tmp_path):
    def away(head):
        for each in head["nodes"]:
            if "translation" in each:
                each["translation"] = [100 * number for number in each["translation"]]
            if each.get("children") == [0]:
                each |= {"name": "Armature", "scale": [0.01] * 3, "rotation": [0, 1, 0, 0]}

    path = changed(characters["mixamo"], tmp_path / "cm.glb", away)
    read = read_glb(path)
    numbers, skin = bytearray(read[1]), read[0]["skins"][0]["inverseBindMatrices"]
    bind = glb_array(read, skin).reshape(-1, 4, 4).copy()
    bind[:, :3, :3] *= 100  # the mesh is in metres, the bones in centimetres
    bind[:, 3, :3] *= 100
    first = read[0]["bufferViews"][read[0]["accessors"][skin]["bufferView"]]["byteOffset"]
    numbers[first : first + bind.nbytes] = bind.tobytes()
    written(path, read[0], bytes(numbers))
    for source, name in ((characters["mixamo"], "a"), (path, "b")):
        write_onto(tmp_path / f"{name}.glb", scene, scene.characters[0], body, source)
    (nodes, one), (_, two) = (moved(tmp_path / f"{name}.glb") for name in "ab")
    bones = list(nodes.values())
    assert np.abs(one[:, bones, :3, 3] - two[:, bones, :3, 3]).max() < 2e-3


def standing(body) -> tuple[Scene, Character]:
    """Somebody who walks in a world of its own, of whose feet it is known when they stand."""
    one = walkers.walker(as_tensors(body), 90, 0.0, 0.0, 0.0, (0.0, 0.0))
    R = np.diag([1.0, -1.0, -1.0]).astype(np.float32)
    rotmat = np.concatenate([(R @ one.smpl.rotmat[:, 0])[:, None], one.smpl.rotmat[:, 1:]], 1)
    shown = performers.show(body, performers.standing(body, 90), fps=walkers.FPS)
    scene = build_scene(shown, body, SceneOptions())
    joints = one.joints @ R.T
    character = replace(
        scene.characters[0], smpl=replace(one.smpl, rotmat=rotmat, pelvis=joints[:, 0]), joints=joints,
        rest=build_scene(performers.show(body, performers.walking(body, 2)), body, SceneOptions()).characters[0].rest,
        contacts=walkers.true_contacts(body, one),
    )  # fmt: skip
    return scene, character


def lowest_and_drift(path: Path, contacts: np.ndarray, fps: float) -> tuple[float, float]:
    """How low the skin of the feet comes, and how far soles move in a stance, metres."""
    file, (nodes, matrices) = read_character(path), moved(path)
    low, drift, times = np.inf, 0.0, np.arange(len(matrices)) / fps
    for sole, joint in enumerate(("left_ankle", "left_foot", "right_ankle", "right_foot")):
        skin = file.skin[file.carrier == nodes[joint]].astype(float)
        bind = matrices[:, nodes[joint]] @ np.linalg.inv(file.matrices[nodes[joint]])
        there = np.einsum("tij,vj->tvi", bind[:, :3, :3], skin) + bind[:, None, :3, 3]
        low = min(low, float(there[..., 1].min()))
        bottom = skin[:, 1] < skin[:, 1].min() + 0.012
        along = skin[bottom, 2].min() + 0.012 if sole % 2 == 0 else skin[bottom, 2].mean()
        place = np.array([file.matrices[nodes[joint], 0, 3], skin[:, 1].min(), along])
        path_of_sole = bind[:, :3, :3] @ place + bind[:, :3, 3]
        for span in standing_spans(contacts[:, sole] > 0.5, times):
            part = path_of_sole[span]
            drift = max(drift, float(np.linalg.norm(part - part.mean(0), axis=1).max()))
    return low, drift


@pytest.mark.parametrize("rig", ["mixamo", "ue5"])
def test_feet_stand_still_and_on_the_floor_after_scaling(rig, characters, body, tmp_path):
    scene, character = standing(body)
    write_onto(tmp_path / "x.glb", scene, character, body, characters[rig])
    low, drift = lowest_and_drift(tmp_path / "x.glb", character.contacts, scene.fps)
    assert low > -0.012 and drift < 0.006


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_shared_characters_take_it_too(name, shared, scene, body, tmp_path):
    source = shared / "data" / "characters" / name
    if not source.is_file():
        pytest.skip("the characters are not here")
    walking, walker = standing(body)
    write_onto(tmp_path / "x.glb", walking, walker, body, source)
    assert worst_deg(tmp_path / "x.glb", walker, ("shoulder", "elbow")) < 0.1
    low, drift = lowest_and_drift(tmp_path / "x.glb", walker.contacts, walking.fps)
    assert low > -0.012 and drift < 0.006
    high = replace(scene.characters[0], joints=scene.characters[0].joints + [0, 1, 0])
    write_onto(tmp_path / "y.glb", scene, high, body, source)
    assert worst_deg(tmp_path / "y.glb", scene.characters[0], ("hip", "knee")) < 1.2, (
        "a straight leg stays a little bent"
    )


def test_the_path_is_scaled_by_the_legs(characters, body, tmp_path):
    scene, character = standing(body)
    write_onto(tmp_path / "x.glb", scene, character, body, characters["mixamo"])
    nodes, matrices = moved(tmp_path / "x.glb")
    rest = read_character(characters["mixamo"]).matrices

    def leg(places):
        return np.linalg.norm(places[1] - places[0]) + np.linalg.norm(places[2] - places[1])

    theirs = leg([rest[nodes[f"left_{joint}"], :3, 3] for joint in ("hip", "knee", "ankle")])
    ours = leg([character.rest[SMPL.index(f"left_{joint}")] for joint in ("hip", "knee", "ankle")])
    paths = matrices[:, nodes["pelvis"], :3, 3], character.joints[:, 0]
    far = [np.linalg.norm((path[-1] - path[0])[[0, 2]]) for path in paths]
    assert far[0] / far[1] == pytest.approx(theirs / ours, rel=0.05) and far[1] > 1


def test_the_file_is_else_as_it_was(characters, given, body, tmp_path):
    (path,) = export(given, tmp_path / "x.glb", "glb", body=body, onto=characters["ue5"]).files
    (head, content), (before, numbers) = read_glb(path), read_glb(characters["ue5"])
    assert content[: before["buffers"][0]["byteLength"]] == numbers[: before["buffers"][0]["byteLength"]]
    for name in set(before) - {"accessors", "bufferViews", "animations", "buffers"}:
        assert head[name] == before[name], name
    for name in ("accessors", "bufferViews", "animations"):
        assert head[name][: len(before[name])] == before[name]
    assert [action["name"] for action in head["animations"]] == ["person 1", "person 1"]
    assert head["animations"][-1]["extras"]["units"].startswith("metres")


def test_several_people_are_a_file_each_and_loose_feet_are_said(characters, body, tmp_path):
    people = [performers.performer(body, torch.arange(5), seed) for seed in (0, 1)]
    done = export(performers.show(body, *people), tmp_path / "all", "glb", body=body, onto=characters["vrm"])
    assert [path.name for path in done.files] == ["person1.glb", "person2.glb"]
    assert any("not held" in note for note in done.notes)


@pytest.mark.parametrize("version", [0, 1])
def test_an_avatar_s_own_table_names_the_bones(version, characters, scene, body, tmp_path):
    def strange(head):
        names = {each.get("name"): place for place, each in enumerate(head["nodes"])}
        bones = {name: {"node": names[name]} for name in RIGS["vrm"].bones.values()}
        told = {"humanBones": bones if version else [{"bone": name} | what for name, what in bones.items()]}
        head["extensions"] = {"VRMC_vrm" if version else "VRM": {"humanoid": told}}
        for place, each in enumerate(head["nodes"]):
            each["name"] = f"node {place}"

    avatar = changed(characters["vrm"], tmp_path / "avatar.vrm", strange)
    write_onto(tmp_path / "x.vrm", scene, scene.characters[0], body, avatar)
    assert worst_deg(tmp_path / "x.vrm", scene.characters[0], ("shoulder", "elbow")) < 0.1


def test_a_map_names_the_bones(characters, scene, body, tmp_path):
    def strange(head):
        for each in head["nodes"]:
            each["name"] = each["name"][::-1]

    path = changed(characters["mixamo"], tmp_path / "strange.glb", strange)
    told = {joint: bone[::-1] for joint, bone in RIGS["mixamo"].bones.items()}
    (tmp_path / "map.json").write_text(json.dumps(told))
    write_onto(tmp_path / "x.glb", scene, scene.characters[0], body, path, tmp_path / "map.json")
    found = find_bones(read_character(path), tmp_path / "map.json")
    assert list(found) == list(find_bones(read_character(characters["mixamo"])))
    with pytest.raises(ValueError, match=r"no bone that is known for pelvis, head, .*--bones"):
        write_onto(tmp_path / "y.glb", scene, scene.characters[0], body, path)
    for wrong, words in [
        ('{"left_hip": "nothing"}', "0 nodes called nothing"), ('{"tail": "x"}', "tail is no joint"),
        ("[1, 2]", "no map of bones"), ('{"pelvis": 3}', "pelvis is no joint with a name"), ("{" * 9999, "no map"),
    ]:  # fmt: skip
        (tmp_path / "map.json").write_text(wrong)
        with pytest.raises(ValueError, match=words):
            write_onto(tmp_path / "y.glb", scene, scene.characters[0], body, path, tmp_path / "map.json")
    assert not (tmp_path / "y.glb").exists()


def mirror(head):
    node(head, "mixamorig:LeftArm")["scale"] = [-1, 1, 1]


def stretch(head):
    node(head, "mixamorig:LeftArm")["scale"] = [1, 2, 1]


def twice(head):
    node(head, "mixamorig:LeftHandIndex1")["name"] = "mixamorig:LeftArm"


def loosen(head):
    knee = head["nodes"].index(node(head, "mixamorig:LeftLeg"))
    node(head, "mixamorig:LeftUpLeg")["children"] = []
    node(head, "mixamorig:Hips")["children"].append(knee)


def bend(head):
    node(head, "mixamorig:LeftLeg")["rotation"] = [0.5, 0, 0, 0.866]


def lean(head):
    node(head, "mixamorig:Hips")["rotation"] = [0.5, 0, 0, 0.866]


def drop_arms(head):
    node(head, "mixamorig:LeftArm")["rotation"] = [0.7, 0, 0, 0.714]


def unskin(head):
    head["skins"] = []


def circle(head):
    node(head, "mixamorig:LeftHand")["children"] = [0]


def pack(head):
    head["meshes"][0]["primitives"][0]["extensions"] = {"KHR_draco_mesh_compression": {}}


def bare_feet(head):
    head["meshes"] = [{"primitives": []}]


def outside(head):
    head["bufferViews"][0]["byteOffset"] = 1 << 40


def elsewhere(head):
    head["buffers"][0]["uri"] = "x.bin"


def nowhere(head):
    node(head, "mixamorig:LeftArm")["translation"] = [float("nan"), 0, 0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (mirror, "LeftArm is mirrored"), (stretch, "is scaled unevenly"), (twice, "2 bones called mixamorig:LeftArm"),
        (loosen, "LeftLeg does not hang on that of left_hip"), (bend, "left knee bent by 60"), (lean, "leans by 6"),
        (unskin, "no skeleton"), (circle, "circle|hangs on two"), (pack, "without compression"),
        (bare_feet, "no skin on its left foot"), (outside, "beyond its end"), (elsewhere, "in another file"),
        (nowhere, "not finite"),
    ],
)  # fmt: skip
def test_a_character_that_can_t_be_moved_is_refused_by_one_sentence(change, words, characters, scene, body, tmp_path):
    path = changed(characters["mixamo"], tmp_path / "strange.glb", change)
    with pytest.raises(ValueError, match=words) as error:
        write_onto(tmp_path / "x.glb", scene, scene.characters[0], body, path)
    assert "strange.glb" in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "x.glb").exists()


def test_files_that_are_no_characters_are_refused_before_they_are_read(scene, body, tmp_path):
    for name, content, words in [
        ("x.fbx", b"", "give --to fbx"),
        ("x.gltf", b"{}", r"give a \.glb or \.vrm"), ("x.glb", b"glTF", "can't be read"),
        ("x.glb", b"PK" + bytes(99), "no GLB"), ("x.glb", struct.pack("<4sII", b"glTF", 1, 99) + bytes(99), "glTF 1"),
    ]:  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=words):
            write_onto(tmp_path / "y.glb", scene, scene.characters[0], body, tmp_path / name)
    with (tmp_path / "large.glb").open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(ValueError, match=r"2\.1 GB"):
        write_onto(tmp_path / "y.glb", scene, scene.characters[0], body, tmp_path / "large.glb")
    with pytest.raises(FileNotFoundError):
        write_onto(tmp_path / "y.glb", scene, scene.characters[0], body, tmp_path / "none.glb")


def test_the_character_itself_is_not_written_over(characters, scene, body, tmp_path):
    own = tmp_path / "hero.glb"
    own.write_bytes(characters["vrm"].read_bytes())
    with pytest.raises(Misuse, match="would be overwritten"):
        write_onto(own, scene, scene.characters[0], body, own)
    assert own.read_bytes() == characters["vrm"].read_bytes()


def test_a_character_goes_with_glb_and_fbx_alone(given, body, characters, tmp_path):
    for to, options, words in [
        ("bvh", {"onto": characters["vrm"]}, "--to glb"), ("glb", {"onto": characters["vrm"], "rig": "vrm"}, "no rig"),
        ("glb", {"bones": tmp_path / "map.json"}, "--onto"),
    ]:  # fmt: skip
        with pytest.raises(Misuse, match=words):
            export(given, tmp_path / "x.glb", to, body=body, **options)
