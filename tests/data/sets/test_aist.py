import json
import pickle
from pathlib import Path

import captures
import numpy as np
import pytest
import roma
import torch

from vibe.data.prepare import prepare
from vibe.data.sets import mocap
from vibe.data.sets.aist import AIST, AIST_VIDEOS
from vibe.data.store import open_store
from vibe.skeletons import COCO, SPIN49, index

SCALE = 93.7
NAMES = {
    "gBR_sBM_cAll_d04_mBR0_ch01": "train",
    "gBR_sFM_cAll_d05_mBR1_ch02": "val",
    "gPO_sBM_cAll_d10_mPO1_ch02": "test",
}
SHARED = index(SPIN49, COCO)
FRAMES = 61


def motion(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Local rotations and the pelvis in metres, y up, at 60 frames a second."""
    return captures.motion(24, FRAMES, 60, 0.5, seed)


def points(seed: int) -> np.ndarray:
    """Invented joints about the pelvis, metres."""
    return np.random.default_rng(seed).normal(0, 0.3, (FRAMES, 17, 3)) + motion(seed)[1].numpy()[:, None]


def dump(path: Path, value: object, protocol: int = 4) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(value, protocol))


def annotations(raw: Path) -> Path:
    rest = mocap.pelvis_at_rest().numpy()
    for seed, name in enumerate([*NAMES, "gWA_sBM_cAll_d26_mWA0_ch09"]):
        rotmat, path = motion(seed)
        value = {
            "smpl_poses": roma.rotmat_to_rotvec(rotmat).flatten(1).numpy().astype(np.float32),
            "smpl_trans": ((path.numpy() - rest) * SCALE).astype(np.float32),
            "smpl_scaling": np.array([SCALE], np.float32),
            "smpl_loss": 1.5,
        }
        dump(raw / f"motions/{name}.pkl", value, 2 if seed == 1 else 4)
    (raw / "splits").mkdir()
    for split in ("train", "val", "test"):
        lines = [name for name, its in NAMES.items() if its == split]
        if split == "train":
            lines = [lines[0].replace("cAll", view) for view in ("c01", "c09")]
        (raw / f"splits/pose_{split}.txt").write_text("\n".join(lines) + "\n")
        (raw / f"splits/crossmodal_{split}.txt").write_text("")
    (raw / "ignore_list.txt").write_text("gWA_sBM_cAll_d26_mWA0_ch09\n")
    return raw


def cameras() -> list[dict]:
    """Nine around the floor's middle, in centimetres as the set has them."""
    made = []
    for number in range(9):
        R = roma.euler_to_rotmat("XY", torch.tensor([180.0 - 5 * number, 40.0 * number]).double(), degrees=True)
        made.append(
            {
                "name": f"c{number + 1:02d}",
                "size": [1920, 1080],
                "matrix": [[1500.0 + number, 0.0, 960.0], [0.0, 1500.0, 540.0], [0.0, 0.0, 1.0]],
                "rotation": roma.rotmat_to_rotvec(R).tolist(),
                "translation": [3.0 * number, 100.0, 500.0 + number],
                "distortions": [0.0, 0.0, 0.0, 0.0, 0.0],
            }
        )
    return made


def with_videos(raw: Path) -> Path:
    annotations(raw)
    (raw / "cameras").mkdir()
    (raw / "cameras/setting3.json").write_text(json.dumps(cameras()))
    (raw / "cameras/mapping.txt").write_text("".join(f"{name} setting3\n" for name in NAMES))
    (raw / "videos").mkdir()
    for seed, name in enumerate(NAMES):
        world = points(seed) * SCALE
        dump(raw / f"keypoints3d/{name}.pkl", {"keypoints3d": world + 9, "keypoints3d_optim": world})
        pixels = np.random.default_rng(9).uniform(100, 900, (9, FRAMES, 17, 3))
        pixels[..., 2] = 0.9
        pixels[2, :10] = np.nan
        pixels[2, 20, 5] = np.nan
        dump(raw / f"keypoints2d/{name}.pkl", {"keypoints2d": pixels, "det_scores": np.ones((9, FRAMES))})
        for view in ("c01", "c03"):
            (raw / f"videos/{name.replace('cAll', view)}.mp4").write_bytes(b"no pictures")
    return raw


def test_motion_comes_at_thirty_frames_a_second_with_the_owners_splits(tmp_path):
    done = prepare("aist", AIST, annotations(tmp_path / "raw"), tmp_path / "out")
    store = open_store(tmp_path / "out")
    assert done.dropped == {} and done.rows == 3 * 31
    splits = {sequence.name: sequence.split for sequence in store.sequences}
    assert splits == {name: {"val": "validation"}.get(split, split) for name, split in NAMES.items()}
    assert [sequence.subject for sequence in store.sequences] == ["d04", "d05", "d10"]
    assert {sequence.gender for sequence in store.sequences} == {"male"} and not store.column("betas").any()
    for seed, sequence in enumerate(store.sequences):
        rotmat, path = motion(seed)
        poses = torch.from_numpy(store.column("poses")[sequence.rows].astype(np.float64)).reshape(-1, 24, 3)
        assert torch.allclose(roma.rotvec_to_rotmat(poses), rotmat[::2], atol=1e-5)
        pelvis = store.column("trans")[sequence.rows] + mocap.pelvis_at_rest().numpy()
        assert np.allclose(pelvis, path[::2], atol=1e-5)


def test_a_sequence_in_no_list_and_damaged_files_are_named(tmp_path):
    raw = annotations(tmp_path / "raw")
    source = raw / f"motions/{next(iter(NAMES))}.pkl"
    value = pickle.loads(source.read_bytes())
    bad = value | {"smpl_poses": np.full((5, 72), np.nan), "smpl_trans": np.zeros((5, 3))}
    lines = ["gLO_sBM_cAll_d01_mLO0_ch01", "gLO_sBM_cAll_d01_mLO0_ch02", "gLO_sBM_cAll_d01_mLO0_ch03", "gLO_evil"]
    dump(raw / f"motions/{lines[0]}.pkl", bad)
    (raw / f"motions/{lines[1]}.pkl").write_bytes(source.read_bytes()[:3000])
    dump(raw / f"motions/{lines[2]}.pkl", value | {"smpl_scaling": np.array([0.0])})
    dump(raw / f"motions/{lines[3]}.pkl", {"smpl_poses": Path("x")})
    dump(raw / "motions/gJS_sBM_cAll_d01_mJS0_ch01.pkl", value)
    with (raw / "splits/pose_train.txt").open("a") as file:
        file.write("\n".join(lines))
    dropped = prepare("aist", AIST, raw, tmp_path / "out").dropped
    said = dict(zip(lines, ("NaN", "cut off|announces", "smpl_scaling is 0.0", "nothing was run")))
    said["gJS_sBM_cAll_d01_mJS0_ch01"] = "in none of splits"
    assert dropped.keys() == said.keys()
    for name, reason in dropped.items():
        assert any(part in reason for part in said[name].split("|")) and name in reason


@pytest.mark.parametrize("missing", ["motions", "ignore_list.txt", "splits/pose_val.txt"])
def test_what_is_missing_is_named_with_the_layout(tmp_path, missing):
    raw = annotations(tmp_path / "raw")
    (raw / missing).rename(raw / "elsewhere")
    with pytest.raises(FileNotFoundError, match=missing):
        prepare("aist", AIST, raw, tmp_path / "out")


def test_each_video_gives_what_its_camera_sees(tmp_path):
    raw = with_videos(tmp_path / "raw")
    done = prepare("aist-videos", AIST_VIDEOS, raw, tmp_path / "out")
    store = open_store(tmp_path / "out")
    assert done.dropped == {} and len(done.kept) == 6
    for at, sequence in enumerate(store.sequences):
        seed, camera = at // 2, cameras()[0 if at % 2 == 0 else 2]
        view, frames = camera["name"], store.frames[sequence.rows]
        assert sequence.name == list(NAMES)[seed].replace("cAll", view)
        assert sequence.source == f"videos/{sequence.name}.mp4" and (sequence.step, sequence.fps) == (2, 30)
        assert frames.tolist() == list(range(0 if view == "c01" else 10, FRAMES, 2))
        assert np.allclose(sequence.K_px, camera["matrix"])
        R = roma.rotvec_to_rotmat(torch.tensor(camera["rotation"]).double()).numpy()
        t = np.array(camera["translation"]) / SCALE
        assert np.allclose(
            store.column("points.spin49")[sequence.rows][:, SHARED], points(seed)[frames] @ R.T + t, atol=1e-5
        )
        pelvis = store.column("trans")[sequence.rows] + mocap.pelvis_at_rest().numpy()
        assert np.allclose(pelvis, motion(seed)[1].numpy()[frames] @ R.T + t, atol=1e-5)
        turned = torch.from_numpy(R) @ motion(seed)[0][frames.tolist(), 0]
        first = torch.from_numpy(store.column("poses")[sequence.rows][:, :3].astype(np.float64))
        assert torch.allclose(roma.rotvec_to_rotmat(first), turned, atol=1e-5)
        seen = store.column("keypoints_px.spin49")[sequence.rows][:, SHARED]
        lost = (frames == 20)[:, None] & (np.arange(17) == 5) & (view == "c03")
        assert np.array_equal(seen[..., 2] > 0, ~lost)
        assert (store.column("box_px")[sequence.rows][:, 2:] > 100).all()


def test_a_video_without_its_camera_and_cameras_that_are_none_are_named(tmp_path):
    raw = with_videos(tmp_path / "raw")
    first, second, third = NAMES
    (raw / "cameras/mapping.txt").write_text(f"{first} setting3\n{second} setting4\n{third} setting5\n")
    (raw / "cameras/setting4.json").write_text(json.dumps(cameras()[:2]))
    (raw / "cameras/setting5.json").write_text("[{")
    done = prepare("aist-videos", AIST_VIDEOS, raw, tmp_path / "out")
    assert len(done.kept) == 2 and done.dropped.keys() == {second, third}
    assert "no camera c03" in done.dropped[second] and "setting5.json is no list" in done.dropped[third]
    (raw / "videos").rename(raw / "movies")
    with pytest.raises(FileNotFoundError, match="videos"):
        prepare("aist-videos", AIST_VIDEOS, raw, tmp_path / "other")


def test_lists_in_another_encoding_do_not_stop_the_others(tmp_path):
    raw = annotations(tmp_path / "raw")
    with (raw / "ignore_list.txt").open("ab") as file:
        file.write(b"\xff\xfe\n")
    assert prepare("aist", AIST, raw, tmp_path / "out").dropped == {}
