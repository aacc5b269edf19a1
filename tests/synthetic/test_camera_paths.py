"""Laws of the cameras that film people, and of turning ones that are laid over a still one's video."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vibe.cameras import default_camera
from vibe.synthetic.camera_paths import BORDER, MOTIONS, NEAREST, aimed, film, virtual_pan
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

FPS = 30.0


def passer_by(frames=90):
    """Points of somebody who goes 3 m."""
    rng = np.random.default_rng(5)
    body = rng.uniform((-0.3, -0.3, 0.0), (0.3, 0.3, 1.8), (24, 3))
    return body + np.linspace((-1.5, 0, 0), (1.5, 0.4, 0), frames)[:, None]


@pytest.fixture(scope="module", params=MOTIONS)
def filmed(request):
    return request.param, passer_by(), film(passer_by(), request.param, FPS, np.random.default_rng(2))


def test_everybody_is_in_the_picture_all_the_time(filmed):
    _, points, filming = filmed
    seen = filming.project(points)
    share = seen[..., :2] / (filming.camera.width, filming.camera.height)
    assert share.min() >= BORDER and share.max() <= 1 - BORDER and seen[..., 2].min() > NEAREST


def test_a_camera_moves_as_its_kind_says(filmed):
    name, _, filming = filmed
    turned = np.degrees(np.arccos(np.clip(filming.R_world_cam[:, :, 2] @ filming.R_world_cam[0, :, 2], -1, 1))).max()
    travelled = np.linalg.norm(np.ptp(filming.t_world_cam, 0))
    kind = MOTIONS[name].kind
    assert (turned > 0.5) == (kind != "still") and (travelled > 0.01) == (kind == "moving")
    np.testing.assert_allclose(
        filming.R_world_cam @ filming.R_world_cam.transpose(0, 2, 1), np.eye(3)[None] + np.zeros((90, 1, 1)), atol=1e-9
    )
    assert (np.linalg.det(filming.R_world_cam) > 0).all()


def test_a_level_camera_has_the_horizon_level():
    R_world_cam = aimed(np.array([0.3, 2.0, -0.4]), np.array(0.0))
    assert R_world_cam[2, 0] == pytest.approx(0) and R_world_cam[2, 1] < 0


def test_people_too_far_apart_are_refused():
    with pytest.raises(ValueError, match="closer together"):
        film(passer_by() * [400, 400, 1], "still", FPS, np.random.default_rng(0))


WIDTH, HEIGHT, FRAMES = 320, 240, 24
SPOTS = [(130, 100), (190, 140), (160, 120)]


@pytest.fixture(scope="module")
def panned(tmp_path_factory):
    """White spots on black, seen by a camera that turns."""
    folder = tmp_path_factory.mktemp("pan")
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for spot in SPOTS:
        cv2.circle(picture, spot, 4, (255, 255, 255), -1, cv2.LINE_AA)
    with VideoWriter(folder / "still.mp4", WIDTH, HEIGHT, 30.0) as writer:
        for frame in range(FRAMES):
            writer.write(picture, frame / 30)
    filming = virtual_pan(folder / "still.mp4", folder / "pan.mp4", np.random.default_rng(4))
    with open_video(folder / "pan.mp4") as video:
        return filming, [frame.rgb for frame in video]


def test_what_stands_still_is_where_the_rotation_says(panned):
    filming, frames = panned
    K_wide = default_camera(WIDTH, HEIGHT).K_px.numpy().astype(float)
    R_world_wide = filming.R_world_cam[0] @ np.eye(3)
    rays = np.pad(np.array(SPOTS) + 0.5, ((0, 0), (0, 1)), constant_values=1) @ np.linalg.inv(K_wide).T
    up = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    assert len(frames) == FRAMES and R_world_wide.shape == (3, 3)
    for number, rgb in enumerate(frames):
        seen = rays @ up.T @ filming.R_world_cam[number] @ filming.camera.K_px.numpy().astype(float).T
        _, _, _, middles = cv2.connectedComponentsWithStats((rgb[..., 0] > 127).astype(np.uint8))
        expected = seen[:, :2] / seen[:, 2:]
        for place in expected:
            assert np.linalg.norm(middles[1:] + 0.5 - place, axis=1).min() < 0.8


def test_it_turns_by_degrees_about_one_place_and_shows_no_border(panned):
    filming, _ = panned
    trace = np.trace(filming.R_world_cam.transpose(0, 2, 1) @ filming.R_world_cam[0], axis1=1, axis2=2)
    assert np.degrees(np.arccos(((trace - 1) / 2).clip(-1, 1))).max() > 1 and not filming.t_world_cam.any()
    corners = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]) * [filming.camera.width, filming.camera.height, 1]
    up = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    K_wide, K_px = default_camera(WIDTH, HEIGHT).K_px.numpy().astype(float), filming.camera.K_px.numpy().astype(float)
    seen = corners @ (K_wide @ up.T @ filming.R_world_cam @ np.linalg.inv(K_px)).transpose(0, 2, 1)
    places = seen[..., :2] / seen[..., 2:]
    assert (places >= 0).all() and (places <= [WIDTH, HEIGHT]).all()


def test_a_video_of_a_few_pictures_is_refused(tmp_path):
    with VideoWriter(tmp_path / "short.mp4", 64, 48, 30.0) as writer:
        for frame in range(3):
            writer.write(np.zeros((48, 64, 3), np.uint8), frame / 30)
    with pytest.raises(ValueError, match="give videos of ten or more"):
        virtual_pan(tmp_path / "short.mp4", tmp_path / "out.mp4", np.random.default_rng(0))
    assert not (tmp_path / "out.mp4").exists()
