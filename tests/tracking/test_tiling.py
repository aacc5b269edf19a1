import numpy as np
import pytest

from vibe.tracking import tiling
from vibe.tracking.detector import Detections

SIZES = [(16, 16), (640, 480), (1080, 1920), (1768, 994), (3840, 2160), (4000, 30)]


class Square:
    """Finds the white square, as large as it is or as far as the window shows it."""

    def __call__(self, rgb):
        rows, columns = rgb[..., 0].nonzero()
        if not len(rows):
            return Detections(np.zeros((0, 4)), np.zeros(0))
        low, high = np.array([columns.min(), rows.min()]), np.array([columns.max(), rows.max()]) + 1
        return Detections(np.array([[*(low + high) / 2, *(high - low)]], float), np.array([0.9]))


@pytest.mark.parametrize("size", SIZES)
def test_windows_cover_the_picture_and_stay_inside(size):
    large, tiles = tiling.tile_regions(*size)
    for parts in (large, tiles):
        seen = np.zeros((size[1], size[0]), bool)
        for left, top, width, height in parts:
            assert left >= 0 and top >= 0 and left + width <= size[0] and top + height <= size[1]
            seen[top : top + height, left : left + width] = True
        assert seen.all() or not len(parts)
    assert len(tiles) <= 32


def test_every_window_gets_its_turn():
    large, tiles = tiling.tile_regions(1080, 1920)
    seen = {tuple(part) for tick in range(1, 1 + len(tiles)) for part in tiling.scheduled_tiles(1080, 1920, tick)}
    assert (
        seen == {tuple(part) for part in tiling.scheduled_tiles(1080, 1920, 0)} == {tuple(p) for p in [*large, *tiles]}
    )


def test_a_window_that_is_named_twice_changes_nothing():
    rgb = np.zeros((1920, 1080, 3), np.uint8)
    rgb[600:900, 400:640] = 255
    parts = tiling.scheduled_tiles(1080, 1920, 0)
    twice = np.concatenate([parts, parts[::-1]])
    once = tiling.distinct(twice)
    np.testing.assert_array_equal(once, parts)
    found, more = (
        tiling.merge_detections(tiling.detect_in_tiles(Square(), rgb, each), each, 1080, 1920) for each in (once, twice)
    )
    np.testing.assert_array_equal(found.box_px, more.box_px)
    np.testing.assert_array_equal(found.score, more.score)


def test_a_person_in_many_windows_is_found_once_and_whole():
    rgb = np.zeros((1920, 1080, 3), np.uint8)
    rgb[600:900, 400:640] = 255
    parts = tiling.scheduled_tiles(1080, 1920, 0)
    found = tiling.merge_detections(tiling.detect_in_tiles(Square(), rgb, parts), parts, 1080, 1920)
    whole = np.array([520, 750, 240, 300])
    best = found.box_px[0]
    np.testing.assert_allclose(best, whole)
    assert len(found.score) == 1


def test_what_is_found_in_a_window_is_told_in_pixels_of_the_picture():
    rgb = np.zeros((480, 640, 3), np.uint8)
    rgb[300:340, 500:520] = 255
    [found] = tiling.detect_in_tiles(Square(), rgb, np.array([[400, 200, 200, 200]]))
    np.testing.assert_allclose(found.box_px, [[510, 320, 20, 40]])


def test_nobody_is_found_in_no_windows():
    none = np.zeros((0, 4), int)
    assert (
        len(
            tiling.merge_detections(
                tiling.detect_in_tiles(Square(), np.zeros((9, 9, 3), np.uint8), none), none, 9, 9
            ).score
        )
        == 0
    )


def test_a_person_who_left_is_not_looked_for():
    assert len(tiling.tiles_around(np.array([-300.0, 200, 200, 0]), 640, 480)) == 0
    [window] = tiling.tiles_around(np.array([20.0, 200, 200, 0]), 640, 480)
    assert window[0] == 0 and window[2] == 200


class Upright:
    """Finds the red spot that stands straight above the white one."""

    def __call__(self, rgb):
        hips = np.argwhere((rgb == 255).all(-1))[:, ::-1]
        rim = np.argwhere((rgb == (255, 0, 0)).all(-1))[:, ::-1]
        seen = [(a, b) for a in hips for b in rim if abs(a - b)[0] < 1 and b[1] < a[1]]
        points = np.array(seen, float).reshape(-1, 2, 2) + 0.5
        box = np.concatenate([points[:, 0], np.tile((20.0, 60.0), (len(points), 1))], 1)
        return Detections(box, np.full(len(points), 0.9), points)


@pytest.mark.parametrize("rim", [(60, 60), (100, 90), (60, 120), (20, 90)], ids=["up", "right", "down", "left"])
def test_who_is_not_upright_is_found_in_the_turned_tile_and_told_where_they_are(rim):
    rgb, hips = np.zeros((140, 200, 3), np.uint8), (60, 90)
    rgb[hips[::-1]], rgb[rim[::-1]] = (255, 255, 255), (255, 0, 0)
    part = np.array([[10, 20, 180, 110]])
    found, parts = tiling.detect_turned(Upright(), rgb, part)
    points = np.concatenate([each.keypoints_px for each in found])
    sizes = np.concatenate([each.box_px[:, 2:] for each in found]).tolist()
    assert len(found) == len(parts) == 3
    if rim[0] == hips[0] and rim[1] < hips[1]:
        assert len(points) == 0
    else:
        np.testing.assert_allclose(points, [[np.add(hips, 0.5), np.add(rim, 0.5)]])
        assert sizes == [[20.0, 60.0] if rim[0] == hips[0] else [60.0, 20.0]]
