"""Body files."""

import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from open_body.pack import CARRIERS
from vibe.assets.weights import OPEN_BODY
from vibe.body import Body, joints_and_keypoints, load, load_body
from vibe.body.record import Marks
from vibe.skeletons import SMPL, SMPL_PARENTS


def small(vertices: int = 30) -> dict[str, np.ndarray]:
    """A body in SMPL's layout with random numbers in it."""
    rng = np.random.default_rng(0)
    return {
        "v_template": rng.normal(size=(vertices, 3)),
        "shapedirs": rng.normal(size=(vertices, 3, 12)),
        "posedirs": rng.normal(size=(vertices, 3, 207)),
        "J_regressor": rng.dirichlet(np.ones(vertices), 24),
        "weights": rng.dirichlet(np.ones(24), vertices),
        "f": rng.integers(0, vertices, (50, 3)),
        "kintree_table": np.array([(2**32 - 1, *SMPL_PARENTS[1:]), range(24)], np.uint32),
        "coco_regressor": rng.dirichlet(np.ones(vertices), 17),
    }


def saved(folder: Path, **changes: np.ndarray | None) -> Path:
    arrays = {name: value for name, value in (small() | changes).items() if value is not None}
    np.savez(folder / "body.npz", **arrays)
    return folder / "body.npz"


def test_the_open_body_is_small_and_free():
    assert OPEN_BODY.stat().st_size <= 2_000_000
    body = load_body()
    assert "CC0" in body.origin.licence and body.origin.name == "open-body-1"
    assert body.origin.sha256 == hashlib.sha256(OPEN_BODY.read_bytes()).hexdigest()
    with zipfile.ZipFile(OPEN_BODY) as archive:
        assert all(b"numpy" not in archive.read(name)[:6] for name in archive.namelist())


@pytest.mark.parametrize(("detail", "least", "most"), [("full", 10_000, 20_000), ("low", 2_000, 4_000)])
def test_each_level_of_detail_is_a_closed_surface_with_its_outside_out(detail, least, most):
    body = load_body(detail=detail)
    assert least <= len(body.v_template) <= most
    start, end = body.faces.flatten(), body.faces.roll(-1, 1).flatten()
    there = set(zip(start.tolist(), end.tolist(), strict=True))
    assert len(there) == len(start) and all((b, a) in there for a, b in there)
    assert 0.05 < volume(body) < 0.09
    assert torch.equal(body.faces.unique(), torch.arange(len(body.v_template)))


def test_the_coarse_body_has_the_extent_and_volume_of_the_fine_one():
    full, low = load_body(), load_body(detail="low")
    assert (full.v_template.amax(0) - low.v_template.amax(0)).abs().max() < 0.002
    assert (full.v_template.amin(0) - low.v_template.amin(0)).abs().max() < 0.002
    assert abs(volume(low) / volume(full) - 1) < 0.02


def volume(body: Body) -> float:
    """Of what the surface encloses; positive if its triangles face out."""
    corners = body.v_template[body.faces].double()
    return float((corners[:, 0] * torch.linalg.cross(corners[:, 1], corners[:, 2])).sum() / 6)


def test_the_open_body_stands_as_smpl_does():
    body = load_body()
    joints = dict(zip(SMPL, body.J_template, strict=True))
    assert joints["left_hand"][0] > 0.7 > 0.15 > joints["left_hip"][0] > 0  # left is +x
    assert joints["left_foot"][2] > joints["left_ankle"][2] + 0.1  # the toes point to +z
    assert joints["head"][1] > joints["neck"][1] > joints["pelvis"][1] > joints["left_knee"][1]
    arm = joints["left_wrist"] - joints["left_shoulder"]
    assert arm[1:].norm() < 0.02 * arm[0]
    height = body.v_template[:, 1].amax() - body.v_template[:, 1].amin()
    assert 1.65 < height < 1.75
    taller = body.v_template + body.shapedirs[..., 0]
    assert 0.05 < taller[:, 1].amax() - taller[:, 1].amin() - height < 0.12


def test_it_agrees_with_a_body_made_from_the_same_assets_by_others(shared):
    ours, theirs = load_body(), np.load(shared / "data/body/openbody_neutral.npz")
    joints = torch.from_numpy(theirs["J"])
    apart = ((ours.J_template - ours.J_template[0]) - (joints - joints[0])).norm(dim=-1)
    arms = [SMPL.index(f"{side}_{part}") for side in ("left", "right") for part in ("elbow", "wrist", "hand")]
    trunk = [joint for joint in range(24) if joint not in arms]
    assert apart[trunk].max() < 0.008
    assert apart[arms].min() > 0.01 and apart[arms].max() < 0.035  # ours are longer, see population.ARM_STRETCH
    span = [float(np.ptp(points[:, 1])) for points in (ours.v_template.numpy(), theirs["v_template"])]
    assert abs(span[0] - span[1]) < 0.01


