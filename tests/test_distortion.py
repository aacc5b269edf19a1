"""Laws of the way through a lens and back."""

import cv2
import numpy as np
import pytest
import torch

from vibe.cameras import project
from vibe.distortion import distort, is_invertible, undistort_px, undistort_track
from vibe.records import Camera, Track

K_PX = np.array([[1000.0, 0, 950], [0, 1010, 545], [0, 0, 1]])
LENSES = {
    "barrel": ((-0.3, 0.1, 0.001, -0.002, 0.0), False),
    "pincushion": ((0.1, 0.05, 0.001, 0.0, 0.02), False),
    "four numbers": ((-7e-4, 2e-3, 1e-5, 1e-5), False),
    "eight numbers": ((0.2, 0.05, 0.0, 0.001, 0.0, 0.35, 0.08, 0.01), False),
    "fisheye": ((0.05, 0.01, -0.02, 0.003), True),
}


def camera(name: str) -> Camera:
    numbers, fisheye = LENSES[name]
    return Camera(K_PX, 1920, 1080, np.array(numbers), fisheye)


@pytest.fixture(params=LENSES)
def lens(request) -> Camera:
    return camera(request.param)


@pytest.fixture
def places_px() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (500, 2)) * [1920, 1080]


def test_there_and_back_is_where_it_was_to_a_hundredth_of_a_pixel(lens, places_px):
    straight = undistort_px(torch.from_numpy(places_px).float(), lens)
    K_px = torch.from_numpy(K_PX).float()
    rays = torch.cat([(straight - K_px[:2, 2]) / K_px[[0, 1], [0, 1]], torch.ones(500, 1)], -1)
    depth = torch.linspace(0.5, 20, 500)[:, None]
    seen = project(distort(rays * depth, lens), K_px)
    assert (seen - torch.from_numpy(places_px)).abs().max() < 0.01
    assert is_invertible(lens)


def test_points_are_bent_as_opencv_bends_them(lens, places_px):
    straight = undistort_px(places_px, lens)
    points = np.concatenate([(straight - K_PX[:2, 2]) / K_PX[[0, 1], [0, 1]], np.ones((500, 1))], -1) * 3
    project_points = cv2.fisheye.projectPoints if lens.fisheye else cv2.projectPoints
    wanted = project_points(points[:, None], np.zeros(3), np.zeros(3), K_PX, lens.distortion)[0][:, 0]
    assert np.abs(project(distort(points, lens), K_PX) - wanted).max() < 1e-6
    assert np.array_equal(distort(points, lens)[:, 2], points[:, 2])


def test_far_outside_the_picture_nothing_folds_back(lens):
    away = np.stack([np.linspace(0, 50, 400), np.linspace(0, 20, 400), np.ones(400)], -1)
    bent = np.linalg.norm(distort(away, lens)[:, :2], axis=-1)
    assert (np.diff(bent) > 0).all()
    outside = np.stack([np.linspace(-3000, 0, 50), np.full(50, 500.0)], -1)
    assert (np.diff(undistort_px(outside, lens)[:, 0]) > 0).all()
    behind = np.array([[1.0, 2.0, -3.0]])
    assert np.array_equal(distort(behind, lens), behind)


def test_a_lens_that_folds_the_picture_is_told_from_one_that_does_not():
    folded = [(-0.6, 0.0, 0, 0), (5.0, -90.0, 0, 0), (1e30, 0, 0, 0), (0, 0, 1e3, 0)]
    assert [numbers for numbers in folded if is_invertible(Camera(K_PX, 1920, 1080, np.array(numbers)))] == []


def test_a_straight_lens_changes_nothing(places_px):
    plain = Camera(K_PX, 1920, 1080)
    track = Track(torch.arange(3), torch.rand(3, 4), torch.rand(3, 17, 3), torch.rand(3, 33, 8))
    assert undistort_px(places_px, plain) is places_px and undistort_track(track, plain) is track


def test_a_track_is_straightened_with_its_confidence_and_its_places_in_space(lens):
    random = np.random.default_rng(1)
    box_px = torch.tensor([[900.0, 500, 200, 400], [300, 600, 150, 500]])
    around = (
        box_px[:, None, :2] + torch.from_numpy(random.uniform(-0.5, 0.5, (2, 33, 2))) * box_px[:, None, 2:]
    ).float()
    rest = torch.rand(2, 33, 6)
    track = Track(
        torch.arange(2), box_px, torch.cat([around[:, :17], rest[:, :17, :1]], -1), torch.cat([around, rest], -1)
    )
    straight = undistort_track(track, lens)
    assert torch.equal(straight.keypoints_px[..., 2], track.keypoints_px[..., 2])
    assert straight.landmarks is not None
    assert torch.equal(straight.landmarks[..., 2:], rest) and torch.equal(straight.frames, track.frames)
    assert torch.allclose(straight.landmarks[..., :2], undistort_px(around, lens))
    low, high = (straight.box_px[:, None, :2] + sign * straight.box_px[:, None, 2:] * 0.65 for sign in (-1, 1))
    inside = (straight.keypoints_px[..., :2] > low) & (straight.keypoints_px[..., :2] < high)
    assert inside.all() and straight.box_px.dtype == torch.float32
