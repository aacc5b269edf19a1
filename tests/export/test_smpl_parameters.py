"""The forms of SMPL's software: the parameters give the joints back; vibe_output.pkl has published names and shapes,
the numbers of the motion, and cameras that put people where they were.
"""

import json
import pickle
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import performers
import pytest
import roma
import torch
from readers import amass_joints, smpl_joints, smplx_json_joints

from vibe import cameras
from vibe.arrays import as_numpy, as_tensors
from vibe.assets.archives import read_npz
from vibe.body import joints_and_keypoints, load_body, rest_joints, vertices
from vibe.cameras import default_camera
from vibe.data.sets.amass import to_take
from vibe.export.smpl_parameters import write_amass, write_legacy, write_smplx_json
from vibe.motion import Motion, Result
from vibe.motion.scene import SceneOptions, build_scene
from vibe.motion.tensors import to_motion
from vibe.records import Clip, SmplParams, Track, Weights
from vibe.skeletons import COCO


@pytest.fixture(scope="module")
def open_body():
    return as_numpy(load_body(detail="low"))


def called(body, name):
    """The same body under another name, with a motion made with it."""
    body = replace(body, origin=replace(body.origin, name=name))
    return body, performers.show(body, performers.performer(body, torch.arange(60)))


@pytest.mark.parametrize(
    ("name", "gender"), [("SMPL neutral", "neutral"), ("SMPL female", "female"), ("SMPL male", "male")]
)
def test_smpl_s_own_shape_and_translation_give_the_joints(open_body, name, gender, tmp_path):
    body, given = called(open_body, name)
    scene = build_scene(given, body, SceneOptions("z", ground=True))
    (character,) = scene.characters
    write_amass(tmp_path / "x.npz", scene, character, body)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert file["poses"].shape == (60, 156) and not file["poses"][:, 66:].any()
        assert file["gender"].item() == gender
        assert file["mocap_framerate"] == file["mocap_frame_rate"] == performers.FPS
    assert np.abs(amass_joints(tmp_path / "x.npz", body) - character.joints).max() < 1e-4


def test_the_open_body_s_shape_is_not_taken_for_smpl_s(open_body, tmp_path):
    given = performers.show(open_body, performers.performer(open_body, torch.arange(60)))
    scene = build_scene(given, open_body, SceneOptions("z"))
    (character,) = scene.characters
    write_amass(tmp_path / "x.npz", scene, character, open_body)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert not file["betas"].any() and file["body_betas"].any()
        pelvis = file["trans"] + open_body.J_template[0]
        found = smpl_joints(
            open_body, file["poses"], file["body_betas"], pelvis - rest_joints(open_body, character.smpl.betas)[0]
        )
    assert np.abs(pelvis - character.joints[:, 0]).max() < 1e-5
    assert (found - character.joints).abs().max() < 1e-4


def test_our_reader_of_amass_takes_it_and_turns_it_to_a_world_whose_y_points_up(open_body, tmp_path):
    given = performers.show(open_body, performers.performer(open_body, torch.arange(60)), fps=30.0)
    scene = build_scene(given, open_body, SceneOptions("z", ground=True))
    write_amass(tmp_path / "x.npz", scene, scene.characters[0], open_body)
    names = ("poses", "trans", "betas", "gender", "surface_model_type", "mocap_framerate", "mocap_frame_rate")
    taken = to_take(tmp_path / "x.npz", read_npz(tmp_path / "x.npz", names), "x", "x", "train")
    found = roma.rotvec_to_rotmat(torch.from_numpy(taken.columns["poses"]).reshape(-1, 24, 3)).float()
    (upright,) = build_scene(given, open_body, SceneOptions("y", ground=True)).characters
    assert (found[:, :22] - upright.smpl.rotmat[:, :22]).abs().max() < 1e-5
    assert np.abs(taken.columns["trans"] + open_body.J_template[0] - upright.joints[:, 0]).max() < 1e-5


def test_the_arguments_of_smplx_give_the_joints(open_body, tmp_path):
    body, given = called(open_body, "SMPL neutral")
    scene = build_scene(given, body, SceneOptions())
    (character,) = scene.characters
    write_smplx_json(tmp_path / "x.json", scene, character, body)
    read = json.loads((tmp_path / "x.json").read_text())
    assert np.abs(smplx_json_joints(tmp_path / "x.json", body) - character.joints).max() < 1e-3
    assert read["axes"] == "right-handed, y up" and read["fps"] == performers.FPS


def test_the_pelvis_and_its_place_at_rest_are_stated_for_bodies_that_rest_elsewhere(open_body, tmp_path):
    """SMPL-X rests its pelvis some 13 cm lower than the open body does; `transl` alone would put it too low."""
    given = performers.show(open_body, performers.performer(open_body, torch.arange(20)))
    scene = build_scene(given, open_body, SceneOptions())
    (character,) = scene.characters
    write_smplx_json(tmp_path / "x.json", scene, character, open_body)
    write_amass(tmp_path / "x.npz", scene, character, open_body)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        amass = {"transl": file["trans"], **{name: file[name] for name in ("pelvis", "pelvis_at_rest")}}
    for read in (json.loads((tmp_path / "x.json").read_text()), amass):
        pelvis, at_rest, transl = (np.array(read[name]) for name in ("pelvis", "pelvis_at_rest", "transl"))
        assert np.abs(pelvis - character.joints[:, 0]).max() < 1e-5
        assert np.abs(at_rest - open_body.J_template[0]).max() < 1e-5
        assert np.abs(pelvis - at_rest - transl).max() < 2e-5


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
