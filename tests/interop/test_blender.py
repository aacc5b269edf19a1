"""Blender, as the package bpy: it opens our files with its own importers, and makes FBX out of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from readers import read_glb

from vibe.body.hands import relaxed
from vibe.body.outfit import dressed
from vibe.body.placed import vertices_cam
from vibe.export.export import export
from vibe.export.gltf import GltfFile
from vibe.export.rigs import RIGS
from vibe.motion.scene import SceneOptions, build_scene
from vibe.skeletons import SMPL

READER = Path(__file__).with_name("in_blender.py")
STAND_IN = """#!{python}
import os, runpy, sys, traceback
code = 0
try:
    runpy.run_path(sys.argv[sys.argv.index("--python") + 1], run_name="__main__")
except Exception:
    traceback.print_exc()
    code = int(sys.argv[sys.argv.index("--python-exit-code") + 1])
sys.stderr.flush()
os._exit(code)  # some of the packages crash where Python ends by itself
"""
"""The program Blender, by its package: what the package lacks is the program's own command line."""


def opened(python: Path, path: Path) -> dict[str, np.ndarray]:
    """What Blender finds in a file."""
    out = path.with_suffix(".found.npz")
    done = subprocess.run([python, READER, path, out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(out) as file:
        return dict(file)


def blender_s(points: np.ndarray) -> np.ndarray:
    """Points of a scene whose y points up, in Blender's axes."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)


def assert_person(found: dict[str, np.ndarray], number: int, character, body, skin: float) -> None:
    """Joints in every frame and at rest, and the skin, to so many metres."""
    order = [found[f"{number}/bones"].tolist().index(name) for name in SMPL]
    joints = found[f"{number}/joints"][:, order]
    assert joints.shape == character.joints.shape
    assert np.abs(joints - blender_s(character.joints)).max() < 0.001
    rest = found[f"{number}/rest"][order]
    assert np.abs((rest - rest[0]) - blender_s(character.rest - character.rest[0])).max() < 0.001, "a T-pose"
    if len(found[f"{number}/surface"]):
        truth = vertices_cam(character.smpl, relaxed(body))
        apart = np.linalg.norm(found[f"{number}/surface"] - blender_s(truth), axis=-1)
        assert apart.max() < skin


def test_glb_has_a_skeleton_and_an_action_for_each_person_and_the_camera(blender_python, given, body, tmp_path):
    export(given, tmp_path / "x.glb", "glb", body=body)
    found = opened(blender_python, tmp_path / "x.glb")
    for number, character in enumerate(build_scene(given, body, SceneOptions()).characters, start=1):
        assert_person(found, number, character, dressed(body), 0.015)
        assert found[f"{number}/name"] == f"person {number}"
        assert str(found[f"{number}/action"]).startswith("everybody"), "with the person's name before Blender 4.4"
        assert np.allclose(found[f"{number}/scale"], 1)
        keys = character.first + np.array([0, len(character.joints) - 1])
        assert np.allclose(found[f"{number}/range"] / found["fps"], keys / given.clip.fps, atol=1e-4)
    assert found["cameras"].tolist() == ["camera"]
    assert {name.split("_")[0] for name in found["actions"].tolist()} == {"everybody", "person 1", "person 2"}


@pytest.mark.parametrize("up", ["y", "z"])
def test_usd_has_the_same(up, blender_python, given, body, tmp_path):
    pytest.importorskip("pxr")
    export(given, tmp_path / "x.usdc", "usd", up=up, body=body)
    found = opened(blender_python, tmp_path / "x.usdc")
    for number, character in enumerate(build_scene(given, body, SceneOptions()).characters, start=1):
        assert_person(found, number, character, dressed(body), 0.0001)
        assert found[f"{number}/name"] == f"skeleton_{number}"
        assert np.allclose(found[f"{number}/scale"], 1)
        assert found[f"{number}/range"].tolist() == [character.first, character.first + len(character.joints) - 1]
    assert found["cameras"].tolist() == ["camera"]


def test_bvh_comes_in_at_its_size_and_rate(blender_python, given, body, tmp_path):
    done = export(given, tmp_path / "all", "bvh", body=body)
    for path, character in zip(done.files, build_scene(given, body, SceneOptions()).characters, strict=True):
        found = opened(blender_python, path)
        assert_person(found, 1, character, body, 0)
        assert np.allclose(found["1/scale"], 1)
        assert found["fps"] == pytest.approx(given.clip.fps, rel=1e-4)
        assert found["1/range"].tolist() == [1, len(character.joints)]


def test_fbx_is_made_and_read_back_with_skin(blender_python, given, body, tmp_path):
    program = tmp_path / "blender"
    program.write_text(STAND_IN.format(python=blender_python))
    program.chmod(0o755)
    done = export(given, tmp_path / "all", "fbx", blender=program, body=body)
    assert [path.name for path in done.files] == ["person1.fbx", "person2.fbx"]
    for path, character in zip(done.files, build_scene(given, body, SceneOptions()).characters, strict=True):
        found = opened(blender_python, path)
        assert_person(found, 1, character, body, 0.015)
        assert found["1/name"] == "Armature"
        assert found["1/action"] == f"Armature|person {character.number}"
        assert np.allclose(found["1/scale"], 0.01), "centimetres, which Blender brings to its metres"
        assert sorted(found["objects"].tolist()) == ["Armature", f"person {character.number} skin"]
        assert found["fps"] == pytest.approx(given.clip.fps, rel=1e-4)


@pytest.mark.parametrize("to", ["bvh", "glb", "fbx"])
@pytest.mark.parametrize("rig", [rig for rig in RIGS if rig != "smpl"])
def test_the_bones_of_every_rig_are_where_our_joints_are(rig, to, blender_python, given, body, tmp_path):
    program = tmp_path / "blender"
    program.write_text(STAND_IN.format(python=blender_python))
    program.chmod(0o755)
    (path,) = export(
        given, tmp_path / f"x.{to}", to, person=1, rig=rig, body=body, blender=program if to == "fbx" else None
    ).files
    found, (character,) = opened(blender_python, path), build_scene(given, body, SceneOptions(), 1).characters
    bones = found["1/bones"].tolist()
    joints = [joint for joint, name in enumerate(SMPL) if name in RIGS[rig].bones]
    order = [bones.index(RIGS[rig].bones[SMPL[joint]]) for joint in joints]
    assert len(joints) == 22 and found["1/joints"].shape[0] == len(character.joints)
    assert np.abs(found["1/joints"][:, order] - blender_s(character.joints[:, joints])).max() < 0.002
    shoulder, elbow = (found["1/rest"][bones.index(RIGS[rig].bones[f"left_{name}"])] for name in ("shoulder", "elbow"))
    down_deg = np.degrees(np.arctan2(*(shoulder - elbow)[[2, 0]] * [1, -1]))
    assert down_deg == pytest.approx(RIGS[rig].arms_down_deg, abs=8), "the body's own arms hang a little"
    if to != "bvh":
        assert found["1/rest"][order, 2].min() > 0, "it rests on its soles"


MADE = """
import os, sys, bpy
source, out, unit = sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
if unit == "cm":
    bpy.context.scene.unit_settings.system, bpy.context.scene.unit_settings.scale_length = "METRIC", 0.01
if source:
    bpy.ops.import_scene.gltf(filepath=source, bone_heuristic="BLENDER" if unit == "cm" else "TEMPERANCE")
else:
    bpy.ops.mesh.primitive_cube_add()
bpy.ops.export_scene.fbx(filepath=out)
os._exit(0)
"""
"""An FBX as somebody's own Blender writes it, in this unit, with bones along other axes than the GLB's in metres."""


@pytest.mark.parametrize("unit", ["cm", "m"])
def test_a_character_in_fbx_moves_as_the_same_one_in_glb(unit, blender_python, given, body, tmp_path):
    program, own = tmp_path / "blender", tmp_path / "own.fbx"
    program.write_text(STAND_IN.format(python=blender_python))
    program.chmod(0o755)
    export(given, tmp_path / "own.glb", "glb", body=body, person=2, rig="mixamo")
    head, content = read_glb(tmp_path / "own.glb")
    head["animations"] = []
    (tmp_path / "own.glb").write_bytes(GltfFile(head, content).content())
    subprocess.run([blender_python, "-c", MADE, tmp_path / "own.glb", own, unit], check=True, capture_output=True)
    export(given, tmp_path / "x.glb", "glb", body=body, person=1, onto=tmp_path / "own.glb")
    export(given, tmp_path / "x.fbx", "fbx", body=body, person=1, onto=own, blender=program)
    ours, theirs = opened(blender_python, tmp_path / "x.glb"), opened(blender_python, tmp_path / "x.fbx")
    order = [theirs["1/bones"].tolist().index(name) for name in ours["1/bones"]]
    assert np.abs(theirs["1/joints"][:, order] - ours["1/joints"]).max() < 0.001
    assert theirs["fps"] == pytest.approx(given.clip.fps, rel=1e-4)
    if len(ours["1/surface"]):
        assert np.abs(theirs["1/surface"] - ours["1/surface"]).max() < 0.002


def test_an_fbx_that_is_no_character_is_refused_by_one_sentence(blender_python, given, body, tmp_path):
    program, own = tmp_path / "blender", tmp_path / "own.fbx"
    program.write_text(STAND_IN.format(python=blender_python))
    program.chmod(0o755)
    subprocess.run([blender_python, "-c", MADE, "", own, "m"], check=True, capture_output=True)
    whole = own.read_bytes()
    for content, words in [
        (whole, r"own\.fbx has no skeleton"), (whole[:2000], r"own\.fbx can't be opened by Blender"),
        (b"; FBX 7.3.0 project file", "ASCII FBX"), (b"", r"can't be opened by Blender"),
    ]:  # fmt: skip
        own.write_bytes(content)
        with pytest.raises(ValueError, match=words) as error:
            export(given, tmp_path / "x.fbx", "fbx", body=body, person=1, onto=own, blender=program)
        assert "\n" not in str(error.value) and str(tmp_path / "own.fbx") in str(error.value)
    assert not (tmp_path / "x.fbx").exists()


def test_what_blender_says_is_in_the_error(blender_python, given, body, tmp_path, monkeypatch):
    from vibe.export import fbx

    program = tmp_path / "blender"
    program.write_text(STAND_IN.format(python=blender_python))
    program.chmod(0o755)
    monkeypatch.setattr(fbx, "write_glb", lambda path, *_, **__: path.write_bytes(b"no glTF"))
    with pytest.raises(ValueError, match="opened by Blender .*Bad glTF"):
        export(given, tmp_path / "new" / "x.fbx", "fbx", person=1, blender=program, body=body)
    assert not (tmp_path / "new").exists()
