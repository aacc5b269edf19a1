"""motion.npz: what goes in comes out, nothing is unpickled, and a bad file says what is bad."""

import sys
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vibe import __version__
from vibe.motion import Motion, Result, npz
from vibe.records import Camera, Clip, Weights
from vibe.skeletons import SMPL

CONTRACT = {
    "frames": (7,),
    "box_px": (7, 4),
    "global_orient": (7, 3),
    "body_pose": (7, 69),
    "betas": (10,),
    "trans": (7, 3),
    "pred_cam": (7, 3),
    "joints": (7, 24, 3),
    "joints_px": (7, 24, 2),
    "keypoints_px": (7, 17, 3),
    "confidence": (7,),
}


TIMES = torch.arange(12, dtype=torch.float64) / 29.97
BODY = Weights("open", "ab" * 32, "")


def motion(time: int = 7, first: int = 2) -> Motion:
    shapes = {name: (time, *shape[1:]) if name != "betas" else shape for name, shape in CONTRACT.items()}
    values = {npz.FIELDS[name]: torch.randn(shape) for name, shape in shapes.items() if name != "frames"}
    frames = torch.arange(first, first + time)
    return Motion(frames=frames, times=TIMES[frames], body=BODY, **values)


@pytest.fixture
def result() -> Result:
    clip = Clip(Path("some where/clip ü.mp4"), 29.97, 64, 48, TIMES, 0)
    return Result(
        clip=clip,
        camera=Camera(torch.tensor([[80.0, 0, 32], [0, 80, 24], [0, 0, 1]]), 64, 48),
        people=(motion(), motion(3, 0)),
        body=BODY,
        weights=Weights("open", "cd" * 32, "free"),
        notes=("one note",),
    )


def test_what_is_written_is_read_back(tmp_path, result):
    npz.save(tmp_path / "motion.npz", result)
    back = npz.load(tmp_path / "motion.npz")
    assert len(back.people) == 2
    for mine, its in zip(result.people, back.people, strict=True):
        assert mine.body == its.body
        for field in fields(Motion)[:-1]:
            assert torch.equal(getattr(mine, field.name), getattr(its, field.name)), field.name
    assert torch.equal(back.clip.timestamps, result.clip.timestamps)
    for name in ("path", "fps", "width", "height", "damaged"):
        assert getattr(back.clip, name) == getattr(result.clip, name), name
    assert torch.equal(back.camera.K_px, result.camera.K_px)
    assert (back.body.name, back.body.sha256) == ("open", "ab" * 32)
    assert (back.weights.name, back.weights.sha256) == ("open", "cd" * 32)


def test_the_names_shapes_and_kinds_are_those_of_the_contract(tmp_path, result):
    npz.save(tmp_path / "motion.npz", result)
    with np.load(tmp_path / "motion.npz", allow_pickle=False) as file:
        arrays = dict(file)
    assert str(arrays["format"]) == "vibe-motion 1"
    assert str(arrays["video"]) == str(result.clip.path)
    assert str(arrays["vibe_version"]) == __version__
    assert arrays["joint_names"].tolist() == list(SMPL)
    assert arrays["body"].tolist() == ["open", "ab" * 32]
    assert arrays["weights"].tolist() == ["open", "cd" * 32]
    assert (int(arrays["width"]), int(arrays["height"]), float(arrays["fps"])) == (64, 48, 29.97)
    assert arrays["timestamps"].dtype == np.float64
    assert arrays["camera/K"].shape == (3, 3)
    person = {name: arrays[f"1/{name}"] for name in CONTRACT}
    assert {name: array.shape for name, array in person.items()} == CONTRACT
    assert person.pop("frames").dtype == np.int64
    assert {array.dtype for array in person.values()} == {np.dtype(np.float32)}
    assert not any(array.dtype.hasobject for array in arrays.values())
    assert len(arrays) == 11 + 2 * len(CONTRACT)


def test_nobody_in_view_is_a_file_without_people(tmp_path, result):
    npz.save(tmp_path / "motion.npz", replace(result, people=()))
    assert npz.load(tmp_path / "motion.npz").people == ()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_writing_to_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, result):
    import resource

    target = tmp_path / "motion.npz"
    target.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            npz.save(target, result)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["motion.npz"]
    assert target.read_bytes() == b"old"