def test_weights_are_shares():
    for detail in ("full", "low"):
        weights = load_body(detail=detail).weights
        assert (weights >= 0).all() and torch.allclose(weights.sum(1), torch.ones(len(weights)))
        assert ((weights > 0).sum(1) <= CARRIERS).all()


def test_a_plain_file_in_smpls_layout_loads(tmp_path):
    body = load_body(saved(tmp_path))
    arrays = small()
    torch.testing.assert_close(body.J_template.double(), torch.from_numpy(arrays["J_regressor"] @ arrays["v_template"]),
                               atol=1e-6, rtol=0)  # fmt: skip
    assert body.shapedirs.shape == (30, 3, 10) and body.posedirs.shape == (30, 3, 207)
    assert body.regressors["coco17"].shape == (17, 30) and body.parents == SMPL_PARENTS
    assert body.origin.name == "body" and "unknown" in body.origin.licence


def test_pose_blend_shapes_and_keypoints_may_be_missing(tmp_path):
    body = load_body(saved(tmp_path, posedirs=None, coco_regressor=None))
    assert body.posedirs is None and not body.marks and not body.regressors


def test_pose_blend_shapes_of_nothing_cost_nothing(tmp_path):
    assert load_body(saved(tmp_path, posedirs=np.zeros((30, 3, 207)))).posedirs is None


def test_smpls_own_mesh_gets_keypoints_without_a_regressor(tmp_path):
    arrays = small(6890) | {"posedirs": np.zeros((6890, 3, 207), np.float32)}
    del arrays["coco_regressor"]
    np.savez(tmp_path / "smpl.npz", **arrays)
    body = load_body(tmp_path / "smpl.npz")
    still = torch.eye(3).expand(24, 3, 3)
    joints, found = joints_and_keypoints(body, still, torch.zeros(10))
    torch.testing.assert_close(found[0], body.v_template[332], atol=1e-5, rtol=0)
    torch.testing.assert_close(found[11], joints[1], atol=1e-5, rtol=0)


BROKEN = {
    "lacks weights": {"weights": None},
    r"v_template has the shape \(30, 2\), expected \(vertex, 3\).*24 joints": {"v_template": np.zeros((30, 2))},
    r"weights has the shape \(30, 52\), expected \(30, 24\).*24 joints": {"weights": np.ones((30, 52)) / 52},
    "not finite": {"v_template": np.full((30, 3), np.nan)},
    "10 are needed": {"shapedirs": np.zeros((30, 3, 9))},
    "vertices that do not exist": {"f": np.full((50, 3), 30)},
    "connected in another way": {"kintree_table": np.zeros((2, 24), int)},
    "rows of weights sum": {"weights": np.ones((30, 24))},
    "rows of J_regressor sum": {"J_regressor": np.ones((24, 30))},
    "v_template holds no numbers": {"v_template": np.array([["abc"] * 3] * 30)},
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_wrong_array_is_named_in_one_line(tmp_path, message):
    path = saved(tmp_path, **BROKEN[message])
    with pytest.raises(ValueError, match=message) as caught:
        load_body(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_pickled_objects_are_never_read(tmp_path):
    path = saved(tmp_path, J_regressor=np.array([{"a": 1}], object))
    with pytest.raises(ValueError, match="no plain numbers|not one of a plain array"):
        load_body(path)


@pytest.mark.parametrize("content", [b"", b"junk", OPEN_BODY.read_bytes()[:5000]])
def test_a_file_that_is_no_npz_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "body.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"body\.npz is no \.npz file"):
        load_body(tmp_path / "body.npz")


def test_a_damaged_open_body_says_so(tmp_path):
    arrays = dict(np.load(OPEN_BODY))
    del arrays["weights_joint"]
    np.savez(tmp_path / "body.npz", **arrays)
    with pytest.raises(ValueError, match="damaged"):
        load_body(tmp_path / "body.npz")


def test_a_file_that_unpacks_to_more_than_any_body_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(load, "LARGEST", 1000)
    with pytest.raises(ValueError, match="more than any file"):
        load_body(saved(tmp_path))


def test_a_missing_file_and_a_wrong_detail_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nobody\.npz"):
        load_body(tmp_path / "nobody.npz")
    with pytest.raises(ValueError, match='choose "full" or "low"'):
        load_body(detail="medium")
    with pytest.raises(ValueError, match="no low-polygon mesh"):
        load_body(saved(tmp_path), detail="low")


def test_a_body_moves_to_another_type_as_a_whole():
    body = load_body(detail="low").to(dtype=torch.float64)
    assert isinstance(body, Body) and isinstance(body.marks["spin49"], Marks)
    assert body.v_template.dtype == body.marks["spin49"].template.dtype == torch.float64
    assert body.faces.dtype == body.marks["spin49"].joint.dtype == torch.int64
