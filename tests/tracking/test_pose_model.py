import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe.skeletons import BLAZEPOSE, COCO, index
from vibe.tracking.pose_model import (
    COCO_FROM_MODEL,
    MARGIN,
    BlazePose,
    crop_person,
    refine_with_heat,
    region_from_circle,
    to_picture,
)

angles = st.floats(-3.1, 3.1)


@given(angles, st.floats(5, 500))
def test_in_its_region_the_rim_is_straight_above_the_centre(angle, radius):
    centre = np.array([300.0, 200.0])
    rim = centre + radius * np.array([np.sin(angle), -np.cos(angle)])
    region = region_from_circle(centre, rim)
    assert np.isclose(np.cos(region[3]), np.cos(angle)) and np.isclose(np.sin(region[3]), np.sin(angle))
    np.testing.assert_allclose(to_picture(np.array([0.5, 0.5]), region), centre)
    np.testing.assert_allclose(to_picture(np.array([0.5, 0.5 - 0.5 / MARGIN]), region), rim, atol=1e-6)


@given(angles, st.sampled_from([160.0, 300.0]))
def test_a_spot_in_the_picture_is_where_the_region_says_in_the_crop(angle, side):
    region = np.array([150.0, 130.0, side, angle])
    inside = np.array([0.6, 0.42])
    rgb = np.zeros((256, 300, 3), np.uint8)
    x, y = to_picture(inside, region) - 0.5
    cv2.circle(rgb, (round(x * 16), round(y * 16)), 5 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
    seen = crop_person(rgb, region, (128, 128))[..., 0].astype(float)
    rows, columns = np.indices(seen.shape) + 0.5
    middle = np.array([(seen * columns).sum(), (seen * rows).sum()]) / seen.sum() / 128
    np.testing.assert_allclose(middle, inside, atol=0.004)


def test_heat_pulls_a_point_to_its_peak_and_tells_how_sure_it_is():
    heat = np.full((64, 64, 2), -9.0, np.float32)
    heat[20, 31, 0] = 3
    points, peaks = refine_with_heat(np.array([[30.5, 20.5], [30.5, 20.5]]) / 64, heat)
    np.testing.assert_allclose(points[0], [31 / 64, 20 / 64], atol=1e-3)
    np.testing.assert_allclose(points[1], [30.5 / 64, 20.5 / 64])
    assert peaks[0] == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-6) and peaks[1] < 1e-3


def test_points_outside_the_map_stay_where_they_are():
    outside = np.array([[-0.2, 0.5], [0.5, 1.3]])
    points, peaks = refine_with_heat(outside, np.full((64, 64, 2), 5.0, np.float32))
    np.testing.assert_array_equal(points, outside)
    np.testing.assert_array_equal(peaks, 0)


def test_all_points_of_the_model_turn_back_with_the_crop():
    """The same answer about an upright region and a turned one is the same body, turned in the picture's plane."""
    generator = np.random.default_rng(3)
    answer = {
        (1, 195): generator.uniform(60, 190, (1, 195)), (1, 117): generator.normal(size=(1, 117)),
        (1, 64, 64, 39): np.full((1, 64, 64, 39), -9.0), (1, 1): np.ones((1, 1)),
    }  # fmt: skip
    model = BlazePose.__new__(BlazePose)
    model._model = lambda picture: answer
    rgb, angle = np.zeros((200, 200, 3), np.uint8), 0.7
    still, turned = (model(rgb, np.array([100.0, 100.0, 150.0, turn])) for turn in (0.0, angle))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert still.whole.shape == (33, 8) and still.whole.dtype == np.float32
    np.testing.assert_allclose(turned.whole[:, :2] - 100, (still.whole[:, :2] - 100) @ turn.T, atol=1e-4)
    np.testing.assert_allclose(turned.whole[:, 2:4], still.whole[:, 2:4] @ turn.T, atol=1e-5)
    np.testing.assert_array_equal(turned.whole[:, 4:], still.whole[:, 4:])
    assert index(BLAZEPOSE, COCO) == COCO_FROM_MODEL
    np.testing.assert_allclose(still.keypoints_px[:, 2], still.whole[COCO_FROM_MODEL, 5:].prod(-1), rtol=1e-4)
