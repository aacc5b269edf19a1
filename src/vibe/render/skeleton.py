"""Things of simple shape that are drawn as triangles: bones and joints in space, limbs and points on the picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.render.rasterizer import NEAR, Mesh
from vibe.skeletons import COCO, SMPL, SMPL_PARENTS

Colour = Float[ndarray, "3"]
JOINT_RADIUS, BONE_RADIUS = 0.030, 0.017
"""Metres."""
LEAST_PX = 2.0
"""Radius of a joint that is far away; its bones shrink no further than in proportion."""
SIDES, RINGS = 12, 7
"""Of bones; of the balls at joints, poles included."""
SHADE = 0.55
"""Brightness of the right side of the body, the left being 1: tells which way somebody is turned."""
LIMBS = [
    *(("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("nose", "left_eye"), ("nose", "right_eye")),
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in zip(
        ("eye", "shoulder", "elbow", "shoulder", "hip", "knee"), ("ear", "elbow", "wrist", "hip", "knee", "ankle")
    )),
]  # fmt: skip
"""Between which of COCO's keypoints a line is drawn."""
SURE, UNSURE = 0.3, 0.05
"""Confidence from which on a keypoint is drawn in full, and faintly."""
FAINT = 0.3
OUTLINE = np.array([0.08, 0.08, 0.10], np.float32)


def skeleton_triangles(joints: Float[ndarray, "24 3"], colour: Colour, focal_px: float, opacity: float = 1.0) -> Mesh:
    """SMPL's joints as balls and the bones between them, in the camera's frame; left light, right dark."""
    far = joints[:, 2].clip(NEAR)
    radius = np.maximum(JOINT_RADIUS, LEAST_PX * far / focal_px)
    ball, ball_faces = _ball()
    tints = np.stack([colour * (SHADE if name.startswith("right") else 1.0) for name in SMPL])
    balls = joints[:, None] + radius[:, None, None] * ball
    child, parent = np.arange(1, 24), np.array(SMPL_PARENTS[1:])
    thin = BONE_RADIUS / JOINT_RADIUS
    tubes = np.stack(
        [
            _tube(joints[a], joints[b], thin * float(radius[a]), thin * float(radius[b]))
            for a, b in zip(parent, child, strict=True)
        ]
    )
    white = 1 - 0.45 * (1 - tints)
    return _joined(
        [(points, ball_faces, tint) for points, tint in zip(balls, white, strict=True)]
        + [(points, _tube_faces(), tint) for points, tint in zip(tubes, tints[1:], strict=True)],
        opacity,
    )


def evidence_triangles(
    keypoints_px: Float[ndarray, "17 3"], colour: Colour, width_px: float
) -> tuple[list[Mesh], list[Mesh]]:
    """COCO's keypoints and the limbs between them as flat shapes in homogeneous pixels: those hardly seen, the others.

    They are drawn with the identity for a camera; `width_px` is the width of a limb. The first are faint; what was not
    found is left out.
    """
    groups: list[list[Mesh]] = []
    for low, high, opacity in ((UNSURE, SURE, FAINT), (SURE, np.inf, 1.0)):
        parts: list[tuple[ndarray, ndarray, ndarray]] = []
        for one, two in LIMBS:
            a, b = keypoints_px[COCO.index(one)], keypoints_px[COCO.index(two)]
            if low <= min(a[2], b[2]) < high:
                shade = SHADE if "right" in one and "right" in two else 1.0
                parts += _ribbon(a[:2], b[:2], width_px, colour * shade)
        for name, (x, y, confidence) in zip(COCO, keypoints_px, strict=True):
            if low <= confidence < high:
                shade = SHADE if name.startswith("right") else 1.0
                parts += _dot(np.array([x, y]), width_px, 1 - 0.35 * (1 - colour * shade))
        groups.append([_joined(parts, opacity)] if parts else [])
    return groups[0], groups[1]


