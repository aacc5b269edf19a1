"""MPI-INF-3DHP, from a miniature in its own layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from raw_files import cut, write_images, write_matlab73, write_video
from scipy import io

from vibe.body.load import load_smpl
from vibe.cameras import CROP_SCALE
from vibe.data.prepare import StoreWriter, prepare
from vibe.data.sets.mpi_inf_3dhp import CHOSEN, MPI_INF_3DHP, MPI_INF_3DHP_ALL, read_calibration
from vibe.data.store import Store, open_store
from vibe.evaluate.protocols import PROTOCOLS
from vibe.evaluate.with_true_boxes import person_of, sequences_of
from vibe.skeletons import COMMON14, MPII3D28, MPII3D_TEST17, SPIN49, convert_joints

COUNT, TEST_COUNT, SIDE = 12, 9, 2048
CAMERA = """name          {name}
  sensor      10 10
  size        2048 2048
  animated    0
  intrinsic   {focal} 0 1024.5 0 0 1497 1051 0 0 0 1 0 0 0 0 1
  extrinsic   1 0 0 -562.8 0 1 0 1398.1 0 0 1 3852.6 0 0 0 1
  radial      0
"""


def person(seed: int, frames: int, joints: int) -> np.ndarray:
    """Joints in the camera's frame, millimetres: [frame, joint, 3]."""
    random = np.random.default_rng(seed)
    walk = np.stack([30.0 * np.arange(frames), 0 * np.arange(frames), 4000 + 10.0 * np.arange(frames)], 1)
    return 300 * random.normal(size=(1, joints, 3)) + walk[:, None] + 20 * random.normal(size=(frames, joints, 3))


def projected(points: np.ndarray, focal: float) -> np.ndarray:
    return points[..., :2] / points[..., 2:] * [focal, 1497] + [1024.5, 1051]


def focal(camera: int) -> float:
    return 1490.0 + camera


def write_train(raw: Path, subject: int, number: int, gone: int | None = None) -> list[np.ndarray]:
    """One sequence before 14 cameras, of which the frame `gone` leaves the picture in all; the points of each."""
    folder = raw / f"S{subject}" / f"Seq{number}"
    folder.mkdir(parents=True)
    points = [person(100 * subject + 10 * number + camera, COUNT, 28) for camera in range(14)]
    cells = {name: np.empty((14, 1), object) for name in ("annot2", "annot3", "univ_annot3")}
    for camera, its in enumerate(points):
        if gone is not None:
            its[gone, MPII3D28.index("left_wrist"), 0] += 5000
        cells["annot2"][camera, 0] = projected(its, focal(camera)).reshape(COUNT, 56)
        cells["annot3"][camera, 0] = its.reshape(COUNT, 84)
        cells["univ_annot3"][camera, 0] = 0.9 * its.reshape(COUNT, 84)
    rest = {"frames": np.arange(COUNT)[:, None], "cameras": np.arange(14)[None]}
    io.savemat(folder / "annot.mat", {**cells, **rest}, do_compression=True)
    blocks = "".join(CAMERA.format(name=camera, focal=focal(camera)) for camera in range(14))
    (folder / "camera.calibration").write_text("Skeletool Camera Calibration File V1.0\n" + blocks)
    return points


