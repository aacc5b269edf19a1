from dataclasses import replace

import numpy as np
import pytest

from vibe.tracking.appearance import clothing
from vibe.tracking.matching import assign_readings, body_overlap, pair_regions
from vibe.tracking.pose_model import Landmarks

RED, BLUE = (220, 30, 30), (30, 30, 220)
REGIONS = [np.array([60.0, 60, 100, 0]), np.array([140.0, 60, 100, 0])]


def reading(x, presence=1.0):
    """Somebody whose trunk and thighs lie around x, y = 60."""
    points = np.stack([np.linspace(x - 10, x + 10, 17), np.linspace(40, 80, 17), np.full(17, 0.9)], 1)
    region = np.array([x, 60.0, 100, 0])
    return Landmarks(points, presence, region, region)


def picture():
    rgb = np.zeros((120, 200, 3), np.uint8)
    rgb[:, :100], rgb[:, 100:] = RED, BLUE
    return rgb


def dressed(*readings):
    """Readings with the look in them."""
    return [(each, clothing(picture(), each.keypoints_px)) for each in readings]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_everybody_gets_the_reading_in_their_place_and_clothes(order):
    readings = dressed(reading(60), reading(140))
    people = [(REGIONS[n], readings[n][1]) for n in order]
    assert assign_readings(people, readings, 0.7, 0.5) == {n: order[n] for n in (0, 1)}


def test_of_two_alike_everybody_keeps_what_was_read_in_their_own_region():
    near, far = reading(60), reading(66)
    looks = np.tile(clothing(picture(), near.keypoints_px), (2, 1))
    readings = [(replace(near, region=REGIONS[1]), looks[0]), (replace(far, region=REGIONS[0]), looks[1])]
    people = [(REGIONS[0], looks[0]), (REGIONS[1], looks[1])]
    assert assign_readings(people, readings, 2.0, 0.9) == {0: 1, 1: 0}


def test_one_reading_is_not_two_peoples_and_an_unlikely_one_nobodys():
    look = dressed(reading(60))[0][1]
    people = [(REGIONS[0], look), (REGIONS[0], look)]
    assert len(assign_readings(people, dressed(reading(60), reading(61)), 0.7, 0.5)) == 1
    assert assign_readings(people, dressed(reading(140)), 0.7, 0.5) == {}
    assert assign_readings(people, dressed(reading(60, presence=0.0)), 0.4, 0.5) == {}


def test_regions_pair_with_the_nearest_start_of_about_their_size():
    assert pair_regions(REGIONS, [REGIONS[1] + 3, REGIONS[0] - 3]) == [(0, 1), (1, 0)]
    assert pair_regions(REGIONS, [REGIONS[0] * (1, 1, 2, 1)]) == []
    assert body_overlap(REGIONS[0], REGIONS[0]) == pytest.approx(1)
    assert body_overlap(*REGIONS) == 0
