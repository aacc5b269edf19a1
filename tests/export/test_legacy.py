"""vibe_output.pkl: the published names and shapes, the numbers of the motion, cameras that put them where they were."""

import pickle
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from vibe import cameras
from vibe.arrays import as_numpy, as_tensors
from vibe.body import joints_and_keypoints, load_body, rest_joints, vertices
from vibe.cameras import default_camera
from vibe.export.legacy import write_legacy
from vibe.motion import Motion, Result
from vibe.motion.tensors import to_motion
from vibe.records import Clip, SmplParams, Track, Weights
from vibe.skeletons import COCO

LAYOUT = {
    "pred_cam": (3,),
    "orig_cam": (4,),
    "verts": (None, 3),
    "pose": (72,),
    "betas": (10,),
    "joints3d": (49, 3),
    "joints2d": (21, 3),
    "joints2d_img_coord": (49, 2),
    "bboxes": (4,),
    "frame_ids": (),
}
WIDTH, HEIGHT = 1280, 720


@pytest.fixture(scope="module")
def body():
    return load_body()


def motion(body, time: int, first: int = 3, changing: bool = False) -> Motion:
    """Somebody who moves a little, so far away that perspective hardly matters."""
    K_px = default_camera(WIDTH, HEIGHT).K_px
    rotvec = 0.2 * torch.randn(time, 24, 3)
    rotvec[:, 0] = torch.tensor([torch.pi - 0.1, 0.05, 0.1])
    rotmat = roma.rotvec_to_rotmat(rotvec)
    betas = torch.randn(time, 10) if changing else torch.randn(10)
    trans = torch.stack([torch.linspace(-1, 1, time), torch.full((time,), 0.2), torch.linspace(15, 20, time)], 1)
    with torch.no_grad():
        keypoints = joints_and_keypoints(body, rotmat, betas)[1]
        pelvis = rest_joints(body, betas)[..., :1, :]
    keypoints_px = cameras.project(keypoints - pelvis + trans[:, None], K_px)
    keypoints_px = torch.cat([keypoints_px, torch.rand(time, 17, 1)], -1)
    box_px = cameras.box_from_keypoints(keypoints_px, least=0)
    frames = torch.arange(first, first + time)
    track = Track(frames, box_px, keypoints_px)
    smpl = SmplParams(rotmat, betas, trans)
    return to_motion(smpl, track, frames.double() / 30, default_camera(WIDTH, HEIGHT), body)


def result(body, *people: Motion) -> Result:
    clip = Clip(Path("clip.mp4"), 30.0, WIDTH, HEIGHT, np.arange(999) / 30, 0)
    return Result(
        clip, as_numpy(default_camera(WIDTH, HEIGHT)), people, body.origin, Weights("open", "0" * 64, "free"), ()
    )


def written(path: Path, *given) -> dict:
    write_legacy(path, *given)
    return pickle.loads(path.read_bytes())


@pytest.mark.parametrize("changing", [False, True])
def test_the_names_shapes_and_kinds_are_the_published_ones(body, tmp_path, changing):
    people = motion(body, 5, changing=changing), motion(body, 70, 0)
    content = written(tmp_path / "vibe_output.pkl", result(body, *people), body)
    assert list(content) == [1, 2]
    for person, frames in ((1, 5), (2, 70)):
        assert list(content[person]) == list(LAYOUT)
        for name, shape in LAYOUT.items():
            array = content[person][name]
            assert array.shape == (frames, *(size or len(body.v_template) for size in shape)), name
            assert array.dtype == (np.int64 if name == "frame_ids" else np.float32), name
            assert np.isfinite(array).all()
    assert [path.name for path in tmp_path.iterdir()] == ["vibe_output.pkl"]


