"""USD: Pixar's library poses skeletons and skin as we do, and its validator finds nothing wrong."""

import numpy as np
import performers
import pytest
import torch
from readers import usd_joints, usd_surface

from vibe.body.hands import relaxed
from vibe.body.outfit import dressed
from vibe.body.placed import vertices_cam
from vibe.export.usd import SUFFIXES, write_usd
from vibe.motion.scene import SceneOptions, build_scene

pxr = pytest.importorskip("pxr", reason="the extra usd is not installed")


@pytest.fixture(scope="module")
def given(body):
    people = performers.performer(body, torch.arange(60)), performers.performer(body, torch.arange(20, 50), 1)
    return performers.show(body, *people, fps=29.97)


def test_joints_are_ours_whichever_axis_points_up_and_in_text_as_in_binary(body, given, tmp_path):
    for up in ("y", "z"):
        scene = build_scene(given, body, SceneOptions(up))
        for suffix in SUFFIXES:
            write_usd(tmp_path / f"x{suffix}", scene, body)
            for found, character in zip(usd_joints(tmp_path / f"x{suffix}"), scene.characters, strict=True):
                assert np.abs(found - character.joints).max() < 1e-5
    assert {path.name for path in tmp_path.iterdir()} == {f"x{suffix}" for suffix in SUFFIXES}


def test_the_skin_is_ours_without_loss(body, given, tmp_path):
    scene = build_scene(given, body, SceneOptions("z"))
    write_usd(tmp_path / "x.usdc", scene, body)
    for character in scene.characters:
        truth = vertices_cam(character.smpl.at(slice(17, 18)), relaxed(dressed(body)))[0]
        found = usd_surface(tmp_path / "x.usdc", character.number, character.first + 17)
        assert np.abs(found - truth).max() < 1e-5


def test_clock_units_axes_and_body_are_in_the_file(body, given, tmp_path):
    from pxr import Usd, UsdGeom

    write_usd(tmp_path / "x.usdc", build_scene(given, body, SceneOptions("z")), body)
    scene = Usd.Stage.Open(str(tmp_path / "x.usdc"))
    assert (UsdGeom.GetStageUpAxis(scene), UsdGeom.GetStageMetersPerUnit(scene)) == ("Z", 1)
    assert scene.GetTimeCodesPerSecond() == scene.GetFramesPerSecond() == 29.97
    assert (scene.GetStartTimeCode(), scene.GetEndTimeCode()) == (0, 59)
    assert scene.GetDefaultPrim().GetPath() == "/World"
    told = scene.GetRootLayer().customLayerData
    assert told["axes"] == "right-handed, z up" and told["body"]["sha256"] == body.origin.sha256


def test_the_camera_sees_a_joint_where_the_video_has_it(body, given, tmp_path):
    from dataclasses import replace

    from pxr import Gf, Usd, UsdGeom

    K_px = given.camera.K_px + np.float32([[0, 0, 40], [0, 30, -25], [0, 0, 0]])
    aside = replace(given, camera=replace(given.camera, K_px=K_px))
    scene = build_scene(aside, body, SceneOptions())
    write_usd(tmp_path / "x.usdc", scene, body)
    stage = Usd.Stage.Open(str(tmp_path / "x.usdc"))
    seen = UsdGeom.Camera.Get(stage, "/World/camera").GetCamera(0).frustum
    matrix = seen.ComputeViewMatrix() * seen.ComputeProjectionMatrix()
    size = np.array([performers.WIDTH, performers.HEIGHT])
    for joint, point_cam in zip(scene.characters[0].joints[5], given.people[0].joints_cam[5], strict=True):
        x, y, _ = matrix.Transform(Gf.Vec3d(*joint.tolist()))
        projected = K_px @ point_cam
        assert np.allclose(np.array([x + 1, 1 - y]) / 2 * size, (projected / projected[2])[:2], atol=0.01)


@pytest.mark.parametrize("up", ["y", "z"])
def test_pixar_s_validator_finds_nothing_wrong(up, body, given, tmp_path):
    validation = pytest.importorskip("pxr.UsdValidation")
    from pxr import Usd, UsdGeom

    write_usd(tmp_path / "x.usdz", build_scene(given, body, SceneOptions(up)), body)
    checks = validation.ValidationContext(validation.ValidationRegistry().GetOrLoadAllValidators())
    found = checks.Validate(Usd.Stage.Open(str(tmp_path / "x.usdz")))
    assert [(error.GetName(), error.GetMessage()) for error in found] == []
    bare = Usd.Stage.CreateInMemory()
    UsdGeom.Xform.Define(bare, "/World")
    assert checks.Validate(bare), "the validator finds what is missing"


def test_another_suffix_is_refused(body, given, tmp_path):
    with pytest.raises(ValueError, match=r"x\.abc.*\.usda"):
        write_usd(tmp_path / "x.abc", build_scene(given, body, SceneOptions()), body)
    assert not list(tmp_path.iterdir())


def test_without_the_extra_the_error_says_how_to_get_it(body, given, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pxr.Sdf", None)
    with pytest.raises(ImportError, match=r'pip install "vibe-motion\[usd\]"'):
        write_usd(tmp_path / "x.usdc", build_scene(given, body, SceneOptions()), body)
    assert not list(tmp_path.iterdir())
