import numpy as np
import pytest

from vibe.people import flips
from vibe.people.landmarks import MIRRORED, Landmarks
from vibe.people.mirror import MirrorPose, agree

ONE = np.concatenate([np.random.default_rng(0).uniform(-100, 100, (17, 2)) + (300.0, 200.0), np.full((17, 1), 0.8)], 1)


def test_two_equal_readings_agree_on_themselves():
    np.testing.assert_allclose(agree(ONE, ONE), ONE)


def test_readings_that_differ_a_little_are_averaged():
    other = ONE + (2.0, -1.0, 0.0)
    np.testing.assert_allclose(agree(ONE, other)[:, :2], ONE[:, :2] + (1.0, -0.5))


def test_a_reading_that_took_left_for_right_is_exchanged_first():
    other = flips.exchange(ONE, np.array([True, True])) * (1, 1, 0.9)
    np.testing.assert_allclose(agree(ONE, other)[:, :2], ONE[:, :2])
    np.testing.assert_allclose(agree(other, ONE)[:, :2], ONE[:, :2])


def test_where_readings_differ_the_surer_counts_and_the_confidence_falls():
    other = ONE.copy()
    other[9] += 80.0, 0.0, -0.3
    both = agree(ONE, other)
    np.testing.assert_allclose(both[9, :2], ONE[9, :2])
    assert both[9, 2] < 0.1
    np.testing.assert_allclose(np.delete(both, 9, 0), np.delete(ONE, 9, 0))


def test_the_region_to_look_at_next_lies_between_both_also_across_the_half_turn():
    def reader(turn):
        class Reader:
            def start(self, box_px, keypoints_px):
                return np.zeros(4)

            def __call__(self, rgb, region):
                return Landmarks(ONE, 0.9, region, np.array([100.0 + turn, 50, 80, turn]))

        return Reader()

    seen = MirrorPose(reader(3.1), reader(-3.0))(np.zeros((9, 9, 3), np.uint8), np.zeros(4))
    assert seen.follow[0] == pytest.approx(100.05)
    assert seen.follow[3] == pytest.approx((3.1 - 3.0) / 2 - np.pi)


def test_the_models_points_mirrored_twice_are_themselves():
    mirrored = np.array(MIRRORED)
    np.testing.assert_array_equal(mirrored[mirrored], np.arange(33))
    assert mirrored[11] == 12 and mirrored[2] == 5 and mirrored[0] == 0
