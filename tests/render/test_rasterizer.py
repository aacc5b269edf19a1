"""Laws of drawing triangles."""

from __future__ import annotations

import numpy as np
import pytest

from vibe.body.mesh import jit, vertex_normals
from vibe.render import rasterizer
from vibe.render.shading import DAYLIGHT, Light

K = np.array([[50.0, 0, 32], [0, 50.0, 24], [0, 0, 1]])
H, W = 48, 64
FLAT = Light(key=(0, 0, 0), sky=(1, 1, 1), ground=(1, 1, 1), sheen=0.0, rim=0.0)
"""Shows every surface in its own colour."""


def at(points_px, depth):
    """Points of the camera's frame seen at these pixels, at this depth."""
    rays = np.pad(np.asarray(points_px, float), ((0, 0), (0, 1)), constant_values=1.0) @ np.linalg.inv(K).T
    return (rays * np.broadcast_to(np.asarray(depth, float), (len(rays),))[:, None]).astype(np.float32)


def square(left, right, top, bottom, depth=2.0):
    return at([(left, top), (left, bottom), (right, bottom), (right, top)], depth), np.array([[0, 1, 2], [0, 2, 3]])


def mesh(vertices, faces, colour=(0.2, 0.4, 0.8), opacity=1.0):
    return rasterizer.Mesh(vertices, faces, np.tile(np.float32(colour), (len(vertices), 1)), opacity=opacity)


def scattered(seed, count=40):
    """Triangles of both orientations around the camera, some behind it, some beyond the picture."""
    vertices = np.random.default_rng(seed).uniform((-2, -1.5, -0.6), (2, 1.5, 4), (3 * count, 3))
    return vertices.astype(np.float32), np.arange(3 * count).reshape(-1, 3)


def plain(vertices, faces, x, y):
    """Nearest depth along the ray through a point of the picture, triangle by triangle."""
    ray = np.linalg.inv(K) @ (x, y, 1)
    nearest = np.inf
    for a, b, c in vertices[faces].astype(float):
        normal = np.cross(b - a, c - a)
        if normal @ a >= 0:
            continue
        hit = ray * (normal @ a) / (normal @ ray) if normal @ ray else ray * -1
        inside = all(np.cross(q - p, hit - p) @ normal >= 0 for p, q in ((a, b), (b, c), (c, a)))
        if inside and rasterizer.NEAR < hit[2] < nearest:
            nearest = hit[2]
    return nearest


@pytest.mark.parametrize("seed", range(2))
def test_depths_are_those_of_a_plain_search(seed):
    vertices, faces = scattered(seed)
    fast = rasterizer.depth_image(vertices, faces, K, H, W)
    slow = np.array([[plain(vertices, faces, x + 0.5, y + 0.5) for x in range(0, W, 4)] for y in range(0, H, 4)])
    assert np.isfinite(slow).any()
    np.testing.assert_allclose(fast[::4, ::4], slow, rtol=1e-4)


@pytest.mark.parametrize("samples", [1, 4, 8])
def test_coverage_is_that_of_a_plain_count(samples):
    vertices, faces = scattered(5, 20)
    fast = rasterizer.pixel_coverage(vertices, faces, K, H, W, samples)
    for y in range(0, H, 7):
        for x in range(0, W, 7):
            hits = [np.isfinite(plain(vertices, faces, x + dx, y + dy)) for dx, dy in rasterizer.SAMPLES[samples]]
            assert fast[y, x] == pytest.approx(np.mean(hits))


def test_the_area_of_a_disc_is_covered():
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    rim = np.stack([32 + 17.3 * np.cos(angles), 24 - 17.3 * np.sin(angles)], 1)
    faces = np.stack([np.zeros(88, int), np.arange(1, 89), np.arange(2, 90)], 1)
    covered = rasterizer.pixel_coverage(at(rim, 2.0), faces, K, H, W, 8)
    assert covered.sum() == pytest.approx(np.pi * 17.3**2, rel=0.004)
    assert len(np.unique(covered)) > 5


def test_neighbouring_triangles_leave_no_gap():
    covered = rasterizer.pixel_coverage(*square(4.0, 60.0, 4.0, 44.0), K, H, W, 8)
    assert (covered[4:44, 4:60] == 1).all() and covered.sum() == 40 * 56


def test_edges_are_soft():
    picture = rasterizer.rasterize(
        np.zeros((H, W, 3), np.uint8), [mesh(*square(10, 20, 10, 20.5), (1, 1, 1))], K, FLAT, 4
    )
    assert (picture[12:20, 12:18] == 255).all()
    assert picture[20, 15, 0] == pytest.approx(128, abs=2)


@pytest.mark.parametrize("turned", [False, True])
def test_the_nearer_one_is_in_front_whatever_the_order(turned):
    near, far = mesh(*square(10, 30, 10, 30, 1.5), (1, 0, 0)), mesh(*square(20, 40, 20, 40, 3.0), (0, 0, 1))
    picture = rasterizer.rasterize(np.zeros((H, W, 3), np.uint8), [near, far][:: -1 if turned else 1], K, FLAT)
    assert tuple(picture[25, 25]) == (255, 0, 0) and tuple(picture[35, 35]) == (0, 0, 255)


def test_people_who_pass_through_each_other_part_where_they_meet():
    one = mesh(at([(10, 10), (10, 40), (50, 40), (50, 10)], [1.0, 1.0, 3.0, 3.0]), square(0, 1, 0, 1)[1], (1, 0, 0))
    two = mesh(at([(10, 10), (10, 40), (50, 40), (50, 10)], [3.0, 3.0, 1.0, 1.0]), square(0, 1, 0, 1)[1], (0, 1, 0))
    picture = rasterizer.rasterize(np.zeros((H, W, 3), np.uint8), [one, two], K, FLAT)
    assert tuple(picture[25, 20]) == (255, 0, 0) and tuple(picture[25, 40]) == (0, 255, 0)


