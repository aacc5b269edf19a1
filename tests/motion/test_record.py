"""What can be asked of a motion and of a result agrees with the body and with the file."""

from dataclasses import replace

import numpy as np
import performers
import pytest
import torch

import vibe
from vibe.arrays import as_tensors
from vibe.body import Body, keypoints, load_body, placed, rest_joints, vertices
from vibe.motion import Motion, Result
from vibe.records import Weights

FRAMES = torch.cat([torch.arange(10, 30), torch.arange(40, 55)])


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body()


@pytest.fixture(scope="module")
def motion(body) -> Motion:
    return performers.performer(body, FRAMES)


@pytest.fixture(scope="module")
def result(body, motion) -> Result:
    return performers.show(body, motion, performers.performer(body, torch.arange(5), 1))


def changing(motion: Motion) -> Motion:
    return replace(motion, betas_per_frame=torch.randn(len(motion), 10).numpy())


def test_a_stretch_of_seconds_is_those_frames_of_everything(motion):
    part = motion[0.8:1.76]
    wanted = ((FRAMES >= 20) & (FRAMES < 44)).numpy()
    assert part.frames.tolist() == motion.frames[wanted].tolist() and len(part) == 14
    assert np.array_equal(part.joints_cam, motion.joints_cam[wanted])
    assert np.array_equal(part.times, motion.times[wanted])
    assert np.array_equal(part.smpl.rotmat, motion.smpl.rotmat[wanted])
    assert np.array_equal(part.smpl.betas, motion.smpl.betas) and part.body == motion.body
    assert changing(motion)[0.8:1.76].betas_per_frame.shape == (14, 10)
    assert len(motion[90:]) == 0


def test_a_motion_is_not_cut_by_frames(motion, result):
    for thing in (motion, result, motion.joints()):
        with pytest.raises(TypeError):
            thing[3]


def test_the_stored_joints_need_no_body(motion):
    lost = replace(motion, body=Weights("lost", "ab" * 32, ""))
    joints = lost.joints()
    assert np.array_equal(joints.values, motion.joints_cam) and joints.names[0] == "pelvis"
    assert (joints.unit, joints.axes) == ("m", "camera")
    for ask in (lambda: lost.joints("coco17"), lost.vertices):
        with pytest.raises(FileNotFoundError, match="lost .*vibe assets add"):
            ask()


@pytest.mark.parametrize("still", [True, False])
def test_joints_of_other_sets_lie_on_the_body_at_its_place(motion, body, still):
    motion = motion if still else changing(motion)
    smpl = as_tensors(motion.smpl_shaped)
    rest = rest_joints(body, smpl.betas)[..., :1, :]
    for name, count in (("coco17", 17), ("spin49", 49), ("h36m17", 17), ("common14", 14)):
        found = motion.joints(name)
        truth = keypoints(body, smpl.rotmat, smpl.betas, name) - rest + smpl.pelvis[:, None]
        assert found.values.shape == (len(motion), count, 3) and len(found.names) == count
        np.testing.assert_allclose(found.values, truth, atol=1e-5)
    near = motion.joints("coco17")["left_ankle"] - motion.joints()["left_ankle"]
    assert near.norm().to("cm").values.max() < 10 or not still


@pytest.mark.parametrize("still", [True, False])
def test_vertices_come_in_pieces_as_they_do_at_once(motion, body, still, monkeypatch):
    monkeypatch.setattr(placed, "CHUNK", 8)
    motion = motion if still else changing(motion)
    smpl = as_tensors(motion.smpl_shaped)
    rest = rest_joints(body, smpl.betas)[..., :1, :]
    truth = vertices(body, smpl.rotmat, smpl.betas) - rest + smpl.pelvis[:, None]
    np.testing.assert_allclose(motion.vertices(), truth, atol=1e-5)
    assert motion[90:].vertices().shape == (0, 13524, 3)
    assert motion[:0.5].vertices(load_body(detail="low")).shape[1] < 5000


