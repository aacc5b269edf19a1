"""Where the 49 joints, the 17 and the 14 lie on a body."""

from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from reference import recipe

from vibe.body import Body, joints_and_keypoints, keypoints, load_body, load_smpl, pose_joints, vertices
from vibe.body.keypoint_regressor import DETECTED, EXTRA
from vibe.skeletons import COCO, COMMON14, DETECTED27, H36M17, SMPL, SPIN49, index, mirrored

STILL = torch.eye(3).expand(24, 3, 3), torch.zeros(10)


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


@pytest.fixture(scope="module")
def home(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `vibe assets add` fills it, with invented bodies and regressors."""
    make, folder = recipe(shared), tmp_path_factory.mktemp("home")
    for seed, gender in enumerate(("neutral", "male")):
        np.savez(folder / f"smpl_{gender}.npz", **make.body(seed), name=f"smpl-{gender}", licence="the user's")
    for name, joints in (("extra", 9), ("h36m", 17)):
        np.savez(folder / f"j_regressor_{name}.npz", regressor=make.joint_regressor(f"J_regressor_{name}", joints))
    return folder


@pytest.fixture
def smpl(home: Path, monkeypatch: pytest.MonkeyPatch) -> Body:
    monkeypatch.setenv("VIBE_HOME", str(home))
    return load_smpl()


def test_they_are_the_regressor_on_skinned_vertices(smpl):
    rotmat, betas = roma.random_rotmat((2, 24)), torch.randn(2, 10)
    assert set(smpl.regressors) == {"coco17", "h36m17", "common14"}
    for name, regressor in smpl.regressors.items():
        expected = regressor @ vertices(smpl, rotmat, betas)
        torch.testing.assert_close(keypoints(smpl, rotmat, betas, name), expected, atol=1e-5, rtol=0)


def test_smpl_bodies_say_whose_they_are_and_differ(home, smpl, monkeypatch):
    male = load_smpl("male")
    assert smpl.origin.name == "smpl-neutral" and male.origin.name == "smpl-male"
    assert smpl.origin.licence == "the user's"
    assert not torch.equal(male.v_template, smpl.v_template)


def test_smpl_without_its_regressors_still_has_every_point(home, smpl, tmp_path, monkeypatch):
    monkeypatch.setenv("VIBE_HOME", str(tmp_path))
    (tmp_path / "smpl_neutral.npz").write_bytes((home / "smpl_neutral.npz").read_bytes())
    bare = load_smpl()
    assert set(bare.regressors) == {"coco17"} and list(bare.marks) == [
        "coco17",
        "spin49",
        "h36m17",
        "detected27",
        "common14",
        "detected17",
    ]
    near, exact = (keypoints(some, *STILL, "spin49") for some in (bare, smpl))
    same = [place for place, name in enumerate(SPIN49) if name not in EXTRA]
    assert len(same) == 40 and near.isfinite().all()
    torch.testing.assert_close(near[same], exact[same])


def test_a_body_that_was_not_added_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("VIBE_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"smpl_female\.npz.*vibe assets add"):
        load_smpl("female")
    with pytest.raises(ValueError, match="no SMPL body 'child': choose neutral, male, female"):
        load_smpl("child")


def test_a_regressor_for_another_mesh_is_named(home, tmp_path, monkeypatch):
    monkeypatch.setenv("VIBE_HOME", str(tmp_path))
    (tmp_path / "smpl_neutral.npz").write_bytes((home / "smpl_neutral.npz").read_bytes())
    np.savez(tmp_path / "j_regressor_h36m.npz", regressor=np.ones((17, 100), np.float32))
    with pytest.raises(ValueError, match=r"h36m_regressor has the shape \(17, 100\), expected \(17, 6890\)"):
        load_smpl()
    np.savez(tmp_path / "j_regressor_h36m.npz", rows=np.ones((17, 6890), np.float32))
    with pytest.raises(ValueError, match=r"j_regressor_h36m\.npz holds no array `regressor`"):
        load_smpl()


def test_what_else_a_published_file_holds_is_left_alone(home, tmp_path):
    with np.load(home / "smpl_neutral.npz") as file:
        arrays = {name: file[name] for name in file.files if name not in ("name", "licence")}
    arrays |= {"f": arrays["f"].astype(np.uint32), "kintree_table": arrays["kintree_table"].astype(np.uint32)}
    arrays |= {"shapedirs": np.pad(arrays["shapedirs"], ((0, 0), (0, 0), (0, 290)))}
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **arrays, J_regressor_prior=np.array([{"a": 1}], object))
    body = load_body(tmp_path / "SMPL_NEUTRAL.npz")
    assert body.shapedirs.shape == (6890, 3, 10) and body.origin.name == "SMPL_NEUTRAL"
    torch.testing.assert_close(body.shapedirs, torch.from_numpy(arrays["shapedirs"][..., :10]))


def places(body: Body, points: str, names: list[str]) -> dict[str, torch.Tensor]:
    return dict(zip(names, keypoints(body, *STILL, points), strict=True))


def test_on_the_open_body_the_points_stand_where_their_names_say(body):
    at = places(body, "spin49", SPIN49)
    order = ["mid_hip", "h36m_spine", "thorax", "lsp_neck", "jaw", "h36m_head", "head_top"]
    heights = [float(at[name][1]) for name in order]
    assert heights == sorted(heights) and heights[-1] > 0.1 + heights[-2]
    assert at["head_top"][1] == body.v_template[:, 1].max()
    floor = body.v_template[:, 1].min()
    for side, sign in (("left", 1), ("right", -1)):
        big, small, heel = (at[f"op_{side}_{part}"] for part in ("big_toe", "small_toe", "heel"))
        assert (torch.stack([big, small, heel])[:, 1] < floor + 0.03).all()
        assert 0.2 < big[2] - heel[2] < 0.3 and 0.15 < small[2] - heel[2] < big[2] - heel[2]
        assert 0.04 < sign * (small - big)[0] < 0.1
        assert sign * at[f"{side}_hip"][0] > 0.05 and torch.equal(at[f"{side}_knee"], at[f"op_{side}_knee"])
    for name in ("nose", "left_eye", "right_ear"):
        assert torch.equal(at[name], at[f"op_{name}"])


def test_sets_agree_on_points_of_one_name(body):
    rotmat, betas = roma.random_rotmat((3, 24)), torch.randn(3, 10)
    spin, h36m, common = (keypoints(body, rotmat, betas, name) for name in ("spin49", "h36m17", "common14"))
    torch.testing.assert_close(spin[:, index(SPIN49, H36M17)], h36m)
    torch.testing.assert_close(spin[:, index(SPIN49, COMMON14)], common)


@pytest.mark.parametrize(("points", "names"), [("spin49", SPIN49), ("h36m17", H36M17)])
def test_left_and_right_mirror_each_other(body, points, names):
    found = keypoints(body, *STILL, points)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    assert (found[mirrored(names)] * flip - found).abs().max() < 2e-4


def test_points_turn_with_the_body(body):
    rotmat, betas, turn = roma.random_rotmat(24), torch.randn(10), roma.random_rotmat(())
    joints, points = joints_and_keypoints(body, rotmat, betas, "spin49")
    turned = torch.cat([(turn @ rotmat[0])[None], rotmat[1:]])
    expected = (points - joints[0]) @ turn.mT + joints[0]
    torch.testing.assert_close(keypoints(body, turned, betas, "spin49"), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("detail", ["full", "low"])
def test_detected_keypoints_ride_beside_coco_s_on_the_joint_before(detail):
    body = load_body(detail=detail)
    rotmat, betas = roma.random_rotmat((4, 24)), torch.randn(4, 10)
    apart = keypoints(body, rotmat, betas, "detected17") - keypoints(body, rotmat, betas)
    R_world, _ = pose_joints(body, rotmat, betas)
    for name in set(COCO) & set(DETECTED):
        joint, offset = DETECTED[name]
        expected = R_world[:, SMPL.index(joint)] @ torch.tensor(offset)
        torch.testing.assert_close(apart[:, COCO.index(name)], expected, atol=1e-6, rtol=0)


def test_detected_keypoints_are_symmetric(body):
    found = keypoints(body, *STILL, "detected17") - keypoints(body, *STILL)
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(found[mirrored(COCO)] * mirror, found, atol=1e-6, rtol=0)


def test_smpl_has_detected_keypoints_too(smpl):
    assert keypoints(smpl, *STILL, "detected17").shape == (17, 3)
    assert keypoints(smpl, *STILL, "detected27").isfinite().all()


def test_points_of_hands_and_feet_follow_coco_s_and_lie_ahead_of_wrists_and_ankles(body):
    rotmat, betas = roma.random_rotmat((4, 24)), torch.randn(4, 10)
    found = keypoints(body, rotmat, betas, "detected27")
    torch.testing.assert_close(found[:, :17], keypoints(body, rotmat, betas, "detected17"))
    points = dict(zip(DETECTED27, keypoints(body, *STILL, "detected27"), strict=True))
    assert 0.15 < float(points["left_toes"][2] - points["left_heel"][2]) < 0.3
    for tip in ("left_index", "left_pinky"):
        assert 0.04 < float(points[tip][0] - points["left_wrist"][0]) < 0.15
    mirror = torch.tensor([-1.0, 1.0, 1.0])
    still = keypoints(body, *STILL, "detected27")
    assert (still[mirrored(DETECTED27)] * mirror - still).abs().max() < 2e-4