def _ribbon(a: ndarray, b: ndarray, width: float, colour: Colour) -> list[tuple[ndarray, ndarray, ndarray]]:
    """A line from a to b with a dark line behind it; deeper than the dots."""
    along = b - a
    across = np.array([-along[1], along[0]]) / max(1e-6, float(np.hypot(*along)))
    faces = np.array([[0, 2, 1], [0, 3, 2]])
    parts = []
    for half, depth, tint in ((width / 2, 1.02, colour), (width / 2 + max(0.75, width / 5), 1.03, OUTLINE)):
        corners = np.stack([a - half * across, b - half * across, b + half * across, a + half * across])
        parts.append((_flat(corners, depth), faces, tint))
    return parts


def _dot(centre: ndarray, width: float, colour: Colour) -> list[tuple[ndarray, ndarray, ndarray]]:
    """A disc with a dark ring."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    rim = np.stack([np.cos(angle), np.sin(angle)], 1)
    faces = np.stack([np.zeros(22, int), np.arange(2, 24), np.arange(1, 23)], 1)
    radius = 0.85 * width
    return [
        (_flat(centre + radius * rim, 1.0), faces, colour),
        (_flat(centre + (radius + max(0.75, width / 5)) * rim, 1.01), faces, OUTLINE),
    ]


def _flat(points: Float[ndarray, "point 2"], depth: float) -> Float[ndarray, "point 3"]:
    """Points of the picture at a depth, seen by the identity for a camera."""
    return np.pad(points, ((0, 0), (0, 1)), constant_values=1.0) * depth


def _joined(parts: Sequence[tuple[ndarray, ndarray, ndarray]], opacity: float) -> Mesh:
    """Vertices, faces and colour of many parts as one mesh."""
    offsets = np.cumsum([0] + [len(points) for points, _, _ in parts])
    return Mesh(
        np.concatenate([points for points, _, _ in parts]).astype(np.float32),
        np.concatenate([faces + start for (_, faces, _), start in zip(parts, offsets)]).astype(np.int32),
        np.concatenate([np.broadcast_to(tint, points.shape) for points, _, tint in parts]).astype(np.float32),
        opacity=opacity,
    )


def _tube(a: ndarray, b: ndarray, radius_a: float, radius_b: float) -> Float[ndarray, "point 3"]:
    """Two rings around the ends of a bone."""
    along = (b - a) / max(1e-9, float(np.linalg.norm(b - a)))
    across = np.cross(along, np.eye(3)[np.abs(along).argmin()])
    across /= max(1e-9, float(np.linalg.norm(across)))
    angle = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)[:, None]
    ring = np.cos(angle) * across + np.sin(angle) * np.cross(along, across)
    return np.concatenate([a + radius_a * ring, b + radius_b * ring])


@lru_cache
def _tube_faces() -> Int[ndarray, "face 3"]:
    one = np.arange(SIDES)
    two = (one + 1) % SIDES
    return np.concatenate([np.stack([one, two, two + SIDES], 1), np.stack([one, two + SIDES, one + SIDES], 1)])


@lru_cache
def _ball() -> tuple[Float[ndarray, "point 3"], Int[ndarray, "face 3"]]:
    """A ball of radius 1: rings from pole to pole, triangles counter-clockwise seen from outside."""
    height = np.linspace(0, np.pi, RINGS + 2)[1:-1, None]
    angle = np.linspace(0, 2 * np.pi, SIDES, endpoint=False)[None]
    rings = np.stack(
        np.broadcast_arrays(np.sin(height) * np.cos(angle), np.sin(height) * np.sin(angle), np.cos(height)), -1
    )
    points = np.concatenate([[[0, 0, 1.0]], rings.reshape(-1, 3), [[0, 0, -1.0]]])
    one = np.arange(SIDES)
    two = (one + 1) % SIDES
    faces = [np.stack([0 * one, one + 1, two + 1], 1)]
    for ring in range(RINGS - 1):
        a, b = 1 + ring * SIDES + one, 1 + ring * SIDES + two
        faces += [np.stack([a, a + SIDES, b + SIDES], 1), np.stack([a, b + SIDES, b], 1)]
    last = len(points) - 1
    faces.append(np.stack([0 * one + last, last - SIDES + two, last - SIDES + one], 1))
    return points, np.concatenate(faces)