def test_more_vertices_than_memory_is_to_hold_are_refused_with_the_way_out(motion, monkeypatch):
    monkeypatch.setattr(placed, "LARGEST", 12 * 13524 * 20)
    with pytest.raises(ValueError, match="in parts, as in"):
        motion.vertices()
    assert len(motion[:1.2].vertices()) == 20


def test_a_body_of_one_s_own_is_checked(motion, body, shared, tmp_path):
    from reference import recipe

    np.savez(tmp_path / "mine.npz", **recipe(shared).body())
    with pytest.raises(ValueError, match="give the same body"):
        motion.joints("coco17", body=tmp_path / "mine.npz")
    np.testing.assert_allclose(motion.joints("coco17", body=body).values, motion.joints("coco17").values, atol=1e-6)


def test_a_set_that_nobody_has_is_refused(motion):
    with pytest.raises(ValueError, match="choose smpl24"):
        motion.joints("fingers")
    with pytest.raises(ValueError, match="has no points 'penn13' .it has coco17"):
        motion.joints("penn13")


def test_the_angle_of_a_joint_is_how_far_it_was_bent(body):
    still = performers.standing(body, 3)
    pose = still.body_pose
    pose[:, 3 * 3 : 3 * 3 + 3] = [[0, 0, 0], [np.pi / 2, 0, 0], [0, -4, 0]]
    bent = performers.turned(still, still.global_orient, pose)
    angles = bent.angles()
    np.testing.assert_allclose(angles["left_knee"].values[:, 0], [0, 90, 360 - 229.1831], atol=1e-3)
    assert angles["right_knee"].values.max() < 1e-4 and (angles.unit, angles.axes) == ("deg", "parent joint")
    np.testing.assert_allclose(bent.body_pose[:2, 9:12], pose[:2, 9:12], atol=1e-6)


def test_a_result_is_its_people_and_a_stretch_keeps_their_numbers(result):
    assert len(result) == 2 and [len(person) for person in result] == [35, 5]
    part = result[0.4:1.0]
    assert [len(person) for person in part] == [15, 0] and part.clip == result.clip
    assert np.array_equal(np.concatenate([part.people[0].frames, result[1.0:].people[0].frames]), FRAMES)


@pytest.mark.parametrize("stretch", [slice(None), slice(0.4, 1.0), slice(90, None)])
def test_what_is_saved_is_loaded(result, stretch, tmp_path):
    result[stretch].save(str(tmp_path / "part.npz"))
    back = vibe.load(str(tmp_path / "part.npz"))
    for mine, its in zip(result[stretch], back, strict=True):
        assert np.array_equal(mine.frames, its.frames) and np.array_equal(mine.times, its.times)
        assert np.array_equal(mine.joints_cam, its.joints_cam) and mine.body.sha256 == its.body.sha256


def test_saving_where_nothing_can_be_written_is_an_error(result, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        result.save(tmp_path / "file" / "motion.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_table_of_everybody_has_a_row_for_each_person_frame_and_joint(result, motion):
    pytest.importorskip("pandas")
    table = result.to_dataframe()
    columns = ["person", "frame", "time_s", "joint", "x_m", "y_m", "z_m", "confidence"]
    assert list(table.columns) == columns and len(table) == 24 * (35 + 5)
    row = table[(table.person == 1) & (table.frame == 12) & (table.joint == "head")]
    np.testing.assert_allclose(row[["x_m", "y_m", "z_m"]].to_numpy()[0], motion.joints_cam[2, 15])
    assert row.confidence.item() == 1 and row.time_s.item() == pytest.approx(12 / performers.FPS)
    assert len(result.to_dataframe("coco17")) == 17 * 40 and list(motion.to_dataframe().columns) == columns[1:]
    nobody = replace(result, people=()).to_dataframe()
    assert list(nobody.columns) == columns and len(nobody) == 0
