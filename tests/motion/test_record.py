"""What can be asked of a motion and of a result agrees with the body and with the file."""

from dataclasses import replace

import numpy as np
import performers
import pytest
import torch

import vibe
from vibe.arrays import as_tensors
from vibe.body import Body, keypoints, load_body, placed, rest_joints, vertices
from vibe.body.hands import relaxed
from vibe.motion import Motion, Result
from vibe.records import Weights
from vibe.rotations import rotmat_from_rotvec

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
    shapes = changing(motion)[0.8:1.76].betas_per_frame
    assert shapes is not None and shapes.shape == (14, 10)
    assert len(motion[90:]) == 0


def test_the_world_is_the_camera_s_frame_turned_and_moved_in_every_frame(motion, result):
    world = performers.moving_world()
    seen = performers.filmed(result, world).people[0]
    for row, frame in enumerate(motion.frames):
        R, t = world.R_world_cam[frame], world.t_world_cam[frame]
        np.testing.assert_allclose(seen.joints_world[row], motion.joints_cam[row] @ R.T + t, atol=1e-5)
        np.testing.assert_allclose(seen.pelvis_world[row], R @ motion.smpl.pelvis[row] + t, atol=1e-5)
        R_world_pelvis = rotmat_from_rotvec(seen.global_orient_world[row])
        np.testing.assert_allclose(R_world_pelvis, R @ motion.smpl.rotmat[row, 0], atol=1e-5)
    part = seen[0.8:1.76]
    assert np.array_equal(part.joints_world, seen.joints_world[(FRAMES >= 20) & (FRAMES < 44)])
    assert part.R_world_cam is not None and part.R_world_cam.shape == (14, 3, 3)
    assert len(performers.filmed(result, world)[0.8:1.76].people[0]) == 14


def test_who_is_filmed_by_another_camera_stays_in_the_world(result):
    still, moving = performers.still_world(), performers.moving_world()
    one, two = performers.filmed(result, still), performers.filmed(result, moving, still)
    assert np.abs(one.people[0].joints_cam - two.people[0].joints_cam).max() > 0.3
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a.joints_world, b.joints_world, atol=1e-5)
        np.testing.assert_allclose(a.vertices(space="world")[::9], b.vertices(space="world")[::9], atol=1e-4)
        other = a.joints("coco17", space="world").values, b.joints("coco17", space="world").values
        np.testing.assert_allclose(*other, atol=1e-4)


def test_a_series_says_whose_axes_it_has(result):
    person = performers.filmed(result, performers.moving_world()).people[0]
    assert person.joints().axes == "camera" and person.joints(space="world").axes == "world, z up"
    with pytest.raises(ValueError, match="the axes 'world, z up'"):
        person.joints(space="world") - person.joints()
    with pytest.raises(ValueError, match="z points up"):
        person.joints(space="world").y_up()
    with pytest.raises(ValueError, match="no space 'moon': choose camera or world"):
        person.joints(space="moon")
    pandas = pytest.importorskip("pandas")
    table = performers.filmed(result, performers.moving_world()).to_dataframe(space="world")
    assert isinstance(table, pandas.DataFrame)
    np.testing.assert_allclose(table[["x_m", "y_m", "z_m"]].iloc[0], person.joints_world[0, 0])


def test_without_a_world_nothing_is_in_it(motion):
    asks = (
        lambda: motion.joints(space="world"), lambda: motion.pelvis_world, lambda: motion.joints_world,
        lambda: motion.global_orient_world, lambda: motion.vertices(space="world"),
    )  # fmt: skip
    for ask in asks:
        with pytest.raises(ValueError, match="has no world.*estimate the video again"):
            ask()


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
    truth = vertices(as_tensors(relaxed(body)), smpl.rotmat, smpl.betas) - rest + smpl.pelvis[:, None]
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


def test_the_angles_of_a_motion_are_named_and_in_degrees(body):
    still = performers.standing(body, 3)
    pose = still.body_pose
    pose[:, 3 * 3 : 3 * 3 + 3] = [[0, 0, 0], [np.pi / 2, 0, 0], [np.pi / 4, 0, 0]]
    bent = performers.turned(still, still.global_orient, pose)
    angles, upright = bent.joint_angles(body), still.joint_angles(body)
    bending = (angles - upright)["left_knee_flexion"].values[:, 0]
    np.testing.assert_allclose(bending, [0, 90, 45], atol=0.1)
    assert np.abs((angles - upright)["right_knee_flexion"].values).max() < 1e-4 and angles.unit == "deg"
    np.testing.assert_allclose(upright["pelvis_tilt"].values, performers.TILT_DEG, atol=1e-3)
    level = bent.in_world(performers.still_world()).joint_angles(body)["pelvis_tilt", "pelvis_list"]
    np.testing.assert_allclose(level.values, 0, atol=1e-3)
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
