"""Laws of the cameras that film people."""

from __future__ import annotations

import numpy as np
import pytest

from vibe.synthetic.camera_paths import BORDER, MOTIONS, NEAREST, aimed, film

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
