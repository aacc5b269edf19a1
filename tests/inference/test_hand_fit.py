"""Fingers from the places of a hand's points."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.body.hands import SIDES, angle_limits, hand_points, hand_rotmat, hand_skeleton, relaxed_angles
from vibe.inference.hands import MOST_TURN, fit_hand, over_time, seen_skeleton


@pytest.fixture(scope="module", params=SIDES)
def skeleton(request):
    return hand_skeleton(as_numpy(load_body(detail="low")), np.zeros(10, np.float32), request.param)


def seen(skeleton, count=12, turned=0.3):
    """Random poses within the limits, wrists that the body has turned wrongly, and where the model has the points."""
    random = np.random.default_rng(0)
    low, high = angle_limits()
    angles = low + (high - low) * random.random((count, 21), np.float32)
    R_body = Rotation.random(count, random_state=0).as_matrix()
    R_hand = R_body @ Rotation.from_rotvec(turned * random.standard_normal((count, 3))).as_matrix()
    finger = hand_rotmat(skeleton, angles)
    return R_body, *(hand_points(each, R_hand, finger) for each in (skeleton, seen_skeleton(skeleton)))


def test_points_of_a_pose_within_the_limits_are_met_wherever_and_however_large_the_hand_is(skeleton):
    R_body, truth, points = seen(skeleton)
    angles, turn, missed = fit_hand(skeleton, 1.1 * points + 5, R_body)
    assert missed.mean() < 0.005 and missed.max() < 0.008
    turned = R_body @ Rotation.from_rotvec(turn).as_matrix()
    found = hand_points(skeleton, turned, hand_rotmat(skeleton, angles))
    assert np.linalg.norm(found - truth, axis=-1).mean() < 0.01


def test_depths_count_less_than_what_the_picture_shows(skeleton):
    R_body, truth, points = seen(skeleton)
    off = []
    for axis in (0, 2):
        wrong = points + 0.03 * np.eye(3)[axis] * np.random.default_rng(1).standard_normal((12, 21, 1))
        angles, turn, _ = fit_hand(skeleton, wrong, R_body)
        turned = R_body @ Rotation.from_rotvec(turn).as_matrix()
        off.append(np.linalg.norm(hand_points(skeleton, turned, hand_rotmat(skeleton, angles)) - truth, axis=-1).mean())
    assert off[1] < 0.8 * off[0]


def test_no_joint_leaves_its_limits_whatever_is_seen(skeleton):
    R_body, _, points = seen(skeleton)
    noise = np.random.default_rng(1).standard_normal(points.shape)
    angles, turn, missed = fit_hand(skeleton, points + 0.05 * noise, R_body)
    low, high = angle_limits()
    assert (angles >= low - 1e-6).all() and (angles <= high + 1e-6).all() and np.abs(turn).max() <= MOST_TURN + 1e-6
    assert missed.min() > 0.015


def test_readings_fade_to_a_relaxed_hand_within_a_third_of_a_second_and_are_kept_where_they_are_dense():
    times, moments = np.arange(0, 1, 0.13), np.arange(-1, 2, 1 / 30)
    values, otherwise = np.ones((len(times), 21)), relaxed_angles()
    mixed, sure = over_time(values, np.ones(len(times)), times, moments, otherwise)
    far = (moments < -0.34) | (moments > times[-1] + 0.34)
    assert np.abs(mixed[far] - otherwise).max() < 0.02 and sure[far].max() < 0.01
    inside = (moments > 0) & (moments < times[-1])
    assert np.abs(mixed[inside] - 1).max() < 0.1 and sure[inside].min() > 0.7
    assert np.abs(np.diff(mixed, axis=0)).max() < 0.4


def test_a_reading_of_no_weight_changes_nothing():
    moments = np.linspace(0, 1, 7)
    mixed, sure = over_time(np.ones((1, 21)), np.zeros(1), np.array([0.5]), moments, relaxed_angles())
    np.testing.assert_allclose(mixed, np.tile(relaxed_angles(), (7, 1)), atol=1e-6)
    assert not sure.any()
