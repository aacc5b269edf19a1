from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import vibe
from vibe.arrays import as_numpy
from vibe.body.load import load_body
from vibe.cameras import default_camera
from vibe.motion.other_view import seen_from
from vibe.motion.record import Result
from vibe.records import Clip, SmplParams, View, World
from vibe.synthetic.clips import truth, walk


@pytest.fixture(scope="module")
def result():
    """A walk before two cameras, the second of which began half a second later and is faster."""
    body, times = load_body(), torch.arange(40, dtype=torch.float64) / 20
    with torch.no_grad():
        rotmat, pelvis = walk(body, torch.zeros(10), times, 0.5 * times)
        smpl = SmplParams(rotmat, torch.zeros(10), pelvis + torch.tensor([0.0, 0.0, 5.0]))
        camera = default_camera(400, 300)
        motion = truth(body, smpl, camera, times)
    clips = (
        Clip(Path("one.mp4"), 20.0, 400, 300, times.numpy(), 0),
        Clip(Path("two.mp4"), 50.0, 400, 300, np.arange(60) / 50, 0),
    )
    R = Rotation.from_euler("y", 60, degrees=True).as_matrix().astype(np.float32)
    here, there = (np.eye(3, dtype=np.float32), np.zeros(3, np.float32)), (R, np.float32([-4.0, 0.1, 2.0]))
    views = tuple(
        View(clip, as_numpy(camera), *place, offset_s)
        for clip, place, offset_s in zip(clips, (here, there), (0.0, -0.5), strict=True)
    )
    still = np.tile(np.eye(3, dtype=np.float32), (40, 1, 1))
    world = World(still, np.zeros((40, 3), np.float32), "still", "people", "feet", 1.0)
    people = (motion.in_world(world),)
    return Result(clips[0], views[0].camera, people, body.origin, body.origin, (), world, views)


def test_the_first_view_sees_what_the_result_has(result):
    seen = seen_from(result, 0)
    assert np.allclose(seen.people[0].joints_cam, result.people[0].joints_cam, atol=1e-5)
    assert np.allclose(seen.people[0].transl, result.people[0].transl, atol=1e-5)


def test_another_view_has_people_where_the_cameras_say_at_its_own_times(result):
    seen, view = seen_from(result, 1), result.views[1]
    one, other = result.people[0], seen.people[0]
    assert np.allclose(other.times, view.clip.timestamps[other.frames]) and len(other) == 60
    at = np.searchsorted(one.times, other.times[5] + 0.5)
    assert np.allclose(one.times[at], other.times[5] + 0.5)
    assert np.allclose(other.joints_cam[5], one.joints_cam[at] @ view.R_view_ref.T + view.t_view_ref, atol=1e-4)
    assert np.allclose(other.joints_world[5], one.joints_world[at], atol=1e-4)


def test_there_is_no_third_view_of_two(result):
    with pytest.raises(ValueError, match="has 2 views"):
        seen_from(result, 2)


def test_the_cameras_are_in_the_file_all_or_none(result, tmp_path):
    result.save(tmp_path / "motion.npz")
    again = vibe.load(tmp_path / "motion.npz")
    assert [view.clip.path.name for view in again.views] == ["one.mp4", "two.mp4"]
    for one, two in zip(result.views, again.views, strict=True):
        assert np.array_equal(one.R_view_ref, two.R_view_ref) and one.offset_s == two.offset_s
        assert np.array_equal(one.clip.timestamps, two.clip.timestamps)
    replace(result, views=()).save(tmp_path / "one.npz")
    assert vibe.load(tmp_path / "one.npz").views == ()
    broken = replace(result.views[1], R_view_ref=np.zeros((3, 3), np.float32))
    replace(result, views=(result.views[0], broken)).save(tmp_path / "broken.npz")
    with pytest.raises(ValueError, match="views/ has numbers"):
        vibe.load(tmp_path / "broken.npz")
