"""Laws of bones, joints and the 2D evidence as triangles."""

import numpy as np
import pytest

from vibe.render import rasterizer
from vibe.render.compositor import FLAT
from vibe.render.skeleton import _ball, _tube, _tube_faces, evidence_triangles, skeleton_triangles
from vibe.skeletons import COCO, SMPL

BLUE = np.array([0.2, 0.4, 0.9], np.float32)
K = np.array([[100.0, 0, 50], [0, 100.0, 50], [0, 0, 1]])


def volume(points, faces):
    a, b, c = (points[faces[:, corner]] for corner in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def test_a_ball_is_closed_and_looks_outwards():
    points, faces = _ball()
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert volume(points, faces) == pytest.approx(4 / 3 * np.pi, rel=0.1)


@pytest.mark.parametrize("end", [(0, 0, 1), (0, 0, -1), (1, 2, 3), (-1, 0, 0)])
def test_a_bone_looks_outwards_whichever_way_it_points(end):
    points = _tube(np.zeros(3), np.array(end, float), 0.1, 0.1)
    a, b, c = (points[_tube_faces()[:, corner]] for corner in range(3))
    middle = (a + b + c) / 3
    along = np.array(end) / np.linalg.norm(end)
    outwards = middle - (middle @ along)[:, None] * along
    assert (np.einsum("fi,fi->f", np.cross(b - a, c - a), outwards) > 0).all()


def test_joints_are_drawn_where_the_camera_projects_them_and_the_right_side_is_darker():
    joints = np.stack([np.linspace(-0.9, 0.9, 24), np.tile([-0.3, 0.3], 12), np.full(24, 2.0)], 1)
    picture = rasterizer.rasterize(
        np.zeros((100, 100, 3), np.uint8), [skeleton_triangles(joints, BLUE, 100.0)], K, FLAT
    )
    pixels = (joints @ K.T)[:, :2] / 2.0
    seen = {name: picture[int(y), int(x)].astype(int).sum() for name, (x, y) in zip(SMPL, pixels, strict=True)}
    assert min(seen.values()) > 100
    assert all(seen[name] < seen[name.replace("right", "left")] - 50 for name in SMPL if name.startswith("right"))


def test_somebody_far_away_still_shows():
    joints = np.tile([0.0, 0.0, 300.0], (24, 1))
    assert rasterizer.rasterize(np.zeros((100, 100, 3), np.uint8), [skeleton_triangles(joints, BLUE, 100.0)], K).any()


def test_evidence_is_drawn_at_its_pixels_by_its_confidence():
    points = np.stack([np.linspace(10, 90, 17), np.tile([30.5, 70.5], 9)[:17], np.ones(17)], 1)
    points[COCO.index("left_ankle"), 2], points[COCO.index("right_ankle"), 2] = 0.1, 0.0
    low, high = evidence_triangles(points, BLUE, 4.0)
    picture = np.zeros((100, 100, 3), np.uint8)
    for meshes in (low, high):
        picture = rasterizer.rasterize(picture, meshes, np.eye(3), FLAT)
    seen = {name: picture[int(y), int(x)].astype(int).sum() for name, (x, y, _) in zip(COCO, points, strict=True)}
    assert seen["right_ankle"] == 0 < seen["left_ankle"] < 0.5 * seen["left_knee"]
    assert min(seen[name] for name in COCO if not name.endswith("ankle")) > 200


def test_where_nothing_was_found_nothing_is_drawn():
    assert evidence_triangles(np.zeros((17, 3)), BLUE, 4.0) == ([], [])
