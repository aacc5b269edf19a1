import numpy as np
from scipy.spatial.transform import Rotation
from sighted import camera_at, seen_by, walker

from vibe.views.correspondence import pair_views, same_people


def crowd():
    return [walker(1), walker(2, phase=3.3, shift=(1.5, 0, 0.5), pace=-0.8), walker(3, phase=5.0, shift=(-1.5, 0, 1.0))]


def test_everybody_is_found_in_the_other_view_whatever_their_order():
    cameras = camera_at(0, 8.0), camera_at(100, 8.0, start=1.0)
    one = [seen_by(cameras[0], who, 5.0, 1.0, 3.0, np.random.default_rng(n)) for n, who in enumerate(crowd())]
    two = [seen_by(cameras[1], who, 5.0, 1.0, 3.0, np.random.default_rng(9 + n)) for n, who in enumerate(crowd())]
    R, _, pairs, _ = pair_views(one, [two[2], two[0], two[1]], -1.0)
    assert sorted(pairs) == [(0, 1), (1, 2), (2, 0)]
    assert np.degrees(Rotation.from_matrix(R.T @ cameras[1].posed(cameras[0]).R_view_ref).magnitude()) < 5


def test_tracks_of_one_person_after_a_loss_are_one_person_and_a_stranger_is_nobody_else():
    cameras, people = (camera_at(0, 8.0), camera_at(70, 8.0)), crowd()
    one = [seen_by(cameras[0], who) for who in people[:2]]
    whole = seen_by(cameras[1], people[0])
    parts = [whole.at(whole.times[:60]), whole.at(whole.times[80:])]
    two = [parts[1], seen_by(cameras[1], people[2]), parts[0]]
    groups = same_people([one, two], [camera.posed(cameras[0]) for camera in cameras])
    assert groups == [[(0, 0), (1, 0), (1, 2)], [(0, 1)], [(1, 1)]]


def test_nobody_is_paired_where_nobody_is_seen_at_once():
    seen = seen_by(camera_at(0), walker())
    assert pair_views([seen], [seen], 40.0) is None
