"""Boxes around joints."""

import numpy as np

from vibe.cameras import BOX_MARGIN
from vibe.data.sets.annotations import boxes_around, interpolate_gaps, square_boxes


def test_a_square_is_so_many_times_the_longer_side_of_the_joints():
    joints = np.array([[[10.0, 20, 1], [30, 80, 1], [500, 500, 0.1]], [[0, 0, 1], [0, 0, 0], [0, 0, 0]]])
    boxes = boxes_around(joints)
    np.testing.assert_allclose(boxes[0], [20, 50, 20 * BOX_MARGIN, 60 * BOX_MARGIN])
    assert np.isnan(boxes[1]).all()
    np.testing.assert_allclose(square_boxes(boxes, 1.3)[0], [20, 50, 78, 78])


def test_what_is_not_known_lies_between_what_is():
    values = np.array([[9.0, 9], [1, 10], [9, 9], [9, 9], [4, 40], [9, 9]])
    known = np.array([False, True, False, False, True, False])
    wanted = [[1, 10], [1, 10], [2, 20], [3, 30], [4, 40], [4, 40]]
    np.testing.assert_allclose(interpolate_gaps(values, known), wanted)
