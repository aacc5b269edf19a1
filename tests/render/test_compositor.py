"""Laws of one picture of people."""

from dataclasses import replace

import numpy as np
import performers
import pytest
import torch

from vibe.body.outfit import COLOURS, colour
from vibe.render.compositor import Panel, Poser, paint, placed_panels
from vibe.render.viewpoints import Viewpoint, place
from vibe.render.writers import straight

W, H = 128, 72
K = np.array([[W, 0, W / 2], [0, W, H / 2], [0, 0, 1.0]])
CAMERA = Viewpoint(K, np.eye(3), np.zeros(3))
PLAIN = Panel(W, H, ("mesh",), [CAMERA], (0, 0, W, H))


@pytest.fixture(scope="module")
def dancer(low):
    return Poser([(1, performers.performer(low, torch.arange(60)), low)]).at(20)


@pytest.fixture(scope="module")
def where(low):
    return place([(1, performers.performer(low, torch.arange(60)), low)], np.arange(60) / 25)


@pytest.mark.parametrize("show", ["mesh", "wireframe", "skeleton"])
def test_people_are_drawn_where_the_camera_projects_them_and_nowhere_else(dancer, show):
    picture = paint(replace(PLAIN, show=(show,)), 0, 20, None, dancer)
    points = dancer[0].vertices @ K.T
    pixels = points[:, :2] / points[:, 2:]
    drawn = np.argwhere((picture < 250).any(-1))
    low, high = pixels.min(0) - 2, pixels.max(0) + 2
    assert len(drawn) > 50
    assert (drawn[:, ::-1] >= low).all() and (drawn[:, ::-1] <= high).all()
    for x, y in (dancer[0].joints @ K.T)[:, :2] / dancer[0].joints[:, 2:]:
        assert (picture[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] < 250).any()


def test_somebody_nearer_hides_who_is_farther(dancer):
    (one,) = dancer
    behind = replace(one, number=2, vertices=one.vertices * np.float32(1.5), joints=one.joints * np.float32(1.5))
    alone, both = (paint(PLAIN, 0, 20, None, people) for people in ([one], [behind, one]))
    assert np.abs(alone.astype(int) - both).max() <= 1


def test_colours_are_those_of_the_number_whoever_else_is_there(dancer):
    one = dancer[0]
    aside = replace(one, number=2, vertices=one.vertices + np.float32([1.5, 0, 0]))
    alone, both = (paint(PLAIN, 0, 20, None, people).astype(int) for people in ([one], [aside, one]))
    mine = (alone < 250).any(-1)
    assert (alone[mine] == both[mine]).all() and (alone != both).any()


# OpenCV rounds a pixel at the edge of a shape several times, most where small shapes meet
ROUNDING = {("mesh",): 4, ("wireframe",): 4, ("mesh", "skeleton"): 8, ("skeleton", "keypoints"): 16}


@pytest.mark.parametrize("show", ROUNDING)
@pytest.mark.parametrize("grounded", [False, True])
def test_opacity_is_0_where_nothing_is_and_over_white_it_is_the_picture_on_white(dancer, where, show, grounded):
    panel = replace(PLAIN, show=show, place=where if grounded else None, opacity=0.7)
    white, clear = paint(panel, 0, 20, None, dancer), paint(replace(panel, background=None), 0, 20, None, dancer)
    assert (clear[: H // 8, -W // 8 :] == 0).all() and clear[..., 3].max() > 170
    assert (clear[(white == 255).all(-1)][..., 3] <= 3).all()
    over = clear[..., :3].astype(int) + 255 - clear[..., 3:]
    away = np.abs(over - white)
    assert away.max() <= ROUNDING[show] and away[(white < 250).any(-1)].mean() <= 1
    kept = straight(clear)[..., :3].astype(float) * (clear[..., 3:] / 255.0) - clear[..., :3]
    assert np.abs(kept).max() <= 2


def test_who_is_not_seen_is_fainter(dancer):
    sure, guess = (paint(PLAIN, 0, 20, None, [replace(dancer[0], seen=seen)]).astype(int) for seen in (True, False))
    assert (255 - guess).sum() < 0.75 * (255 - sure).sum()


@pytest.mark.parametrize("size", [(64, 36), (100, 36), (36, 100), (W, H)])
def test_video_and_people_keep_together_in_panels_of_any_shape(size):
    window = (16, 8, 96, 54)
    (x, y, w, h), pixels = placed_panels(window, *size)
    assert min(x, y) >= 0 and x + w <= size[0] and y + h <= size[1] and (w == size[0] or h == size[1])
    np.testing.assert_allclose(pixels @ (16, 8, 1), (x, y, 1))
    np.testing.assert_allclose(pixels @ (112, 62, 1), (x + w, y + h, 1))
    film = np.zeros((H, W, 3), np.uint8)
    film[8:62, 16:112] = 77
    panel = Panel(*size, (), [CAMERA], window, filmed=True)
    picture = paint(panel, 0, 0, film, [])
    assert (picture[y : y + h, x : x + w] == 77).all()
    assert (picture != 77).all(-1).sum() == size[0] * size[1] - w * h


def test_an_unchanged_panel_shows_the_video_s_own_pixels():
    film = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    assert (paint(replace(PLAIN, filmed=True), 0, 0, film, []) == film).all()


def test_keypoints_lie_on_the_video_s_pixels_and_in_no_other_view(dancer):
    found = np.zeros((17, 3), np.float32)
    found[0] = 40.5, 30.5, 1.0
    people = [replace(dancer[0], keypoints_px=found)]
    panel = Panel(2 * W, 2 * H, ("keypoints",), [CAMERA], (0, 0, W, H))
    rows, columns = np.nonzero((paint(panel, 0, 20, None, people) < 200).any(-1))
    assert (rows.mean() + 0.5, columns.mean() + 0.5) == pytest.approx((61, 81), abs=0.3)
    assert (paint(replace(panel, window=None), 0, 20, None, people) == 255).all()


def test_numbers_and_colours_go_on_beyond_the_last_colour():
    assert (colour(1) == colour(1 + len(COLOURS))).all()
