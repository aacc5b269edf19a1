"""Laws of the camera's rotation from the background: what a virtual camera did to a picture is found again."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from turning_camera import FPS, HEIGHT, K_PX, NOBODY, WIDTH, seen, texture, turning, watched

from vibe.distortion import undistort_background, undistort_px
from vibe.records import Camera
from vibe.world import background
from vibe.world.background import BEGUN, MISSED, BackgroundTracker, find_corners
from vibe.world.camera_motion import CameraMotion, solve_rotations


def followed(pictures, boxes=None, cuts=()) -> CameraMotion:
    times = np.arange(len(pictures)) / FPS
    return solve_rotations(watched(pictures, boxes, cuts), times, K_PX, (WIDTH, HEIGHT))


def error_deg(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.degrees(Rotation.from_matrix(np.swapaxes(truth, 1, 2) @ found).magnitude())


@pytest.fixture(scope="module")
def pan():
    truth = turning(90)
    return truth, [seen(texture(), each) for each in truth]


def test_a_virtual_pan_is_found_again(pan):
    truth, pictures = pan
    found = followed(pictures)
    error = error_deg(found.R_cam0_cam, truth)
    assert error.mean() < 0.05 and error.max() < 0.15
    assert not found.still and found.sure.all() and found.notes == () and found.parallax_px < 0.5


def test_through_a_bending_lens_the_same_pan_is_found(pan):
    truth, pictures = pan
    lens = Camera(K_PX, WIDTH, HEIGHT, np.array([0.3, 0.1, 0.001, -0.001]))
    middles = np.stack(np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5), -1)
    there = (undistort_px(middles, lens) - 0.5).astype(np.float32)
    bent = [cv2.remap(each, there[..., 0], there[..., 1], cv2.INTER_CUBIC) for each in pictures[:60]]
    found, times = watched(bent), np.arange(60) / FPS
    errors = [
        error_deg(solve_rotations(each, times, K_PX, (WIDTH, HEIGHT)).R_cam0_cam, truth[:60]).mean()
        for each in (undistort_background(found, lens), found)
    ]
    assert errors[0] < 0.05 and errors[1] > 4 * errors[0], errors


def test_a_camera_that_stands_is_not_turned_at_all():
    random, picture = np.random.default_rng(1), seen(texture(), np.eye(3)).astype(float)
    pictures = [(picture + random.normal(0, 3, picture.shape)).clip(0, 255).astype(np.uint8) for _ in range(60)]
    found = followed(pictures)
    assert found.still and found.sure.all() and found.notes == () and found.parallax_px == 0
    assert np.array_equal(found.R_cam0_cam, np.tile(np.eye(3), (60, 1, 1)))


@pytest.mark.parametrize("what", ["black", "noise"])
def test_what_cannot_be_followed_is_taken_to_stand_and_said_so(what):
    random = np.random.default_rng(2)
    most = 256 if what == "noise" else 1
    pictures = [random.integers(0, most, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(45)]
    found = followed(pictures)
    assert np.array_equal(found.R_cam0_cam, np.tile(np.eye(3), (45, 1, 1)))
    assert found.still and not found.sure.any() and "no frame" in found.notes[0]


@pytest.mark.parametrize("degrees", [3, 4, 6])
def test_a_camera_that_rolls_is_followed_where_nothing_looks_as_in_the_key_frame_any_more(degrees):
    truth = Rotation.from_euler("z", degrees * np.arange(40.0)[:, None], degrees=True).as_matrix()
    pictures = [seen(texture(), each) for each in truth]
    assert not (watched(pictures).kinds == MISSED).any()
    assert error_deg(followed(pictures).R_cam0_cam, truth).max() < 0.5


def test_a_corner_that_is_known_comes_before_the_stronger_ones_of_its_cell():
    grey = cv2.cvtColor(seen(texture(), np.eye(3)), cv2.COLOR_RGB2GRAY)
    usual, crowd = find_corners(grey, NOBODY, np.zeros((0, 2))), cv2.goodFeaturesToTrack(grey, 640, 0.001, 8)[:, 0]
    weak = crowd[np.linalg.norm(crowd[:, None] - usual, axis=-1).min(1) > 0]
    weak = weak[np.unique((weak // [WIDTH / 8, HEIGHT / 6]) @ [8, 1], return_index=True)[1]]
    found = find_corners(grey, NOBODY, weak + 0.5)
    assert len(weak) > 20 and len(found) == len(usual)
    assert np.linalg.norm(found[:, None] - weak, axis=-1).min(0).max() == 0


def test_people_who_move_do_not_turn_the_camera(pan):
    truth, pictures = pan
    board, painted, boxes = texture(5)[:200, :140], [], []
    for index, picture in enumerate(pictures):
        left, top, picture = 20 + 3 * index, 40, picture.copy()
        picture[top : top + 200, left : left + 140] = board[:, : max(0, WIDTH - left)]
        painted.append(picture)
        boxes.append(np.array([[left, top, left + 140.0, top + 200.0]]))
    assert error_deg(followed(painted, boxes).R_cam0_cam, truth).mean() < 0.05


def test_what_moves_before_a_standing_camera_does_not_turn_it():
    place, train = seen(texture(), np.eye(3)), texture(6)
    pictures = []
    for index in range(60):
        picture = place.copy()
        picture[120:] = train[: HEIGHT - 120, 6 * index : 6 * index + WIDTH]
        pictures.append(picture)
    found = followed(pictures)
    assert found.still and not found.travels and found.notes == ()


def test_after_a_cut_the_camera_begins_anew(pan):
    truth, pictures = pan
    found = followed([*pictures[:40], *(seen(texture(9), each) for each in truth[:40])], cuts=(40,))
    assert found.begins == (0, 40)
    assert error_deg(found.R_cam0_cam, np.concatenate([truth[:40], truth[:40]])).max() < 0.15


def test_a_tracker_goes_on_from_the_state_of_another(pan, monkeypatch):
    monkeypatch.setattr(background, "CHUNK", 200)
    _, pictures = pan
    whole = watched(pictures)
    parts = BackgroundTracker()
    for index, rgb in enumerate(pictures):
        if index % 7 == 3:
            other = BackgroundTracker(parts._cache)
            other.restore(parts.state())
            parts = other
        parts.step(index, index / FPS, rgb, NOBODY)
    other = parts.finish()
    assert all(np.array_equal(value, getattr(other, name)) for name, value in vars(whole).items())


@pytest.mark.parametrize("seed", [751, 3351])
def test_points_of_which_opencv_raises_are_points_that_tell_nothing_or_a_matrix(seed):
    random = np.random.default_rng(seed)
    one = random.uniform(0, 900, (64, 2)).astype(np.float32) * [1, 0.55]
    start, end = one.astype(np.float32), (one * 1.01 + random.normal(0, 2, (64, 2))).astype(np.float32)
    matrix, inlier = background._robust(background.FUNDAMENTAL, start, end)
    assert inlier.shape == (64,) and inlier.any() == (matrix is not None)


def test_a_pan_whose_fundamental_matrices_raise_is_followed_by_its_homographies(monkeypatch, pan):
    def fails(*points):
        raise cv2.error("no model")

    monkeypatch.setattr(background, "FUNDAMENTAL", fails)
    truth, pictures = pan
    assert error_deg(followed(pictures).R_cam0_cam, truth).max() < 0.15
    monkeypatch.setattr(background, "HOMOGRAPHY", fails)
    assert not followed(pictures[:20]).sure[1:].any()


@pytest.mark.parametrize("shape", [(5000, 3, 3), (3, 5000, 3), (1, 1, 3)])
def test_pictures_that_are_a_strip_tell_nothing_of_the_camera(shape):
    tracker, random = BackgroundTracker(), np.random.default_rng(0)
    for index in range(4):
        tracker.step(index, index / 30, random.integers(0, 255, shape, dtype=np.uint8), np.zeros((0, 4)), False)
    assert tracker.finish().kinds.tolist() == [BEGUN, MISSED, MISSED, MISSED]
