from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from sighted import K_PX, camera_at, seen_by, walker

from vibe.views.camera_poses import PosedCamera, adjust_cameras, relative_pose


def turned_deg(one, two):
    return np.degrees(Rotation.from_matrix(one.T @ two).magnitude())


@pytest.mark.parametrize("yaw_deg", [35, 80, 150])
def test_the_people_tell_where_the_second_camera_stands(yaw_deg):
    who, cameras = walker(), (camera_at(0), camera_at(yaw_deg, 4.0, start=0.5, fps=25.0))
    seen = [seen_by(camera, who, 5.0, 1.0, 4.0, np.random.default_rng(3 + n)) for n, camera in enumerate(cameras)]
    truth = cameras[1].posed(cameras[0])
    times = seen[0].times[20:120]
    R, t, _ = relative_pose([seen[0].at(times)], [seen[1].at(times + truth.offset_s)])
    start = replace(truth, R_view_ref=R, t_view_ref=t, offset_s=truth.offset_s + 0.015)
    found, error = adjust_cameras([cameras[0].posed(cameras[0]), start], [dict(enumerate(seen))])
    assert turned_deg(found[1].R_view_ref, truth.R_view_ref) < min(2.0, turned_deg(R, truth.R_view_ref))
    places = [-each.R_view_ref.T @ each.t_view_ref for each in (found[1], truth)]
    cosine = places[0] @ places[1] / np.linalg.norm(places[0]) / np.linalg.norm(places[1])
    assert np.degrees(np.arccos(cosine)) < 2.0
    assert 0.9 < np.linalg.norm(places[0]) / np.linalg.norm(places[1]) < 1.1
    assert abs(found[1].offset_s - truth.offset_s) < 0.008 and error < 0.01


def test_a_camera_whose_place_is_known_keeps_it_and_only_its_clock_is_found():
    who, cameras = walker(), (camera_at(0), camera_at(60))
    seen = [seen_by(camera, who) for camera in cameras]
    known = replace(cameras[1].posed(cameras[0]), is_fixed=True)
    late = replace(known, offset_s=0.03)
    found, _ = adjust_cameras([cameras[0].posed(cameras[0]), late], [dict(enumerate(seen))])
    assert np.array_equal(found[1].R_view_ref, known.R_view_ref) and abs(found[1].offset_s) < 0.004


def test_views_that_never_see_anybody_at_once_have_no_error_to_speak_of():
    seen = seen_by(camera_at(0), walker(), 2.0)
    cameras = [PosedCamera(K_PX, 0.0, np.eye(3), np.zeros(3)), PosedCamera(K_PX, 0.0, np.eye(3), np.zeros(3), 50.0)]
    assert adjust_cameras(cameras, [{0: seen, 1: seen}])[1] == np.inf


def test_cameras_one_after_the_other_and_backwards_are_those_of_the_truth():
    first, second, third = camera_at(0, start=0.3), camera_at(70, 4.0, start=0.7), camera_at(200, 6.0, start=1.6)
    whole, step = third.posed(first), third.posed(second)
    for found, true in (
        (step.after(second.posed(first)), whole),
        (step.reversed(second.posed(second)), second.posed(third)),
        (whole.after(first.posed(second)), step),
    ):
        assert np.allclose(found.R_view_ref, true.R_view_ref) and np.allclose(found.t_view_ref, true.t_view_ref)
        assert np.isclose(found.offset_s, true.offset_s)
