"""Every form, as `vibe export` writes it: joints or surfaces read back are ours to a millimetre."""

from __future__ import annotations

import numpy as np
import pytest
from readers import (
    amass_joints,
    bvh_joints,
    csv_joints,
    glb_joints,
    smplx_json_joints,
    trc_joints,
    usd_joints,
)

from vibe.body.hands import relaxed
from vibe.body.outfit import dressed
from vibe.body.placed import vertices_cam
from vibe.export.export import export
from vibe.export.formats import FORMATS
from vibe.motion.scene import SceneOptions, build_scene

TOGETHER = {
    "glb": lambda path, body, up: glb_joints(path),
    "usd": lambda path, body, up: usd_joints(path),
    "csv": lambda path, body, up: csv_joints(path, up),
}
EACH = {
    "bvh": lambda path, body: bvh_joints(path),
    "amass": amass_joints,
    "trc": lambda path, body: trc_joints(path),
    "smplx-json": smplx_json_joints,
}
NEEDS = {"bvh": "bvhio", "usd": "pxr", "obj": "trimesh", "ply": "trimesh"}
ELSEWHERE = {
    "fbx": "test_blender.py",
    "legacy": "tests/export/test_legacy.py",
    "c3d": "tests/export/test_c3d.py",
    "gait": "tests/export/test_tables.py",
    "mot": "test_opensim.py",
    "vrma": "test_avatars.py",
}


@pytest.mark.parametrize("ground", [False, True], ids=["as seen", "level"])
@pytest.mark.parametrize(("form", "up"), [(form, up) for form in [*TOGETHER, *EACH] for up in "yz"])
def test_joints_read_back_are_ours_to_a_millimetre(form, up, ground, given, body, tmp_path):
    if form in NEEDS:
        pytest.importorskip(NEEDS[form])
    if form == "glb" and up == "z":
        pytest.skip("glTF's y points up, always")
    characters = build_scene(given, body, SceneOptions(up, ground=ground)).characters
    assert not characters[0].confidence[21:25].any() and len(characters[0].joints) == 60, "the gap is closed"
    path = tmp_path / FORMATS[form].file if form in TOGETHER else tmp_path / "all"
    done = export(given, path, form, up=up, ground=ground, body=body)
    one, each = TOGETHER.get(form), EACH.get(form)
    found = one(path, body, up) if one else [each(file, body) for file in done.files]
    assert len(found) == 2
    for joints, character in zip(found, characters, strict=True):
        assert joints.shape == character.joints.shape
        assert np.abs(joints - character.joints).max() < 0.001


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("form", ["obj", "ply"])
def test_surfaces_read_back_are_ours_to_a_millimetre(form, up, given, body, tmp_path):
    trimesh = pytest.importorskip("trimesh")
    characters = build_scene(given, body, SceneOptions(up)).characters
    done = export(given, tmp_path / "all", form, up=up, body=body)
    for folder, character in zip(done.files, characters, strict=True):
        files = sorted(folder.iterdir())
        assert len(files) == len(character.joints)
        truth = vertices_cam(character.smpl, relaxed(dressed(body)))
        for frame in (0, 22, len(files) - 1):
            mesh = trimesh.load(files[frame], process=False, maintain_order=True)
            assert np.abs(mesh.vertices - truth[frame]).max() < 0.001


def test_no_form_is_left_out():
    assert {*TOGETHER, *EACH, *ELSEWHERE, "obj", "ply"} == set(FORMATS)


def test_the_add_on_s_rules_for_amass_hold(given, body, tmp_path):
    """Those of the Blender add-on that takes AMASS's files, as far as a file can break them."""
    done = export(given, tmp_path / "all", "amass", body=body)
    for path in done.files:
        with np.load(path, allow_pickle=False) as file:
            frames = len(file["trans"])
            assert file["trans"].shape == (frames, 3) and file["poses"].shape == (frames, 3 * 52)
            assert str(file["gender"]) in ("neutral", "female", "male") and file["betas"].ndim == 1
            rates = [float(file[name]) for name in ("mocap_frame_rate", "mocap_framerate")]
            assert rates == [given.clip.fps] * 2, "the add-on refuses a rate above the file's"
            assert all(np.isfinite(file[name]).all() for name in ("trans", "poses", "betas"))
