import numpy as np
import pytest
import torch

from vibe import cameras
from vibe.evaluate import open_benchmark_clips


def walk(seed: int) -> np.ndarray:
    """Points of somebody who walks five metres."""
    random = np.random.default_rng(seed)
    body = random.uniform((-0.4, 0, -0.4), (0.4, 1.8, 0.4), (20, 3))
    return body + np.linspace(0, 1, 30)[:, None, None] * random.uniform(-5, 5, 3) * (1, 0, 1)


@pytest.mark.parametrize("seed", range(12))
def test_everyone_stays_in_the_picture_and_in_front_of_a_camera_that_turns_without_stretching(seed: int) -> None:
    points = walk(seed)
    camera = open_benchmark_clips.draw_camera(points, np.random.RandomState(seed))
    seen = camera.see(points)
    share = camera.project(seen) / camera.size_px
    assert seen[..., 2].min() >= open_benchmark_clips.NEAREST
    assert share.min() > open_benchmark_clips.BORDER and share.max() < 1 - open_benchmark_clips.BORDER
    assert np.allclose(camera.R_cam_world @ camera.R_cam_world.T, np.eye(3), atol=1e-10)
    assert np.linalg.det(camera.R_cam_world) > 0


def test_the_camera_projects_as_the_project_s_own_does() -> None:
    points = walk(1)
    camera = open_benchmark_clips.draw_camera(points, np.random.RandomState(1))
    K_px = torch.tensor(
        [[camera.focal_px, 0, camera.size_px[0] / 2], [0, camera.focal_px, camera.size_px[1] / 2], [0, 0, 1]]
    ).double()
    seen = camera.see(points)
    assert np.allclose(camera.project(seen), cameras.project(torch.from_numpy(seen), K_px).numpy(), atol=1e-6)


def test_up_in_the_world_is_up_in_the_picture() -> None:
    points = walk(2)
    for seed in range(8):
        camera = open_benchmark_clips.draw_camera(points, np.random.RandomState(seed))
        foot, head = camera.project(camera.see(np.array([[0.0, 0, 0], [0, 1.7, 0]]) + points.mean((0, 1)) * (1, 0, 1)))
        assert head[1] < foot[1] and abs(head[0] - foot[0]) < 0.5 * (foot[1] - head[1])
