from pathlib import Path

import captures
import numpy as np
import pytest
import roma
import torch

from vibe.data.prepare import prepare
from vibe.data.sets import mocap
from vibe.data.sets.bvh import STYLE100
from vibe.data.store import open_store
from vibe.skeletons import SMPL, SMPL_PARENTS

BONES = [
    ("Hips", "", (0, 0, 0)),
    ("Chest", "Hips", (0, 0.1, 0)),
    ("Chest2", "Chest", (0, 0.1, 0)),
    ("Chest3", "Chest2", (0, 0.09, 0)),
    ("Chest4", "Chest3", (0, 0.09, 0)),
    ("Neck", "Chest4", (0, 0.13, 0)),
    ("Head", "Neck", (0, 0.09, 0)),
]  # fmt: skip
for _side, _sign in (("Right", -1), ("Left", 1)):
    BONES += [
        (f"{_side}Collar", "Chest4", (0.03 * _sign, 0.08, 0)),
        (f"{_side}Shoulder", f"{_side}Collar", (0.14 * _sign, 0, 0)),
        (f"{_side}Elbow", f"{_side}Shoulder", (0.27 * _sign, 0, 0)),
        (f"{_side}Wrist", f"{_side}Elbow", (0.22 * _sign, 0, 0)),
        (f"{_side}Hip", "Hips", (0.09 * _sign, 0, 0)),
        (f"{_side}Knee", f"{_side}Hip", (0, -0.42, 0)),
        (f"{_side}Ankle", f"{_side}Knee", (0, -0.4, 0)),
        (f"{_side}Toe", f"{_side}Ankle", (0, -0.07, 0.14)),
    ]  # fmt: skip
WHO = captures.person(BONES)
CUTS = "STYLE_NAME,BR_START,BR_STOP,FW_START,FW_STOP,ID_START,ID_STOP\nAngry,N/A,N/A,10,71,3,34\nOld,0,500,20,81,,\n"


def motion(frames: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    return captures.motion(len(BONES), frames, 60, 0.4, seed)


def raw(folder: Path) -> Path:
    folder.mkdir()
    (folder / "Frame_Cuts.csv").write_text(CUTS, encoding="utf-8-sig")
    for seed, (name, frames) in enumerate({"Angry_FW": 100, "Angry_ID": 40, "Old_FW": 81}.items()):
        path = folder / name.split("_")[0] / f"{name}.bvh"
        captures.write_bvh(path, WHO, *motion(frames, seed), 60, 0.01, "YXZ")
    return folder


def test_clips_are_cut_and_come_at_thirty_frames_a_second_in_metres(tmp_path):
    done = prepare("100style", STYLE100, raw(tmp_path / "raw"), tmp_path / "out")
    store = open_store(tmp_path / "out")
    assert done.dropped == {}
    kept = {"Angry_FW": (0, 10, 71), "Angry_ID": (1, 3, 34), "Old_FW": (2, 20, 81)}
    assert [sequence.name for sequence in store.sequences] == list(kept)
    assert {(sequence.split, sequence.fps) for sequence in store.sequences} == {("train", 30.0)}
    for sequence in store.sequences:
        seed, start, stop = kept[sequence.name]
        path = motion(stop, seed)[1].numpy()[start:stop:2]
        assert sequence.stop - sequence.start == len(path)
        assert np.allclose(store.column("trans")[sequence.rows] + mocap.pelvis_at_rest().numpy(), path, atol=1e-5)
    assert "CC BY 4.0" in store.manifest["licence"] and "Frame_Cuts.csv" in store.manifest["sources"]


def test_every_joint_takes_its_turn_from_the_skeletons(tmp_path):
    prepare("100style", STYLE100, raw(tmp_path / "raw"), tmp_path / "out")
    store = open_store(tmp_path / "out")
    rows = store.sequences[0].rows
    poses = torch.from_numpy(store.column("poses")[rows].astype(np.float64)).reshape(-1, 24, 3)
    ours = captures.turns(SMPL_PARENTS, roma.rotvec_to_rotmat(poses))
    theirs = captures.turns(WHO.parents, motion(100, 0)[0])[10:71:2]
    free = {"pelvis": "Hips", "spine1": "Chest", "spine2": "Chest2", "spine3": "Chest4", "head": "Head"}
    free |= {"left_collar": "LeftCollar", "right_shoulder": "RightShoulder", "left_wrist": "LeftWrist"}
    free |= {"right_ankle": "RightAnkle", "left_foot": "LeftToe"}
    for joint, name in free.items():
        assert torch.allclose(ours[:, SMPL.index(joint)], theirs[:, WHO.names.index(name)], atol=1e-5), joint


def test_clips_without_a_cut_or_cut_beyond_their_end_are_named(tmp_path):
    folder = raw(tmp_path / "raw")
    for name in ("Old_ID", "Old_BR", "New_FW", "Angry_BR"):
        captures.write_bvh(folder / name.split("_")[0] / f"{name}.bvh", WHO, *motion(30, 1), 60, 0.01, "YXZ")
    dropped = prepare("100style", STYLE100, folder, tmp_path / "out").dropped
    assert {name: "no frames" in reason for name, reason in dropped.items()} == {
        "Old_ID": True,
        "Old_BR": False,
        "New_FW": True,
        "Angry_BR": True,
    }
    assert "frames 0 to 500" in dropped["Old_BR"]


def test_a_folder_without_the_table_of_cuts_is_refused_by_name(tmp_path):
    folder = raw(tmp_path / "raw")
    (folder / "Frame_Cuts.csv").unlink()
    with pytest.raises(FileNotFoundError, match="Frame_Cuts.csv"):
        prepare("100style", STYLE100, folder, tmp_path / "out")
    (folder / "Frame_Cuts.csv").write_text("A,B\n1,2\n")
    with pytest.raises(ValueError, match="STYLE_NAME"):
        prepare("100style", STYLE100, folder, tmp_path / "out")


def test_a_table_of_other_bytes_and_short_rows_is_read_as_far_as_it_goes(tmp_path):
    folder = raw(tmp_path / "raw")
    table = CUTS.replace("Old,", "\xff\xfe,").encode("latin-1") + b"Short\n" + b"Long," + b"9" * 5000 + b",9\n"
    (folder / "Frame_Cuts.csv").write_bytes(table)
    dropped = prepare("100style", STYLE100, folder, tmp_path / "out").dropped
    assert list(dropped) == ["Old_FW"]
    (folder / "Frame_Cuts.csv").write_bytes(b"STYLE_NAME,FW_START\n" + b"x" * (1 << 18) + b"\n")
    with pytest.raises(ValueError, match="Frame_Cuts.csv is no table"):
        prepare("100style", STYLE100, folder, tmp_path / "other")