def changed(path: Path, result: Result, **arrays: object) -> Path:
    """A motion file in which some arrays are others, or absent where None stands."""
    npz.save(path, result)
    with np.load(path, allow_pickle=False) as file:
        content = {name: array for name, array in file.items() if name not in arrays}
    np.savez(path, allow_pickle=True, **content, **{name: array for name, array in arrays.items() if array is not None})
    return path


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"format": np.array("vibe-motion 9")}, "vibe-motion 9"),
        ({"format": None}, "unknown"),
        ({"timestamps": None}, "lacks timestamps"),
        ({"2/trans": None}, "lacks 2/trans"),
        ({"1/trans": np.zeros((6, 3), np.float32)}, "1/trans"),
        ({"1/betas": np.zeros(16, np.float32)}, "expected 10"),
        ({"1/frames": np.arange(7.0)}, "1/frames"),
        ({"1/frames": np.arange(7) + 6}, "indices into the video"),
        ({"1/frames": np.arange(7)[::-1]}, "indices into the video"),
        ({"video": np.array([Path("x")], dtype=object)}, "no plain numbers"),
        ({"1/trans": np.full((7, 3), np.nan, np.float32)}, "1/trans has numbers that are not finite"),
        ({"2/betas": np.full(10, np.inf, np.float32)}, "2/betas has numbers that are not finite"),
        ({"timestamps": TIMES.numpy()[::-1]}, "timestamps do not increase"),
        ({"timestamps": TIMES.numpy() * np.nan}, "timestamps do not increase"),
        ({"fps": np.array(np.nan)}, "no video"),
        ({"fps": np.array(0.0)}, "no video"),
        ({"width": np.array(-64, np.int32)}, "no video"),
        ({"height": np.array(1 << 30, np.int32)}, "no video"),
        ({"camera/K": np.diag(np.float32([80, 0, 1]))}, "no camera has"),
        ({"camera/K": np.full((3, 3), np.nan, np.float32)}, "no camera has"),
    ],
)
def test_a_file_that_breaks_the_contract_is_refused_with_the_reason(tmp_path, result, arrays, says):
    with pytest.raises(ValueError, match=says):
        npz.load(changed(tmp_path / "motion.npz", result, **arrays))


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"\x80\x04N.", b"not a file of ours" * 99])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "motion.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"motion\.npz"):
        npz.load(path)


def test_every_cut_of_a_file_is_refused(tmp_path, result):
    path = tmp_path / "motion.npz"
    npz.save(path, result)
    content = path.read_bytes()
    for length in range(0, len(content) - 1, 997):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"motion\.npz"):
            npz.load(path)


def test_a_header_that_promises_terabytes_takes_no_memory(tmp_path):
    path = tmp_path / "motion.npz"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    header += b" " * (64 - (len(header) + 11) % 64) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("timestamps.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match="not as many as it says"):
        npz.load(path)


@pytest.mark.parametrize(
    "header",
    [
        b"(((((",
        b"[" * 9000,
        b"{1: 2, 'a': 3}",
        b"{[]: 2}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999, 0)}",
        b"{'descr': [('a',)], 'fortran_order': False, 'shape': ()}",
    ],
)
@pytest.mark.parametrize("packed", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2])
def test_a_header_that_is_no_header_is_refused(tmp_path, header, packed):
    path = tmp_path / "motion.npz"
    with zipfile.ZipFile(path, "w", packed) as archive:
        archive.writestr("timestamps.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match=r"motion\.npz is no \.npz file"):
        npz.load(path)


def test_a_missing_file_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        npz.load(tmp_path / "absent.npz")


def test_a_shape_for_each_frame_is_kept(tmp_path, result):
    changing = replace(result, people=(replace(motion(), betas=torch.randn(7, 10)),))
    npz.save(tmp_path / "motion.npz", changing)
    assert torch.equal(npz.load(tmp_path / "motion.npz").people[0].betas, changing.people[0].betas)


@pytest.mark.parametrize("shape", [(6, 10), (7, 9), (9,), (1, 7, 10)])
def test_shapes_for_another_number_of_frames_are_refused(tmp_path, result, shape):
    wrong = replace(result, people=(replace(motion(), betas=torch.randn(7, 10)),))
    object.__setattr__(wrong.people[0], "betas", torch.randn(shape))
    npz.save(tmp_path / "motion.npz", wrong)
    with pytest.raises(ValueError, match="1/betas"):
        npz.load(tmp_path / "motion.npz")
