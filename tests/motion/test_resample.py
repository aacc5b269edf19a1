"""The low pass keeps what is slow where it is, halves the power at the cut-off, and takes away what is faster. People
of several views are where another of the cameras sees them.
"""

from dataclasses import replace

import numpy as np
import performers
import pytest
import torch
from two_views import two_views

import vibe
from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.motion.resample import low_pass, low_pass_rotations, seen_from
from vibe.motion.scene import SceneOptions, build_scene
from vibe.rotations import rotmat_from_rotvec, rotvec_from_rotmat

FPS = 100.0
TIMES = np.arange(1000) / FPS


@pytest.mark.parametrize(("hertz", "gain"), [(1.0, 1.0), (6.0, 2**-0.5), (20.0, 0.0)])
def test_slow_waves_pass_fast_ones_do_not_and_none_is_late(hertz, gain):
    wave = np.sin(2 * np.pi * hertz * TIMES)[:, None]
    inside = slice(200, -200)
    assert np.abs(low_pass(wave, 6.0, FPS) - gain * wave)[inside].max() < 0.02


@pytest.mark.parametrize("frames", [1, 2, 5, 40])
def test_what_stands_still_stays_however_short(frames):
    still = np.full((frames, 3), 1.7, np.float32)
    assert np.abs(low_pass(still, 6.0, 30.0) - still).max() < 1e-5
    R = np.tile(np.eye(3, dtype=np.float32), (frames, 2, 1, 1))
    assert np.abs(low_pass_rotations(R, 6.0, 30.0) - R).max() < 1e-5


def test_rotations_stay_rotations_and_lose_their_tremble():
    slow = np.stack([1.5 * np.sin(2 * np.pi * 0.7 * TIMES), 0 * TIMES, 0 * TIMES], 1)
    tremble = 0.05 * np.sin(2 * np.pi * 25 * TIMES)[:, None] * np.array([0.0, 1, 0])
    trembling = (rotmat_from_rotvec(slow) @ rotmat_from_rotvec(tremble))[:, None]
    found = low_pass_rotations(trembling, 6.0, FPS)
    assert np.abs(found @ found.mT - np.eye(3)).max() < 1e-9 and (np.linalg.det(found) > 0).all()
    off = rotvec_from_rotmat(found[:, 0].mT @ rotmat_from_rotvec(slow))
    assert np.abs(off[100:-100]).max() < 0.01


@pytest.mark.parametrize("cutoff", [0.0, -1.0, 13.0, float("nan")])
def test_a_cut_off_that_the_rate_does_not_allow_is_refused(cutoff):
    with pytest.raises(ValueError, match=r"more than 0 and less than 12\.0 Hz with --cutoff"):
        low_pass(np.zeros((9, 1)), cutoff, 30.0)


def test_joints_and_angles_of_a_scene_are_of_the_filtered_motion():
    body = as_numpy(load_body(detail="low"))
    motion, random = performers.performer(body, torch.arange(60)), np.random.RandomState(0)
    trembling = motion.smpl.rotmat @ rotmat_from_rotvec(0.05 * random.standard_normal((60, 24, 3))).astype(np.float32)
    given = performers.show(body, replace(motion, smpl=replace(motion.smpl, rotmat=trembling)))
    plain, steady = (build_scene(given, body, SceneOptions(cutoff=cutoff)) for cutoff in (None, 4.0))
    (one,), (two,) = plain.characters, steady.characters
    jerk = [np.abs(np.diff(each.joints, n=2, axis=0)).mean() for each in (one, two)]
    assert jerk[1] < jerk[0] / 2
    bones = [np.linalg.norm(each.joints[:, 4] - each.joints[:, 1], axis=-1) for each in (one, two)]
    assert np.abs(bones[0] - bones[1]).max() < 1e-5
    assert any("4 Hz is filtered out" in note for note in steady.notes)


@pytest.fixture(scope="module")
def result():
    return two_views()


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
