"""Laws of the numbers above people's heads."""

import numpy as np
import pytest

from vibe.render.labels import badges

RED, GREEN = np.array([1.0, 0, 0], np.float32), np.array([0, 1.0, 0], np.float32)


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
    badges(picture, crowd(place), camera(*size))
    inside = (
        all(-0.5 <= at / place[2] < 0.5 for at in place[:2]) and place[2] > 0.05 and abs(place[1]) < 0.37 * place[2]
    )
    assert picture.any() == (inside and min(size) > 24)


def test_discs_lie_beside_each_other():
    alone, together = np.zeros((2, 240, 320, 3), np.uint8)
    badges(alone, crowd((0, 0, 2.0)), camera(320, 240))
    badges(together, crowd((0, 0, 2.0), (0.01, 0.02, 3.0), (0, 0, 4.0)), camera(320, 240))
    assert (together > 0).any(-1).sum() == pytest.approx(3 * (alone > 0).any(-1).sum(), rel=0.02)


def test_the_nearer_one_keeps_the_place_and_both_their_colours():
    one, two = np.zeros((2, 240, 320, 3), np.uint8)
    near, far = (1, RED, np.array([[0, 0, 2.0]], np.float32)), (2, GREEN, np.array([[0, 0, 3.0]], np.float32))
    badges(one, [near], camera(320, 240))
    badges(two, [far, near], camera(320, 240))
    assert (two[(one > 0).any(-1)] == one[(one > 0).any(-1)]).all()
    assert (two[..., 1].astype(int) - two[..., 0] > 200).any()


def test_a_transparent_picture_becomes_opaque_under_the_disc():
    picture = np.zeros((240, 320, 4), np.uint8)
    badges(picture, crowd((0, 0, 2.0)), camera(320, 240))
    assert picture[..., 3].max() == 255
    assert (picture[..., :3].max(-1) <= picture[..., 3].astype(int) + 1).all()