@pytest.mark.parametrize("changing", [False, True])
def test_the_arrays_are_those_of_the_motion_and_of_its_body(body, tmp_path, changing):
    person = motion(body, 70, changing=changing)
    found = written(tmp_path / "x.pkl", result(body, person), body)[1]
    smpl = as_tensors(person.smpl_shaped)
    with torch.no_grad():
        assert np.allclose(found["verts"], vertices(body, smpl.rotmat, smpl.betas), atol=1e-5)
        spin49 = joints_and_keypoints(body, smpl.rotmat, smpl.betas, points="spin49")[1]
    assert np.allclose(found["joints3d"], spin49, atol=1e-5)
    assert np.array_equal(found["pose"], np.concatenate([person.global_orient, person.body_pose], 1))
    assert np.array_equal(found["betas"], smpl.betas.expand(70, 10))
    assert np.array_equal(found["pred_cam"], person.pred_cam)
    assert np.array_equal(found["frame_ids"], np.arange(3, 73))
    side = person.box_px[:, 2:].max(1)
    assert np.array_equal(found["bboxes"], np.stack([*person.box_px[:, :2].T, side, side], 1))


def test_the_2d_evidence_keeps_its_names_and_what_is_missing_has_no_confidence(body, tmp_path):
    person = motion(body, 4)
    found = written(tmp_path / "x.pkl", result(body, person), body)[1]["joints2d"]
    places = {"nose": 0, "right_shoulder": 2, "left_wrist": 7, "right_hip": 9, "left_ankle": 14, "left_ear": 18}
    for name, place in places.items():
        assert np.array_equal(found[:, place], person.keypoints_px[:, COCO.index(name)])
    assert not found[:, [1, 8, 19, 20]].any()
    assert (found[..., 2] > 0).sum() == 4 * 17


def test_both_cameras_put_the_body_where_the_picture_has_it(body, tmp_path):
    person = motion(body, 12)
    found = written(tmp_path / "x.pkl", result(body, person), body)[1]
    sx, sy, tx, ty = np.moveaxis(found["orig_cam"][:, None], -1, 0)

    def seen(points):
        return np.stack(
            [(sx * (points[..., 0] + tx) + 1) * WIDTH / 2, (sy * (points[..., 1] + ty) + 1) * HEIGHT / 2], -1
        )

    truth = person.keypoints_px[..., :2]
    tall_px = person.box_px[:, 3].min()
    assert tall_px > 100
    off_px = np.abs(seen(body.regressors["coco17"].numpy() @ found["verts"]) - truth)
    assert off_px.max() < 5
    assert np.median(off_px) < 0.5
    for place, name in {7: "left_wrist", 10: "right_knee", 12: "left_hip", 2: "right_shoulder"}.items():
        assert np.abs(found["joints2d_img_coord"][:, place] - truth[:, COCO.index(name)]).max() < 5
    assert np.abs(found["joints2d_img_coord"] - seen(found["joints3d"])).max() < 5


def test_nobody_in_view_is_an_empty_dictionary(body, tmp_path):
    assert written(tmp_path / "x.pkl", result(body), body) == {}


def test_the_memory_does_not_grow_with_the_video(body, tmp_path):
    def peak(time: int) -> int:
        given = result(body, motion(body, time))
        tracemalloc.start()
        write_legacy(tmp_path / "x.pkl", given, body)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(64)
    assert peak(640) - peak(128) < 512 * len(body.v_template) * 12 / 10


def test_another_body_is_refused_and_nothing_is_written(body, tmp_path):
    other = replace(result(body, motion(body, 3)), body=Weights("smpl_neutral", "ab" * 32, ""))
    with pytest.raises(ValueError, match="smpl_neutral"):
        write_legacy(tmp_path / "x.pkl", other, body)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_leaves_the_old_file_and_nothing_else(body, tmp_path):
    import resource

    given = result(body, motion(body, 3))
    (tmp_path / "x.pkl").write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            write_legacy(tmp_path / "x.pkl", given, body)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]
    assert (tmp_path / "x.pkl").read_bytes() == b"old"
