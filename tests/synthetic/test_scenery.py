"""Laws of the places that moving cameras film."""

from __future__ import annotations

import numpy as np
import pytest

from vibe.cameras import default_camera
from vibe.synthetic import scenery
from vibe.synthetic.camera_paths import aimed

CAMERA = default_camera(160, 120, 60.0)
K = CAMERA.K_px.numpy().astype(float)


def board(corner, right, down, size=40):
    """A black panel with one white texel in the middle."""
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[..., 3] = 255
    rgba[size // 2 - 1 : size // 2 + 1, size // 2 - 1 : size // 2 + 1] = 255
    return scenery.Backdrop(np.array(corner), np.array(right), np.array(down), rgba)


def seen_at(picture):
    """The middle of what is white, pixels."""
    weights = picture[..., 0].astype(float)
    weights[weights < 60] = 0
    y, x = np.indices(weights.shape) + 0.5
    return np.array([(weights * x).sum(), (weights * y).sum()]) / weights.sum()


@pytest.fixture(scope="module")
def panels():
    """A floor with a spot at the origin, and a wall whose spot is at (0, 2, 1)."""
    floor = board([-1.0, 1.0, 0.0], [0.05, 0, 0], [0, -0.05, 0])
    wall = board([-1.0, 2.0, 2.0], [0.05, 0, 0], [0, 0, -0.05])
    return floor, wall


@pytest.mark.parametrize("eye", [(0.3, -3.0, 1.4), (-1.0, -2.5, 2.0), (1.2, -4.0, 0.9)])
@pytest.mark.parametrize("turn", [-0.06, 0.0, 0.08])
def test_spots_on_floor_and_wall_are_where_the_camera_projects_them(panels, eye, turn):
    floor, wall = panels
    for panel, spot in ((floor, (0.0, 0.0, 0.0)), (wall, (0.0, 2.0, 1.0))):
        direction = np.array(spot) - eye
        direction = direction + turn * np.array([-direction[1], direction[0], 0.3])
        R_world_cam = aimed(direction, np.array(turn))
        cam = R_world_cam.T @ (np.array(spot) - eye)
        expected = (K @ cam)[:2] / cam[2]
        empty = scenery.Backdrop(panel.corner + 99, panel.right, panel.down, np.zeros_like(panel.rgba))
        shown = (panel, panel, ()) if panel is floor else (empty, empty, (panel,))
        picture = scenery.Scenery(*shown, np.zeros((3, 3))).picture(CAMERA, R_world_cam, np.array(eye))
        assert np.linalg.norm(seen_at(picture) - expected) < 0.3


def test_what_is_behind_the_camera_is_not_seen(panels):
    floor, wall = panels
    away = aimed(np.array([0.0, -1.0, 0.05]), np.array(0.0))
    shown = scenery.Scenery(floor, floor, (wall,), np.zeros((3, 3)))
    assert shown.picture(CAMERA, away, np.array([0.0, -3.0, 1.0])).max() == 0


@pytest.mark.parametrize("seed", [1, 3])
def test_a_place_is_the_same_for_the_same_number_and_has_texture_all_around(seed, monkeypatch):
    monkeypatch.setattr(scenery, "HALF", 4.0)
    one, two = (scenery.make_scenery(seed, 3.0) for _ in range(2))
    for angle in np.arange(0, 2 * np.pi, np.pi / 3):
        R_world_cam = aimed(np.array([np.cos(angle), np.sin(angle), -0.1]), np.array(0.0))
        picture = one.picture(CAMERA, R_world_cam, np.array([0.0, 0.0, 1.5]))
        np.testing.assert_array_equal(picture, two.picture(CAMERA, R_world_cam, np.array([0.0, 0.0, 1.5])))
        assert picture.astype(float).std((0, 1)).mean() > 8
