"""FBX: what is asked of a Blender, and what is said where there is none or it fails. `make interop` runs a real one."""

import sys
from pathlib import Path

import numpy as np
import performers
import pytest
import torch
from readers import glb_joints
from resting_fbx import resting_fbx

from vibe.errors import Misuse
from vibe.export import fbx
from vibe.export.fbx import find_blender, write_fbx, write_onto_fbx
from vibe.export.fbx_file import MAGIC
from vibe.motion.scene import SceneOptions, build_scene
from vibe.skeletons import SMPL, SMPL_PARENTS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for Blender is a script with a shebang")


STAND_IN = """
import shutil, types

class Anything:
    data = context = ops = wm = render = unit_settings = property(lambda self: Anything())
    modifiers, type = [], "ARMATURE"

    def __getattr__(self, name):
        return lambda *_, **__: None

armature = Anything()
scene = types.SimpleNamespace(
    unit_settings=Anything(), render=Anything(), objects=[armature], frame_set=lambda frame: None, name=""
)
context = types.SimpleNamespace(scene=scene)
ops = types.SimpleNamespace(
    wm=Anything(),
    import_scene=types.SimpleNamespace(gltf=lambda filepath, bone_heuristic: None),
    export_scene=types.SimpleNamespace(fbx=lambda filepath, **_: shutil.copy("REST", filepath)),
)
"""
"""Blender's package, as far as the script needs it."""


@pytest.fixture(scope="module")
def scene(body):
    people = performers.performer(body, torch.arange(9)), performers.performer(body, torch.arange(4, 9), 1)
    return build_scene(performers.show(body, *people, fps=29.97), body, SceneOptions())


@pytest.fixture
def blender(tmp_path):
    """Makes a program that stands in for Blender; `given` are its arguments."""

    def make(does: str) -> Path:
        (tmp_path / "bin").mkdir(exist_ok=True)
        program = tmp_path / "bin" / "blender"
        program.write_text(f"#!{sys.executable}\nimport sys\ngiven = sys.argv[1:]\n{does}\n")
        program.chmod(0o755)
        return program

    return make


def left(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir() if path.name != "bin")


@pytest.fixture
def rest(tmp_path):
    """What Blender would write: SMPL's bones."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    path = tmp_path / "bin" / "rest.fbx"
    path.write_bytes(resting_fbx(SMPL, SMPL_PARENTS, np.ones((24, 3)), np.zeros((24, 3))))
    return path


def test_blender_is_given_one_person_at_rest_and_a_script_without_the_user_s_settings(
    body, scene, blender, rest, tmp_path
):
    copy, told = tmp_path / "bin" / "copy.glb", tmp_path / "bin" / "told"
    program = blender(
        f"import shutil; shutil.copy(given[-6], {str(copy)!r}); shutil.copy({str(rest)!r}, given[-5])\n"
        f"open({str(told)!r}, 'w').write('|'.join(given))"
    )
    write_fbx(tmp_path / "x.fbx", scene, scene.characters[1], body, program)
    given = told.read_text().split("|")
    assert given[:4] == ["--background", "--factory-startup", "--python-exit-code", "1"]
    assert given[4] == "--python" and Path(given[5]).is_file() and given[6] == "--"
    assert given[-4:] == ["29.97", "5", "person 2", ""]
    (found,) = glb_joints(copy)
    assert len(found) == 1 and abs(found - scene.characters[1].joints[:1]).max() < 1e-4
    assert left(tmp_path) == ["x.fbx"] and len((tmp_path / "x.fbx").read_bytes()) > 1000


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("print('a sad end', file=sys.stderr); sys.exit(3)", "code 3: a sad end"),
        ("sys.exit(1)", "it said nothing"),
        ("open(given[-5] + '.part', 'w')", "without motion.fbx"),
        ("open(given[-5], 'w').write('text')", "an FBX that can't take a motion"),
        ("import time; time.sleep(60)", "longer than 1 s"),
    ],
    ids=["fails", "fails silently", "writes nothing", "writes nonsense", "never ends"],
)
def test_a_blender_that_fails_is_one_error_and_no_file(does, words, body, scene, blender, tmp_path, monkeypatch):
    monkeypatch.setattr(fbx, "PATIENCE", 1.0 if "sleep" in does else 60.0)
    with pytest.raises(OSError, match=words):
        write_fbx(tmp_path / "x.fbx", scene, scene.characters[0], body, blender(does))
    assert left(tmp_path) == []


def test_blender_is_the_one_named_then_that_on_the_path_then_the_newest_installed(blender, tmp_path, monkeypatch):
    program = blender("")
    monkeypatch.setattr(fbx, "_places", lambda: iter([tmp_path / "none", program, tmp_path / "none"]))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_blender(program) == program
    assert find_blender() == program
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(fbx, "_places", lambda: iter([]))
    assert find_blender() == program
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"blender\.org.*--blender.*glb and bvh"):
        find_blender()
    with pytest.raises(FileNotFoundError, match="nowhere is no program"):
        find_blender(tmp_path / "nowhere")


def test_blender_s_package_does_where_there_is_no_program(body, scene, rest, tmp_path, monkeypatch):
    """A stand-in for bpy that writes what Blender would."""
    (tmp_path / "bpy.py").write_text(STAND_IN.replace("REST", str(rest)))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(fbx, "_places", lambda: iter([]))
    assert find_blender() == Path(sys.executable)
    write_fbx(tmp_path / "x.fbx", scene, scene.characters[0], body)
    assert (tmp_path / "x.fbx").read_bytes().startswith(MAGIC)


def test_z_can_t_point_up(body, scene, tmp_path):
    given = performers.show(body, performers.performer(body, torch.arange(3)))
    up = build_scene(given, body, SceneOptions("z"))
    with pytest.raises(ValueError, match="--up"):
        write_fbx(tmp_path / "x.fbx", up, up.characters[0], body)


def test_a_character_that_blender_can_t_open_is_refused_by_one_sentence(body, scene, blender, tmp_path):
    program = blender("print('Error: ASCII FBX files are not supported', file=sys.stderr); sys.exit(65)")
    own, out = tmp_path / "bin" / "hero.fbx", tmp_path / "x.fbx"
    own.write_text("; FBX 6.1.0 project file")
    with pytest.raises(ValueError, match=r"hero\.fbx can't be opened by Blender \(Error: ASCII FBX .*export it again"):
        write_onto_fbx(out, scene, scene.characters[0], body, own, blender=program)
    with pytest.raises(Misuse, match="would be overwritten"):
        write_onto_fbx(own, scene, scene.characters[0], body, own, blender=program)
    with pytest.raises(ValueError, match=r"hero\.obj is no character: give a \.fbx, \.glb or \.vrm"):
        write_onto_fbx(out, scene, scene.characters[0], body, tmp_path / "hero.obj", blender=program)
    with own.open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(ValueError, match=r"2\.1 GB"):
        write_onto_fbx(out, scene, scene.characters[0], body, own, blender=program)
    with pytest.raises(FileNotFoundError):
        write_onto_fbx(out, scene, scene.characters[0], body, tmp_path / "none.fbx", blender=program)
    assert left(tmp_path) == []
