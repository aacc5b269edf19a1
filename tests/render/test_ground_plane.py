"""Laws of the ground: grid and shadow."""

import numpy as np
import performers
import pytest
import torch

from vibe.render import drawing
from vibe.render.viewpoints import Viewpoint, orbit_view, place

W, H = 160, 90
BLACK = np.zeros(3)


@pytest.fixture(scope="module")
def stood(low):
    """Somebody who dances before a tilted camera, where they are, and a camera beside them."""
    motion = performers.performer(low, torch.arange(60))
    found = place([(1, motion, low)], np.arange(60) / 25)
    assert found is not None
    return motion, found, orbit_view("side", found, np.array([20]), 4.0, W, H)[0]


def on_ground(found, u, v):
    """A point of the ground in the frame of the video's camera."""
    right, ahead = found.across
    return u * right + v * ahead + found.floor * found.up


def test_a_pixel_sees_the_point_of_the_ground_that_the_camera_projects_there(stood):
    _, found, camera = stood
    ground = drawing.ground_plane(found, camera, 20)
    for u, v in [(0.0, 4.0), (0.7, 3.2), (-1.3, 5.5)]:
        seen = camera.K_px @ camera.seen(on_ground(found, u, v))
        level = ground.level @ np.append(seen[:2] / seen[2], 1.0)
        assert level[2] < 0
        np.testing.assert_allclose(level[:2] / level[2], (u, v), atol=1e-4)


def test_lines_lie_a_whole_number_of_quarter_metres_from_the_camera_and_nothing_above_the_horizon(stood):
    _, found, camera = stood
    picture = np.full((H, W, 3), 255, np.uint8)
    ground = drawing.ground_plane(found, camera, 20)
    drawing.draw_ground(picture, ground, BLACK, None)
    rows, columns = np.nonzero(picture[..., 0] < 120)
    level = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], 1) @ ground.level.T
    assert len(rows) > 20 and (level[:, 2] < 0).all()
    off = level[:, :2] / level[:, 2:] / drawing.SPACING * drawing.FINE
    assert (np.abs(off - off.round()).min(1) < 0.2).all()
    assert (picture[: H // 4] == 255).all()


def test_the_grid_fades_into_the_distance_without_a_pattern(stood):
    found = stood[1]
    far = Viewpoint(np.array([[W, 0, W / 2], [0, W, H / 2], [0, 0, 1.0]]), np.eye(3), np.zeros(3))
    picture = np.full((H, W, 3), 255, np.uint8)
    drawing.draw_ground(
        picture,
        drawing.GroundPlane(drawing.ground_plane(found, far, 20).level, np.array([0.0, 200.0]), 300.0),
        BLACK,
        None,
    )
    pixels = np.stack([*np.meshgrid(np.arange(W) + 0.5, np.arange(H) + 0.5), np.ones((H, W))], -1)
    level = pixels @ drawing.ground_plane(found, far, 20).level.T
    beyond = (level[..., 2] < 0) & (level[..., 1] / level[..., 2] > 60)
    assert beyond.any() and (picture[beyond] > 215).all()


def test_the_shadow_is_darkest_where_somebody_touches_the_ground(stood, low):
    motion, found, _ = stood
    surfaces = motion.vertices(low)
    heights = (surfaces @ found.up).min(1) - found.floor
    low_row, high_row = int(heights.argmin()), int(heights.argmax())
    dark, corner = drawing.ground_shadow([(surfaces[low_row], low.faces.numpy())], found)
    faint, _ = drawing.ground_shadow([(surfaces[high_row], low.faces.numpy())], found)
    assert dark.max() > 1.3 * faint.max() > 0.1
    row, column = np.unravel_index(dark.argmax(), dark.shape)
    foot = surfaces[low_row][(surfaces[low_row] @ found.up).argmin()] @ found.across.T
    assert np.hypot(*(corner[:2] + corner[2] * np.array([column, row]) - foot)) < 0.3
    assert max(dark[0].max(), dark[-1].max(), dark[:, 0].max(), dark[:, -1].max()) < 0.02


def test_nobody_casts_no_shadow(stood):
    assert drawing.ground_shadow([], stood[1]) is None


def test_on_a_transparent_picture_the_shadow_is_black_of_its_opacity(stood, low):
    motion, found, camera = stood
    cast = drawing.ground_shadow([(motion.vertices(low)[20], low.faces.numpy())], found)
    ground = drawing.ground_plane(found, camera, 20)
    clear, white = np.zeros((H, W, 4), np.uint8), np.full((H, W, 3), 255, np.uint8)
    drawing.draw_ground(clear, ground, np.full(3, 0.5), cast)
    drawing.draw_ground(white, ground, np.full(3, 0.5), cast)
    over = clear[..., :3].astype(int) + 255 - clear[..., 3:]
    assert np.abs(over - white).max() <= 2 and clear[..., 3].max() > 40


def test_a_camera_below_the_ground_sees_none(stood):
    _, found, _ = stood
    below = Viewpoint(np.eye(3), np.eye(3), found.up * 10.0)
    assert drawing.ground_plane(found, below, 20) is None