def test_only_the_place_of_the_person_is_touched():
    before = np.random.default_rng(0).integers(0, 256, (H, W, 3), dtype=np.uint8)
    after = rasterizer.rasterize(before, [mesh(*square(20, 30, 12, 22))], K)
    changed = (before != after).any(-1)
    changed[12:22, 20:30] = False
    assert not changed.any()


@pytest.mark.parametrize(
    "corners",
    [square(-400, -300, 5, 20)[0], square(5, 20, 900, 1000)[0], -square(5, 20, 5, 20)[0], np.full((4, 3), np.nan)],
)
def test_people_out_of_sight_leave_the_picture_alone(corners):
    before = np.full((H, W, 3), 90, np.uint8)
    after = rasterizer.rasterize(before, [mesh(corners.astype(np.float32), square(0, 1, 0, 1)[1])], K)
    assert (after == before).all() and after is not before


def test_somebody_around_the_camera_is_drawn_as_far_as_they_show():
    floor = np.float32([[-30, 1, -5], [-30, 1, 50], [30, 1, 50], [30, 1, -5]])
    picture = rasterizer.rasterize(
        np.zeros((H, W, 3), np.uint8), [mesh(floor, np.array([[0, 2, 1], [0, 3, 2]]), (1, 1, 1))], K, FLAT
    )
    assert (picture[30:] == 255).all() and (picture[:24] == 0).all()


def test_opacity_lets_the_picture_through():
    before = np.full((H, W, 3), 100, np.uint8)
    half = rasterizer.rasterize(before, [mesh(*square(10, 30, 10, 30), (1, 1, 1), 0.5)], K, FLAT)
    assert half[20, 20, 0] == pytest.approx(178, abs=1)


def test_nobody_leaves_the_picture_alone():
    before = np.full((H, W, 3), 90, np.uint8)
    assert (rasterizer.rasterize(before, [], K) == before).all()


def test_another_number_of_samples_is_refused():
    with pytest.raises(ValueError, match="choose 1, 4 or 8"):
        rasterizer.rasterize(np.zeros((H, W, 3), np.uint8), [mesh(*square(1, 2, 1, 2))], K, samples=3)


def test_colours_of_the_corners_are_mixed_in_between():
    vertices, faces = square(10, 50, 10, 30)
    colours = np.float32([[0, 0, 0], [0, 0, 0], [1, 1, 1], [1, 1, 1]])
    picture = rasterizer.rasterize(np.zeros((H, W, 3), np.uint8), [rasterizer.Mesh(vertices, faces, colours)], K, FLAT)
    assert (np.diff(picture[20, 11:49, 0].astype(int)) > 0).all()


def test_normals_of_a_ball_point_outwards():
    rng = np.random.default_rng(0)
    from scipy.spatial import ConvexHull

    points = rng.normal(size=(400, 3))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    faces = ConvexHull(points).simplices
    inwards = (
        np.einsum(
            "fi,fi->f", np.cross(*(points[faces[:, k]] - points[faces[:, 0]] for k in (1, 2))), points[faces[:, 0]]
        )
        < 0
    )
    faces[inwards] = faces[inwards][:, ::-1]
    assert (vertex_normals(points, faces) * points).sum(1).min() > 0.97


def test_the_side_towards_the_light_is_brighter():
    light = Light(towards=(-1.0, 0.0, 0.0))
    vertices = np.float32([[-0.5, 0, 2], [0, -0.5, 1.5], [0, 0.5, 1.5], [0.5, 0, 2]])
    faces = np.array([[0, 2, 1], [3, 1, 2]])
    picture = rasterizer.rasterize(np.zeros((H, W, 3), np.uint8), [mesh(vertices, faces)], K, light)
    assert picture[24, 24].sum() > picture[24, 40].sum() > 0
    assert DAYLIGHT.packed().shape == (19,)


def test_where_nothing_can_be_kept_on_disk_functions_still_compile():
    namespace: dict = {}
    exec("def twice(x):\n    return 2 * x", namespace)
    assert jit(namespace["twice"])(21) == 42


def test_four_channels_hold_the_colours_times_their_opacity():
    clear = rasterizer.rasterize(
        np.zeros((H, W, 4), np.uint8), [mesh(*square(10, 30, 10.5, 30), (1, 0.5, 0), 0.6)], K, FLAT
    )
    assert tuple(clear[20, 20]) == (153, 77, 0, 153)
    assert clear[10, 20, 3] == pytest.approx(77, abs=1) and clear[5, 5].max() == 0
    again = rasterizer.rasterize(clear, [mesh(*square(10, 30, 10.5, 30), (0, 0, 1))], K, FLAT)
    assert tuple(again[20, 20]) == (0, 0, 255, 255)


def test_lines_lie_along_the_edges_as_wide_as_asked_for():
    vertices, faces = square(8, 56, 8, 40)
    wired = rasterizer.Mesh(vertices, faces, np.ones((4, 3), np.float32), line_px=2.0)
    picture = rasterizer.rasterize(np.zeros((H, W, 3), np.uint8), [wired], K, FLAT, 8)[..., 0] / 255
    assert picture[8, 30] == pytest.approx(1.0) and picture[9, 20] == pytest.approx(rasterizer.BETWEEN, abs=0.01)
    assert picture[20, 8] == pytest.approx(1.0)
    assert picture[24, 32] > 0.9, "the edge across"
    assert picture[14, 50] == pytest.approx(rasterizer.BETWEEN, abs=0.01)
