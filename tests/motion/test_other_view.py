from dataclasses import replace

import numpy as np
import pytest
from two_views import two_views

import vibe
from vibe.motion.other_view import seen_from


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
