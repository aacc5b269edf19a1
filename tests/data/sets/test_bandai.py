from pathlib import Path

import captures
import numpy as np
import pytest
import roma
import torch

from vibe.data.prepare import prepare
from vibe.data.sets import mocap
from vibe.data.sets.bvh import BANDAI
from vibe.data.store import open_store
from vibe.skeletons import SMPL

BONES = [
    ("joint_Root", "", (0, 0, 0)),
    ("Hips", "joint_Root", (0, 0.95, 0)),
    ("Spine", "Hips", (0.16, 0, 0)),
    ("Chest", "Spine", (0.09, 0, 0)),
    ("Neck", "Chest", (0.16, 0, 0)),
    ("Head", "Neck", (0.06, 0, 0)),
]  # fmt: skip
for _side, _sign in (("L", 1), ("R", -1)):
    BONES += [
        (f"Shoulder_{_side}", "Chest", (0.13, 0, 0.05 * _sign)),
        (f"UpperArm_{_side}", f"Shoulder_{_side}", (0.05 * _sign, 0, 0)),
        (f"LowerArm_{_side}", f"UpperArm_{_side}", (0.24 * _sign, 0, 0)),
        (f"Hand_{_side}", f"LowerArm_{_side}", (0.22 * _sign, 0, 0)),
    ]  # fmt: skip
for _side, _sign in (("L", 1), ("R", -1)):
    BONES += [
        (f"UpperLeg_{_side}", "Hips", (-0.02, -0.07 * _sign, 0)),
        (f"LowerLeg_{_side}", f"UpperLeg_{_side}", (0.39 * _sign, 0, 0)),
        (f"Foot_{_side}", f"LowerLeg_{_side}", (0.41 * _sign, 0, 0)),
        (f"Toes_{_side}", f"Foot_{_side}", (0.12 * _sign, 0, 0)),
    ]  # fmt: skip
WHO = captures.person(BONES)
STANDING = {
    "Hips": "Z 90", "Spine": "ZXY 90 90 -90", "Shoulder_L": "ZXY -90 0 -90", "Shoulder_R": "ZXY 90 0 -90",
    "UpperArm_L": "Z -60", "UpperArm_R": "Z -60",
    "UpperLeg_L": "Z 180", "UpperLeg_R": "ZXY 180 0 180", "Foot_L": "Y -49.2", "Foot_R": "Y -49.2",
    "Toes_L": "Y -16.6", "Toes_R": "Y -16.6",
}  # fmt: skip
"""Angles of somebody who stands straight, faces +z and lets the arms hang 60 degrees below the horizontal."""


def standing(frames: int, turn_deg: float = 0.0) -> torch.Tensor:
    local = torch.eye(3, dtype=torch.float64).repeat(frames, len(BONES), 1, 1)
    for name, angles in STANDING.items():
        order, *degrees = angles.split()
        turn = roma.euler_to_rotmat(order, torch.tensor([float(at) for at in degrees]).double(), degrees=True)
        local[:, WHO.names.index(name)] = turn
    about_y = roma.euler_to_rotmat("Y", torch.tensor([turn_deg]).double(), degrees=True)
    local[:, 0] = about_y
    return local


def raw(folder: Path) -> Path:
    data = folder / "dataset/Bandai-Namco-Research-Motiondataset-{}/data"
    root = torch.zeros(40, 3, dtype=torch.float64)
    for number, name, turn in ((1, "dataset-1_bow_active_001", 0.0), (2, "dataset-2_walk_elderly_013", 90.0)):
        path = Path(str(data).format(number)) / f"{name}.bvh"
        captures.write_bvh(path, WHO, standing(40, turn), root, 30, 0.01, "ZXY", everywhere=True)
        path.with_suffix(".json").write_text('{"content": 6, "style": 11}')
    return folder


def test_somebody_who_stands_and_lets_the_arms_hang_does_so_as_smpl(tmp_path):
    done = prepare("bandai", BANDAI, raw(tmp_path / "raw"), tmp_path / "out")
    store = open_store(tmp_path / "out")
    assert done.dropped == {} and done.rows == 80
    assert [(sequence.name, sequence.subject, sequence.split) for sequence in store.sequences] == [
        ("dataset-1_bow_active_001", "dataset-1", "train"),
        ("dataset-2_walk_elderly_013", "dataset-2", "train"),
    ]
    degrees = np.rad2deg(np.array(store.column("poses")[0], np.float64)).reshape(24, 3)
    moved = {joint: degrees[at] for at, joint in enumerate(SMPL) if np.abs(degrees[at]).max() > 0.01}
    assert moved.pop("left_shoulder") == pytest.approx([0, 0, -60], abs=0.01)
    assert moved.pop("right_shoulder") == pytest.approx([0, 0, 60], abs=0.01)
    for side, sign in (("left", 1), ("right", -1)):
        assert moved.pop(f"{side}_hip") == pytest.approx([0, 0, -sign * np.rad2deg(np.arctan(0.06))], abs=0.01)
        assert np.abs(moved.pop(f"{side}_knee")).max() < 5
        assert np.abs(moved.pop(f"{side}_ankle")).max() < 5
    assert moved == {}


def test_feet_that_stand_flat_are_level(tmp_path):
    prepare("bandai", BANDAI, raw(tmp_path / "raw"), tmp_path / "out")
    store = open_store(tmp_path / "out")
    poses = torch.from_numpy(np.array(store.column("poses")[:1], np.float64)).reshape(1, 24, 3)
    local = roma.rotvec_to_rotmat(poses)[0]
    for side in ("left", "right"):
        foot = torch.eye(3, dtype=torch.float64)
        for joint in ("pelvis", f"{side}_hip", f"{side}_knee", f"{side}_ankle"):
            foot = foot @ local[SMPL.index(joint)]
        assert torch.allclose(foot, torch.eye(3, dtype=torch.float64), atol=1e-5)


def test_the_hips_channels_are_where_they_are_and_a_turn_of_the_root_turns_the_body(tmp_path):
    prepare("bandai", BANDAI, raw(tmp_path / "raw"), tmp_path / "out")
    store = open_store(tmp_path / "out")
    pelvis = store.column("trans") + mocap.pelvis_at_rest().numpy()
    assert np.allclose(pelvis, [0, 0.95, 0], atol=1e-6)
    first, second = (np.array(store.column("poses")[at], np.float64) for at in (0, 40))
    assert np.allclose(first[3:], second[3:], atol=1e-5)
    assert np.allclose(second[:3], [0, np.pi / 2, 0], atol=1e-5)


def test_the_licence_forbids_commercial_use_and_other_files_are_left_alone(tmp_path):
    folder = raw(tmp_path / "raw")
    (folder / "other.bvh").write_text("nothing")
    prepare("bandai", BANDAI, folder, tmp_path / "out")
    manifest = open_store(tmp_path / "out").manifest
    assert "CC BY-NC 4.0" in manifest["licence"] and len(manifest["sources"]) == 2
    with pytest.raises(FileNotFoundError, match="data.zip"):
        prepare(
            "bandai", BANDAI, tmp_path / "raw/dataset/Bandai-Namco-Research-Motiondataset-1/nothing", tmp_path / "x"
        )
