"""Intrinsic matrices from points and pixels."""

import numpy as np

from vibe.data.sets.annotations import fit_intrinsics

K_PX = np.array([[1500.0, 0, 1000], [0, 1490, 1050], [0, 0, 1]])


def seen(count: int) -> tuple[np.ndarray, np.ndarray]:
    points = np.random.default_rng(0).normal(size=(count, 5, 3)) + [0, 0, 6]
    pixels = points @ K_PX.T
    return points, pixels[..., :2] / pixels[..., 2:]


def test_the_camera_that_took_the_pixels_is_found_whatever_is_not_known():
    points, pixels = seen(20)
    points[3], pixels[4, 2], points[5, :, 2] = np.nan, np.nan, -1
    np.testing.assert_allclose(fit_intrinsics(points, pixels), K_PX, rtol=1e-9)


def test_a_size_of_the_world_is_no_part_of_it():
    points, pixels = seen(20)
    np.testing.assert_allclose(fit_intrinsics(1000 * points, pixels), K_PX, rtol=1e-9)


def test_pixels_of_other_points_have_no_camera():
    points, pixels = seen(20)
    assert fit_intrinsics(points, pixels[::-1]) is None
    assert fit_intrinsics(points, -pixels) is None
    assert fit_intrinsics(points[:0], pixels[:0]) is None
