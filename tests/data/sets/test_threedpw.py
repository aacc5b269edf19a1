"""3DPW, from a miniature in its own layout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import invented
import numpy as np
import official_files
import pytest
import roma
import torch
from raw_files import cut, write_images

from vibe.body.lbs import vertices
from vibe.body.load import load_smpl
from vibe.body.pose import joints, rest_joints
from vibe.cameras import CROP_SCALE
from vibe.data.prepare import prepare
from vibe.data.sets.threedpw import COCO18, THREEDPW
from vibe.data.store import Store, open_store
from vibe.evaluate.protocols import PROTOCOLS
from vibe.evaluate.with_true_boxes import person_of, sequences_of
from vibe.skeletons import SPIN49, index

K_PX = np.array([[1900.0, 0, 540], [0, 1910, 960], [0, 0, 1]])
COUNT = 24


@dataclass
class Known:
    """One invented person: what the camera saw, and what the file says of it."""

    R_cam: torch.Tensor
    """Rotations of the 24 joints, the first in the camera's frame."""
    betas: torch.Tensor
    trans: torch.Tensor
    """In the camera's frame."""
    written: dict[str, Any]


def person(seed: int, gender: str, camera: np.ndarray) -> Known:
    random = np.random.default_rng(seed)
    body = load_smpl({"m": "male", "f": "female"}[gender]).to(dtype=torch.float64)
    time = np.arange(COUNT)[:, None]
    poses = torch.from_numpy(0.4 * np.sin(time / 9 + 6 * random.random(72))).unflatten(-1, (24, 3))
    betas = torch.from_numpy(random.normal(size=10))
    trans = torch.from_numpy(np.concatenate([0.1 * np.sin(time / 8), 0 * time, 4 + 0.02 * time], 1))
    rotmat, pelvis = roma.rotvec_to_rotmat(poses), rest_joints(body, betas)[0]
    R_world_cam, t = torch.from_numpy(camera[:, :3, :3]).mT, torch.from_numpy(camera[:, :3, 3])
    world = torch.cat([(R_world_cam @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1)
    trans_world = (R_world_cam @ (trans + pelvis - t)[..., None])[..., 0] - pelvis
    found = np.stack([540 + 100 * random.normal(size=(COUNT, 18)), 900 + 200 * random.normal(size=(COUNT, 18))], 1)
    found = np.concatenate([found, np.full((COUNT, 1, 18), 0.8)], 1)
    found[:, 2, 17] = 0.2
    written = {
        "poses": roma.rotmat_to_rotvec(world).flatten(1).numpy(),
        "trans": trans_world.numpy(),
        "betas": np.concatenate([betas.numpy(), np.zeros(2)]),
        "jointPositions": (joints(body, world, betas) + trans_world[:, None]).flatten(1).numpy(),
        "poses2d": found,
        "genders": gender,
        "campose_valid": np.ones(COUNT, np.uint8),
    }
    return Known(rotmat, betas, trans, written)


def cameras(seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (COUNT, 1, 1))
    poses[:, :3, :3] = roma.rotvec_to_rotmat(torch.from_numpy(random.normal(size=(COUNT, 3)))).numpy()
    poses[:, :3, 3] = random.normal(size=(COUNT, 3))
    return poses


def write(raw: Path, split: str, name: str, people: list[Known], camera: np.ndarray) -> Path:
    content: dict[str, Any] = {"sequence": name, "cam_poses": camera, "cam_intrinsics": K_PX}
    content |= {"img_frame_ids": np.arange(COUNT), "texture_maps": [], "v_template_clothed": []}
    content |= {key: [each.written[key] for each in people] for key in (people[0].written if people else {"poses": 0})}
    if split == "train":
        content |= {key: np.array(content[key]) for key in ("poses2d", "campose_valid") if content.get(key)}
    content["v_template_clothed"] = [official_files.chumpy(np.zeros((3, 3))) for _ in people]
    path = raw / "sequenceFiles" / split / f"{name}.pkl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(official_files.old_pickle(content))
    write_images(raw / "imageFiles" / name, [f"image_{frame:05d}.jpg" for frame in range(COUNT)])
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder with invented bodies and regressors."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("VIBE_HOME", str(folder))
    invented.write_bodies(folder)
    invented.write_regressors(folder)
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> dict[str, list[Known]]:
    """A miniature of three splits; a man and a woman in the test sequence, which has a gap and a man who leaves."""
    known: dict[str, list[Known]] = {}
    for seed, (split, genders) in enumerate({"train": "f", "validation": "m", "test": "mf"}.items()):
        camera = cameras(seed)
        known[split] = [person(10 * seed + place, gender, camera) for place, gender in enumerate(genders)]
        if split == "test":
            man, woman = known[split]
            man.written["poses2d"][20:, 2] = 0
            man.written["poses2d"][5, 2, 5:] = 0
            woman.written["campose_valid"][[7, 8]] = 0
            woman.written["poses"][7] = np.nan
        write(tmp_path / "raw", split, f"{split}_road_00", known[split], camera)
    return known


def prepared(tmp_path: Path, dropped: int = 0) -> Store:
    done = prepare("3dpw", THREEDPW, tmp_path / "raw", tmp_path / "out")
    assert len(done.dropped) == dropped, done.dropped
    return open_store(tmp_path / "out")


def test_everybody_is_found_again_with_split_gender_frames_camera_and_images(raw, tmp_path):
    store = prepared(tmp_path)
    found = {each.name: (each.split, each.gender, store.frames[each.rows].tolist()) for each in store.sequences}
    every = list(range(COUNT))
    assert found == {
        "train_road_00_0": ("train", "female", every),
        "validation_road_00_0": ("validation", "male", every),
        "test_road_00_0": ("test", "male", every[:20]),
        "test_road_00_1": ("test", "female", every[:7] + every[9:]),
    }
    for each in store.sequences:
        np.testing.assert_array_equal(each.K_px, K_PX)
        frames = store.frames[each.rows]
        assert each.fps == 30 and store.images(each.rows) == [f"image_{frame:05d}.jpg" for frame in frames]
        assert each.source == f"imageFiles/{each.name[:-2]}"


def test_bodies_and_joints_stand_in_the_cameras_frame_on_the_body_of_their_gender(raw, tmp_path):
    store = prepared(tmp_path)
    for each in store.sequences:
        rows, known = np.array(store.frames[each.rows]), raw[each.split][int(each.name[-1])]
        body, true = load_smpl(each.gender).to(dtype=torch.float64), known.R_cam[rows]
        poses = torch.from_numpy(np.array(store.column("poses")[each.rows])).double().unflatten(-1, (24, 3))
        torch.testing.assert_close(roma.rotvec_to_rotmat(poses), true, atol=1e-6, rtol=0)
        trans = known.trans[rows]
        surface = vertices(body, true, known.betas) + trans[:, None]
        wanted = {
            "trans": trans,
            "betas": known.betas.expand(len(rows), -1),
            "points.smpl24": joints(body, true, known.betas) + trans[:, None],
            "points.common14": body.regressors["common14"] @ surface,
        }
        for name, value in wanted.items():
            np.testing.assert_allclose(store.column(name)[each.rows], value, atol=2e-6, err_msg=name)
        extra = torch.from_numpy(np.load(tmp_path / "home" / "j_regressor_extra.npz")["regressor"])
        names = ("right_hip", "left_hip", "lsp_neck", "head_top")
        found = store.column("points.spin49")[each.rows][:, index(SPIN49, names)]
        np.testing.assert_allclose(found, extra[:4] @ surface, atol=2e-6)
        assert store.column("has_theta")[each.rows].all() and store.column("has_points")[each.rows].all()


def test_keypoints_are_openposes_and_frames_with_few_of_them_do_not_count(raw, tmp_path):
    store = prepared(tmp_path)
    for each in store.sequences:
        rows, written = store.frames[each.rows], raw[each.split][int(each.name[-1])].written["poses2d"]
        found = store.column("keypoints_px.spin49")[each.rows]
        seen = written[rows, 2] > 0.3
        np.testing.assert_array_equal(found[:, index(SPIN49, COCO18), 2], seen)
        pixels = written[rows, :2].transpose(0, 2, 1)[seen]
        np.testing.assert_allclose(found[:, index(SPIN49, COCO18), :2][seen], pixels, rtol=1e-6)
        assert not found[:, [place for place in range(49) if SPIN49[place] not in COCO18]].any()
        least = store.column("valid")[each.rows]
        assert least.tolist() == [not (each.name == "test_road_00_0" and frame == 5) for frame in rows]


@pytest.mark.parametrize("protocol", ["3dpw", "3dpw-smpl24"])
def test_both_protocols_find_their_truth(protocol, raw, tmp_path):
    store, protocol = prepared(tmp_path), PROTOCOLS[protocol]
    found = [person_of(store, each, protocol, load_smpl) for each in sequences_of(store, protocol)]
    assert [each.sequence.name for each in found] == ["test_road_00_0", "test_road_00_1"]
    assert [len(each.rows) for each in found] == [19, 22]
    for each in found:
        points = store.column(f"points.{protocol.joints}")[each.sequence.rows][each.rows.numpy()]
        np.testing.assert_allclose(each.points, points, atol=5e-6)


def test_the_crop_is_the_published_one_where_nothing_moves(raw, tmp_path):
    """Diagonal of the joints, times 1.1, times 1.2."""
    standing = raw["train"][0]
    standing.written["poses2d"] = np.tile(standing.written["poses2d"][:1], (COUNT, 1, 1))
    write_again(tmp_path, raw, "train")
    store = prepared(tmp_path)
    [each] = [each for each in store.sequences if each.split == "train"]
    pixels = standing.written["poses2d"][0, :2, :17]
    low, high = pixels.min(1), pixels.max(1)
    box_px = store.column("box_px")[each.rows]
    np.testing.assert_allclose(box_px[:, :2], np.tile((low + high) / 2, (COUNT, 1)), rtol=1e-5)
    np.testing.assert_allclose(CROP_SCALE * box_px[:, 2:], 1.1 * 1.2 * np.hypot(*(high - low)), rtol=1e-5)


def test_a_box_between_two_frames_with_joints_lies_between_theirs(raw, tmp_path):
    found = raw["train"][0].written["poses2d"]
    found[:] = found[:1]
    found[:12, 0] -= 300
    found[8:16, 2] = 0
    write_again(tmp_path, raw, "train")
    store = prepared(tmp_path)
    [each] = [each for each in store.sequences if each.split == "train"]
    x = store.column("box_px")[each.rows][:, 0]
    assert (np.diff(x) > 0).all() and np.ptp(x) < 300
    assert not store.column("valid")[each.rows][8:16].any()


def write_again(tmp_path: Path, raw: dict[str, list[Known]], split: str) -> None:
    name = f"{split}_road_00"
    for image in (tmp_path / "raw" / "imageFiles" / name).iterdir():
        image.unlink()
    (tmp_path / "raw" / "imageFiles" / name).rmdir()
    write(tmp_path / "raw", split, name, raw[split], cameras(list(raw).index(split)))


def test_what_is_wrong_is_left_out_and_named_and_the_others_are_kept(raw, tmp_path):
    camera = cameras(5)
    folder = tmp_path / "raw"
    cut(write(folder, "train", "cut", [person(1, "m", camera)], camera), 0.6)
    write(folder, "train", "empty", [], camera)
    pair = [person(2, "m", camera), person(3, "f", camera)]
    pair[0].written["trans"][4, 1] = np.nan
    write(folder, "train", "pair", pair, camera)
    write(folder, "train", "images", [person(4, "m", camera)], camera)
    (folder / "imageFiles" / "images" / "image_00009.jpg").unlink()
    (folder / "sequenceFiles" / "train" / "evil.pkl").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    for path in (folder / "sequenceFiles" / "validation").iterdir():
        path.unlink()
    done = prepare("3dpw", THREEDPW, folder, tmp_path / "out")
    reasons = {
        "train/cut": "cut.pkl",
        "train/empty": "empty.pkl is an annotation without a person",
        "train/pair": "pair.pkl: trans, frames with a camera, of person 0 holds NaN or infinity, first in row 4",
        "train/images": "images lacks 1 of 24 images that are annotated, such as image_00009.jpg",
        "train/evil": "evil.pkl (it names 'posix.system'",
        "validation": "validation",
    }
    assert set(done.dropped) == set(reasons)
    for name, reason in reasons.items():
        assert reason in done.dropped[name]
    kept = {each.name for each in open_store(tmp_path / "out").sequences}
    assert kept == {"pair_1", "train_road_00_0", "test_road_00_0", "test_road_00_1"}
    again = prepare("3dpw", THREEDPW, folder, tmp_path / "out")
    assert (again.kept, again.rows, again.dropped) == (done.kept, done.rows, done.dropped)
    with pytest.raises(ValueError, match="train/evil: .*nothing was run"):
        prepare("3dpw", THREEDPW, folder, tmp_path / "strict", strict=True)


def test_without_the_folder_or_the_bodies_it_says_what_to_do(raw, tmp_path, home):
    (home / "smpl_female.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"smpl_female\.npz .* run `vibe assets add"):
        prepared(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no .*sequenceFiles: .* should hold sequenceFiles"):
        prepare("3dpw", THREEDPW, tmp_path / "raw" / "imageFiles", tmp_path / "other")
