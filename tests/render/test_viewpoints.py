"""Laws of the cameras that stand beside people or go around them."""

from dataclasses import replace

import cv2
import numpy as np
import performers
import pytest
import torch

from vibe.cameras import project
from vibe.records import Camera
from vibe.render.viewpoints import FOCAL, Viewpoint, orbit_view, place


@pytest.fixture(scope="module")
def dance(low):
    """Two people who dance before a tilted camera, and where they are."""
    people = [performers.performer(low, torch.arange(10, 90), seed) for seed in (0, 2)]
    numbered = [(number, motion, low) for number, motion in enumerate(people, start=1)]
    found = place(numbered, np.arange(100) / 25)
    assert found is not None
    return people, found


@pytest.mark.parametrize("view", ["side", "turn"])
@pytest.mark.parametrize("size", [(160, 90), (90, 160)])
def test_everybody_and_the_ground_below_them_are_in_the_picture_all_the_time_and_fill_it(dance, view, size):
    people, found = dance
    frames = np.arange(10, 90)
    reach = []
    for row, camera in enumerate(orbit_view(view, found, frames, 4.0, *size)):
        points = np.concatenate([motion.joints_cam[row] for motion in people])
        below = points - (points @ found.up - found.floor)[:, None] * found.up
        seen = camera.seen(np.concatenate([points, below])) @ camera.K_px.T
        reach.append(np.abs(seen[:, :2] / seen[:, 2:] / size - 0.5).max())
    assert 0.3 < max(reach) < 0.5


@pytest.mark.parametrize("view", ["side", "turn"])
def test_who_walks_away_fills_three_quarters_of_the_panel_all_the_way(low, view):
    motion = performers.walking(low, 100)
    found = place([(1, motion, low)], np.arange(100) / 25)
    assert found is not None
    surface, heights = motion.vertices(low), []
    for points, camera in zip(surface, orbit_view(view, found, motion.frames, 4.0, 160, 90), strict=True):
        seen = camera.seen(points) @ camera.K_px.T
        rows = seen[:, 1] / seen[:, 2] / 90
        assert rows.min() > 0 and rows.max() < 1
        heights.append(np.ptp(rows))
    assert np.mean(heights) > 0.75 and min(heights) > 0.7


def test_a_camera_that_turns_comes_back_to_where_it_began(dance):
    frames = np.full(48, 50)
    cameras = orbit_view("turn", dance[1], frames, 8.0, 160, 90)
    step = [np.degrees(np.arccos(np.clip((np.trace(a.R_view_space @ b.R_view_space.T) - 1) / 2, -1, 1)))
            for a, b in zip(cameras, cameras[1:] + cameras[:1], strict=True)]  # fmt: skip
    assert np.allclose(step, step[0], atol=1e-4)
    assert 0 < step[0] < 360 / 48 + 1e-3
    half = cameras[24].R_view_space @ cameras[0].R_view_space.T
    assert np.allclose(half @ half, np.eye(3), atol=1e-6) and not np.allclose(half, np.eye(3), atol=0.5)


def test_the_side_view_is_a_quarter_turn_to_the_right(dance):
    found = dance[1]
    (side,), (first, quarter, *_) = (
        orbit_view(v, found, np.full(n, 50), 4.0, 160, 90) for v, n in (("side", 1), ("turn", 4))
    )
    np.testing.assert_allclose(side.R_view_space, quarter.R_view_space, atol=1e-6)
    eye = -side.R_view_space.T @ side.t_view_space - found.centres[50]
    right, ahead = found.across
    assert eye @ right > 1 and abs(eye @ ahead) < 1e-3
    eye = -first.R_view_space.T @ first.t_view_space - found.centres[50]
    assert eye @ ahead < -1 and abs(eye @ right) < 1e-3


def test_cameras_are_rotations_that_keep_people_upright_and_level(dance):
    found = dance[1]
    for camera in orbit_view("turn", found, np.arange(100), 4.0, 160, 90):
        np.testing.assert_allclose(camera.R_view_space @ camera.R_view_space.T, np.eye(3), atol=1e-6)
        assert np.linalg.det(camera.R_view_space) == pytest.approx(1)
        up = camera.R_view_space @ found.up
        assert abs(up[0]) < 1e-6 and up[1] < -0.95
        assert camera.K_px[0, 0] == FOCAL * 90


def test_a_camera_follows_people_without_their_jerks(low):
    motion = performers.standing(low, 100)
    jerks = np.random.default_rng(0).standard_normal((100, 1))
    away = (0.05 * np.arange(100)[:, None] + 0.2 * jerks) * np.eye(3, dtype=np.float32)[0]
    found = place(
        [(1, replace(motion, joints_cam=(motion.joints_cam[:1] + away[:, None]).astype(np.float32)), low)],
        np.arange(100) / 25,
    )
    assert found is not None
    assert np.abs(np.diff(found.centres[20:80, 0]) - 0.05).max() < 0.02


def test_where_nobody_is_there_is_no_place():
    assert place([], np.arange(5.0)) is None


def test_over_the_video_bodies_are_drawn_where_its_lens_shows_them(dance):
    joints_cam = dance[0][0].joints_cam[0].astype(np.float64)
    K_px, numbers = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]]), np.array([-0.25, 0.08, 0.001, -0.001])
    wanted = cv2.projectPoints(joints_cam, np.zeros(3), np.zeros(3), K_px, numbers)[0][:, 0]
    inside = ((wanted > 0) & (wanted < (320, 240))).all(1)
    view = Viewpoint(K_px, np.eye(3), np.zeros(3), Camera(K_px, 320, 240, numbers))
    assert inside.sum() > 10 and np.abs(project(view.seen(joints_cam), K_px) - wanted)[inside].max() < 1e-3
    assert np.abs(project(joints_cam, K_px) - wanted)[inside].max() > 0.5