def write_test(raw: Path, test: int, unknown: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """A test sequence of MATLAB 7.3; its scaled points, and which frames are valid."""
    folder = raw / "mpi_inf_3dhp_test_set" / f"TS{test}"
    points, valid = person(test, TEST_COUNT, 17), np.arange(TEST_COUNT) % 3 == 0
    pixels = projected(points, 1500.0)
    if unknown is not None:
        points[unknown] = np.nan
    blocks = {"annot2": pixels, "annot3": points, "univ_annot3": 0.95 * points}
    variables = {name: block.transpose(2, 1, 0)[:, :, None] for name, block in blocks.items()}
    variables |= {"valid_frame": valid[:, None].astype(float), "activity_annotation": np.ones((TEST_COUNT, 1))}
    write_matlab73(folder / "annot_data.mat", variables)
    write_images(folder / "imageSequence", [f"img_{frame:06d}.jpg" for frame in range(1, TEST_COUNT + 1)])
    return 0.95 * points, valid


def run(tmp_path: Path, raw_set=MPI_INF_3DHP) -> tuple[StoreWriter, Store]:
    done = prepare("mpi-inf-3dhp", raw_set, tmp_path / "raw", tmp_path / "out")
    return done, open_store(tmp_path / "out")


@pytest.fixture
def known(tmp_path: Path) -> dict[str, list[np.ndarray]]:
    """One sequence with its videos, one with folders of frames, of which two are not there."""
    raw = tmp_path / "raw"
    found = {"S1/Seq1": write_train(raw, 1, 1, gone=5), "S3/Seq2": write_train(raw, 3, 2)}
    for camera in CHOSEN:
        write_video(raw / "S1" / "Seq1" / "imageSequence" / f"video_{camera}.avi", COUNT - (camera == 8), 25)
    names = [f"frame_{frame:06d}.jpg" for frame in range(COUNT)]
    write_images(raw / "S3" / "Seq2" / "imageFrames" / "video_0", names)
    write_images(raw / "S3" / "Seq2" / "video_7", names)
    return found


def test_the_chosen_cameras_of_the_training_set_are_found_again(known, tmp_path):
    done, store = run(tmp_path)
    every = list(range(COUNT))
    without = [frame for frame in every if frame != 5]
    wanted = {f"S1/Seq1/video_{camera}": (without, 25.0, f"imageSequence/video_{camera}.avi") for camera in CHOSEN}
    wanted["S1/Seq1/video_8"] = (without[:-1], 25.0, "imageSequence/video_8.avi")
    wanted["S3/Seq2/video_0"] = (every, 50.0, "imageFrames/video_0")
    wanted["S3/Seq2/video_7"] = (every, 50.0, "video_7")
    assert {each.name for each in store.sequences} == set(wanted)
    for each in store.sequences:
        frames, fps, source = wanted[each.name]
        take, camera = each.name.rsplit("/", 1)[0], int(each.name[-1])
        assert store.frames[each.rows].tolist() == frames
        assert (each.fps, each.split, each.subject) == (fps, "train", each.name[:2])
        assert each.source == f"{take}/{source}"
        images = [f"frame_{frame:06d}.jpg" for frame in frames] if fps == 50 else [""] * len(frames)
        assert store.images(each.rows) == images
        np.testing.assert_array_equal(each.K_px, [[focal(camera), 0, 1024.5], [0, 1497, 1051], [0, 0, 1]])
        points = known[take][camera][frames]
        assert_joints(store, each, points / 1000, projected(points, focal(camera)), MPII3D28)
    assert done.dropped["S3/Seq2"].count("there is neither") == len(CHOSEN) - 2
    takes = {f"S{subject}/Seq{number}" for subject in range(1, 9) for number in (1, 2)}
    absent = takes - {"S1/Seq1", "S3/Seq2"} | {f"TS{test}" for test in range(1, 7)}
    assert set(done.dropped) == absent | {"S3/Seq2"}


def assert_joints(store: Store, each, points: np.ndarray, pixels: np.ndarray, names: list[str]) -> None:
    """Joints, keypoints and the published crop (1.1 * 1.3 times the longer side) of a recording."""
    flagged = np.concatenate([pixels, np.ones_like(pixels[..., :1])], -1)
    for column, value in (("points.spin49", points), ("keypoints_px.spin49", flagged)):
        wanted = convert_joints(torch.from_numpy(value), names, SPIN49).numpy()
        np.testing.assert_allclose(store.column(column)[each.rows], wanted, rtol=2e-6, atol=2e-6)
    assert store.column("points.spin49")[each.rows][:, [SPIN49.index(name) for name in COMMON14]].all()
    low, high = pixels.min(1), pixels.max(1)
    side = 1.1 * 1.3 * (high - low).max(1)
    box_px = store.column("box_px")[each.rows]
    np.testing.assert_allclose(box_px[:, :2], (low + high) / 2, rtol=1e-6)
    np.testing.assert_allclose(CROP_SCALE * box_px[:, 2:], np.stack([side, side], 1), rtol=1e-6)


def test_the_test_set_has_its_17_scaled_joints_its_valid_frames_and_its_camera(tmp_path):
    raw = tmp_path / "raw"
    made = {f"TS{test}": write_test(raw, test) for test in (1, 6)}
    _, store = run(tmp_path)
    assert [each.name for each in store.sequences] == ["TS1", "TS6"]
    for each in store.sequences:
        points, valid = made[each.name]
        assert (each.split, each.source) == ("test", f"mpi_inf_3dhp_test_set/{each.name}/imageSequence")
        assert store.images(each.rows)[0] == "img_000001.jpg" and len(store.images(each.rows)) == TEST_COUNT
        np.testing.assert_array_equal(store.column("valid")[each.rows], valid)
        np.testing.assert_allclose(each.K_px, [[1500, 0, 1024.5], [0, 1497, 1051], [0, 0, 1]], atol=1e-6)
        assert_joints(store, each, points / 1000, projected(points, 1500.0), MPII3D_TEST17)
    protocol = PROTOCOLS["mpi-inf-3dhp"]
    for each in sequences_of(store, protocol):
        points, valid = made[each.name]
        np.testing.assert_allclose(person_of(store, each, protocol, load_smpl).points, points[valid] / 1000, rtol=1e-6)


def test_the_test_set_alone_may_be_the_raw_folder(tmp_path):
    write_test(tmp_path, 2)
    done = prepare("mpi-inf-3dhp", MPI_INF_3DHP, tmp_path / "mpi_inf_3dhp_test_set", tmp_path / "out")
    assert len(done.kept) == 1


def test_a_frame_without_annotation_is_masked_unless_it_is_valid(tmp_path):
    raw = tmp_path / "raw"
    write_test(raw, 1, unknown=4)
    write_test(raw, 2, unknown=3)
    done, store = run(tmp_path)
    assert "frame 3, which is valid" in done.dropped["TS2"] and "TS2" in done.dropped["TS2"]
    [each] = store.sequences
    has = store.column("has_points")[each.rows]
    assert has.tolist() == [frame != 4 for frame in range(TEST_COUNT)]
    box_px = store.column("box_px")[each.rows]
    np.testing.assert_allclose(box_px[4], (box_px[3] + box_px[5]) / 2, rtol=1e-6)
    assert not store.column("keypoints_px.spin49")[each.rows][4].any()


def test_all_cameras_are_an_option(known, tmp_path):
    for camera in set(range(14)) - set(CHOSEN):
        write_video(tmp_path / "raw" / "S1" / "Seq1" / "imageSequence" / f"video_{camera}.avi", COUNT, 25)
    _, store = run(tmp_path, MPI_INF_3DHP_ALL)
    names = {each.name for each in store.sequences if each.subject == "S1"}
    assert names == {f"S1/Seq1/video_{camera}" for camera in range(14)}
    assert store.manifest["recipe"]["cameras"] == list(range(14))


def test_what_is_wrong_is_left_out_and_named_and_the_others_are_kept(known, tmp_path):
    raw = tmp_path / "raw"
    videos = raw / "S1" / "Seq1" / "imageSequence"
    write_long(raw / "S2" / "Seq1", videos / "video_0.avi")
    cut(raw / "S3" / "Seq2" / "annot.mat", 0.5)
    write_test(raw, 1)
    cut(raw / "mpi_inf_3dhp_test_set" / "TS1" / "annot_data.mat", 0.5)
    write_test(raw, 2)
    (raw / "mpi_inf_3dhp_test_set" / "TS2" / "imageSequence" / "img_000003.jpg").unlink()
    done, store = run(tmp_path)
    assert "annot.mat is no MATLAB file, or cut off" in done.dropped["S3/Seq2"]
    assert "annot_data.mat is no MATLAB file, or cut off" in done.dropped["TS1"]
    assert "imageSequence lacks 1 of 9 images" in done.dropped["TS2"]
    assert "video_0.avi ends after 12 pictures, 60 are annotated" in done.dropped["S2/Seq1"]
    assert "annotation without a person: annot2 of camera 1 is empty" in done.dropped["S2/Seq1"]
    assert "annot3 of camera 2 holds NaN or infinity, first in row 3" in done.dropped["S2/Seq1"]
    assert "no file" not in done.dropped["S4/Seq1"] and "S4/Seq1/annot.mat" in done.dropped["S4/Seq1"]
    assert {each.subject for each in store.sequences} == {"S1"}
    with pytest.raises(FileNotFoundError, match="holds nothing of MPI-INF-3DHP, which looks like this"):
        prepare("mpi-inf-3dhp", MPI_INF_3DHP, videos, tmp_path / "other")


def write_long(folder: Path, video: Path) -> None:
    """A sequence whose first video is too short, whose second is not annotated, and whose third holds NaN."""
    folder.mkdir(parents=True)
    cells = {name: np.empty((14, 1), object) for name in ("annot2", "annot3")}
    for camera in range(14):
        cells["annot2"][camera, 0], cells["annot3"][camera, 0] = np.ones((60, 56)), np.ones((60, 84))
    cells["annot2"][1, 0] = np.zeros((0, 56))
    cells["annot3"][2, 0][3, 7] = np.nan
    io.savemat(folder / "annot.mat", cells)
    (folder / "imageSequence").mkdir()
    for camera in range(3):
        (folder / "imageSequence" / f"video_{camera}.avi").write_bytes(video.read_bytes())
    calibration = video.parents[1] / "camera.calibration"
    (folder / "camera.calibration").write_bytes(calibration.read_bytes())


@pytest.mark.parametrize("content", ["", "name 0\n size 2 2\n intrinsic 1 2 3\n", "name x\n", "\x00\x01"])
def test_a_damaged_calibration_is_refused_by_its_name(content, tmp_path):
    (tmp_path / "camera.calibration").write_text(content)
    with pytest.raises(ValueError, match=r"camera\.calibration"):
        read_calibration(tmp_path / "camera.calibration")
