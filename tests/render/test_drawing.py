"""Laws of skeletons, 2D keypoints and number discs drawn over a picture."""

import numpy as np
import pytest

from vibe.render.drawing import draw_keypoints, draw_numbers, draw_skeletons
from vibe.skeletons import COCO, SMPL

BLUE, RED, GREEN = np.array([[0.2, 0.4, 0.9], [1.0, 0, 0], [0, 1.0, 0]], np.float32)
K = np.array([[100.0, 0, 50], [0, 100.0, 50], [0, 0, 1]])
ROW = np.stack([np.linspace(-0.9, 0.9, 24), np.tile([-0.3, 0.3], 12), np.full(24, 2.0)], 1)


def skeleton(*people, channels=3):
    picture = np.zeros((100, 100, channels), np.uint8)
    draw_skeletons(picture, people, K)
    return picture.astype(int)


def test_joints_are_drawn_where_the_camera_projects_them_and_the_right_side_is_darker():
    picture = skeleton((ROW, BLUE, 1.0))
    pixels = (ROW @ K.T)[:, :2] / 2.0
    seen = {name: picture[int(y), int(x)].sum() for name, (x, y) in zip(SMPL, pixels, strict=True)}
    assert min(seen.values()) > 100
    assert all(seen[name] < seen[name.replace("right", "left")] - 50 for name in SMPL if name.startswith("right"))


def test_somebody_far_away_still_shows_and_somebody_behind_the_camera_does_not():
    there = np.tile([0.0, 0.0, 300.0], (24, 1))
    assert skeleton((there, BLUE, 1.0)).any() and not skeleton((-there, BLUE, 1.0)).any()


@pytest.mark.parametrize("place", [(1e6, 0.0, 0.06), (0.0, -1e9, 0.06), (0.0, 0.0, 0.051)])
def test_joints_at_any_place_are_safe(place):
    joints = ROW.copy()
    joints[::3] = place
    skeleton((joints, BLUE, 1.0))


def test_who_is_nearer_lies_over_who_is_farther_in_whatever_order():
    near, far = (ROW, RED, 1.0), (ROW * 1.5, GREEN, 1.0)
    assert (skeleton(near, far) == skeleton(far, near)).all()
    alone = skeleton(near)
    solid = alone[..., 0] >= 254
    assert solid.any() and (skeleton(near, far)[solid] == alone[solid]).all()


def test_opacity_fades_all_of_a_person_alike():
    whole, half = skeleton((ROW, BLUE, 1.0)), skeleton((ROW, BLUE, 0.5))
    assert np.abs(whole / 2 - half).max() <= 1
    clear = skeleton((ROW, BLUE, 0.5), channels=4)
    assert np.abs(clear[..., :3] - half).max() <= 1 and clear[..., 3].max() in (127, 128)


def test_keypoints_are_drawn_at_their_pixels_by_their_confidence():
    points = np.stack([np.linspace(10, 90, 17), np.tile([30.5, 70.5], 9)[:17], np.ones(17)], 1)
    points[COCO.index("left_ankle"), 2], points[COCO.index("right_ankle"), 2] = 0.1, 0.0
    picture = np.zeros((100, 100, 3), np.uint8)
    draw_keypoints(picture, [(points, BLUE)], 4.0)
    seen = {name: picture[int(y), int(x)].astype(int).sum() for name, (x, y, _) in zip(COCO, points, strict=True)}
    assert seen["right_ankle"] == 0 < seen["left_ankle"] < 0.5 * seen["left_knee"]
    assert min(seen[name] for name in COCO if not name.endswith("ankle")) > 200


def test_where_nothing_was_detected_nothing_is_drawn():
    picture = np.zeros((100, 100, 3), np.uint8)
    draw_keypoints(picture, [(np.zeros((17, 3)), BLUE)], 4.0)
    assert not picture.any()


def crowd(*places):
    """People as single points of a camera's frame."""
    return [(number, RED, np.array([place], np.float32)) for number, place in enumerate(places, start=1)]


def camera(width, height):
    return np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1.0]])


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (4, 3), (320, 240)])
@pytest.mark.parametrize(
    "place", [(0.0, 0.0, -3.0), (50.0, 0.0, 3.0), (0.0, 0.0, 0.01), (0.45, -0.3, 1.0), (0.0, 0.0, 900.0)]
)
def test_people_anywhere_and_pictures_of_any_size_are_safe(size, place):
    picture = np.zeros((*size[::-1], 3), np.uint8)
    draw_numbers(picture, crowd(place), camera(*size))
    inside = (
        all(-0.5 <= at / place[2] < 0.5 for at in place[:2]) and place[2] > 0.05 and abs(place[1]) < 0.37 * place[2]
    )
    assert picture.any() == (inside and min(size) > 24)


def test_discs_lie_beside_each_other():
    alone, together = np.zeros((2, 240, 320, 3), np.uint8)
    draw_numbers(alone, crowd((0, 0, 2.0)), camera(320, 240))
    draw_numbers(together, crowd((0, 0, 2.0), (0.01, 0.02, 3.0), (0, 0, 4.0)), camera(320, 240))
    assert (together > 0).any(-1).sum() == pytest.approx(3 * (alone > 0).any(-1).sum(), rel=0.02)


def test_the_nearer_one_keeps_the_place_and_both_their_colours():
    one, two = np.zeros((2, 240, 320, 3), np.uint8)
    near, far = (1, RED, np.array([[0, 0, 2.0]], np.float32)), (2, GREEN, np.array([[0, 0, 3.0]], np.float32))
    draw_numbers(one, [near], camera(320, 240))
    draw_numbers(two, [far, near], camera(320, 240))
    assert (two[(one > 0).any(-1)] == one[(one > 0).any(-1)]).all()
    assert (two[..., 1].astype(int) - two[..., 0] > 200).any()


def test_a_transparent_picture_becomes_opaque_under_the_disc():
    picture = np.zeros((240, 320, 4), np.uint8)
    draw_numbers(picture, crowd((0, 0, 2.0)), camera(320, 240))
    assert picture[..., 3].max() == 255
    assert (picture[..., :3].max(-1) <= picture[..., 3].astype(int) + 1).all()
