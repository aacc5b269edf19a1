"""Laws of turning cameras that are laid over a still one's video."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from vibe.cameras import default_camera
from vibe.synthetic.virtual_pan import virtual_pan
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

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
