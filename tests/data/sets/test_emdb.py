"""EMDB, from a miniature in its own layout."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import invented
import numpy as np
import pytest
import roma
import torch
from raw_files import write_images

from vibe.body.keypoint_regressor import keypoints
from vibe.body.load import load_smpl
from vibe.body.pose import joints
from vibe.data.prepare import prepare
from vibe.data.sets.emdb import EMDB_1, EMDB_2
from vibe.data.store import Store, open_store

COUNT = 9
K_PX = np.array([[1400.0, 0, 720], [0, 1400, 960], [0, 0, 1]])


def annotation(seed: int, gender: str, parts: tuple[int, ...]) -> dict[str, Any]:
    """Somebody invented in a world, before a camera that turns and travels, as the set's files say it."""
    random = np.random.default_rng(seed)
    turns = roma.rotvec_to_rotmat(torch.from_numpy(0.3 * random.normal(size=(COUNT, 3)))).numpy()
    extrinsics = np.tile(np.eye(4), (COUNT, 1, 1))
    extrinsics[:, :3, :3], extrinsics[:, :3, 3] = turns, random.normal(size=(COUNT, 3)) + [0, 0, 4]
    corner = 200 + 10 * random.random((COUNT, 2))
    good = np.ones(COUNT, bool)
    good[3] = False
    return {
        "gender": gender,
        "name": f"P{seed}_0{seed}_walk",
        "emdb1": 1 in parts,
        "emdb2": 2 in parts,
        "n_frames": COUNT,
        "good_frames_mask": good,
        "camera": {"intrinsics": K_PX, "extrinsics": extrinsics, "width": 1440, "height": 1920},
        "bboxes": {"bboxes": np.concatenate([corner, corner + [300, 700]], 1), "invalid_idxs": np.array([3])},
        "kp2d": random.random((COUNT, 24, 2)),
        "smpl": {
            "poses_root": random.normal(size=(COUNT, 3)),
            "poses_body": 0.2 * random.normal(size=(COUNT, 69)),
            "trans": random.normal(size=(COUNT, 3)),
            "betas": random.normal(size=10),
        },
    }


def write(raw: Path, content: dict[str, Any]) -> Path:
    person, _, sequence = content["name"].partition("_")
    folder = raw / person / sequence
    write_images(folder / "images", [f"{frame:05d}.jpg" for frame in range(COUNT)])
    path = folder / f"{content['name']}_data.pkl"
    path.write_bytes(pickle.dumps(content))
    return path


def write_home(home: Path) -> None:
    """Invented bodies and regressors."""
    home.mkdir(exist_ok=True)
    invented.write_bodies(home)
    random = np.random.default_rng(1)
    for path in home.glob("smpl_*.npz"):
        np.savez(path, **np.load(path), coco_regressor=random.dirichlet(np.ones(invented.VERTICES), 17))
    np.savez(home / "j_regressor_extra.npz", regressor=random.dirichlet(np.ones(invented.VERTICES), 9))


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Any]]:
    """A woman in both parts, a man in the second alone, and one in neither."""
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    write_home(tmp_path / "home")
    people = [annotation(0, "female", (1, 2)), annotation(1, "male", (2,)), annotation(2, "male", ())]
    for each in people:
        write(tmp_path / "raw", each)
    return {each["name"]: each for each in people}


def prepared(tmp_path: Path, number: int) -> Store:
    done = prepare(f"emdb-{number}", {1: EMDB_1, 2: EMDB_2}[number], tmp_path / "raw", tmp_path / f"out{number}")
    assert not done.dropped
    return open_store(tmp_path / f"out{number}")


def test_each_part_has_its_own_sequences(raw, tmp_path) -> None:
    assert [each.name for each in prepared(tmp_path, 1).sequences] == ["P0_00_walk"]
    store = prepared(tmp_path, 2)
    assert [(each.name, each.gender, each.subject) for each in store.sequences] == [
        ("P0_00_walk", "female", "P0"),
        ("P1_01_walk", "male", "P1"),
    ]
    for each in store.sequences:
        assert store.column("valid")[each.rows].tolist() == [frame != 3 for frame in range(COUNT)]
        assert each.source == f"{each.subject}/{each.name[3:]}/images" and each.fps == 30
        np.testing.assert_array_equal(each.K_px, K_PX)


def test_bodies_stand_in_the_camera_s_frame_and_where_the_files_say_in_the_world(raw, tmp_path) -> None:
    store = prepared(tmp_path, 2)
    for each in store.sequences:
        said, body = raw[each.name]["smpl"], load_smpl(each.gender).to(dtype=torch.float64)
        poses = torch.from_numpy(np.concatenate([said["poses_root"], said["poses_body"]], 1)).unflatten(-1, (-1, 3))
        rotmat, betas = roma.rotvec_to_rotmat(poses), torch.from_numpy(said["betas"])
        trans = torch.from_numpy(said["trans"])[:, None]
        R, t = (np.array(store.column(f"{name}_world_cam")[each.rows], float) for name in "Rt")
        for name, points in {
            "points.smpl24": joints(body, rotmat, betas) + trans,
            "points.spin49": keypoints(body, rotmat, betas, "spin49") + trans,
        }.items():
            world = np.einsum("tij,tkj->tki", R, store.column(name)[each.rows]) + t[:, None]
            np.testing.assert_allclose(world, points, atol=1e-5)
        box = raw[each.name]["bboxes"]["bboxes"]
        np.testing.assert_allclose(store.column("box_px")[each.rows][:, 2:], box[:, 2:] - box[:, :2], rtol=1e-6)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("gender", "robot", "gender"),
        ("n_frames", 5, "5 frames and a mask of 9"),
        ("camera", {"intrinsics": K_PX}, "extrinsics of camera"),
        ("smpl", {}, "poses_root of smpl"),
        ("bboxes", [1], "bboxes of bboxes"),
    ],
)
def test_a_damaged_file_is_named_and_costs_no_other(key: str, value: Any, said: str, raw, tmp_path) -> None:
    broken = raw["P1_01_walk"] | {key: value}
    path = tmp_path / "raw" / "P1" / "01_walk" / "P1_01_walk_data.pkl"
    path.write_bytes(pickle.dumps(broken))
    done = prepare("emdb-2", EMDB_2, tmp_path / "raw", tmp_path / "out")
    assert [each.name for each in open_store(tmp_path / "out").sequences] == ["P0_00_walk"]
    [reason] = done.dropped.values()
    assert said in reason and str(path) in reason
