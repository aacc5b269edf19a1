"""How a lens bends what a pinhole would show, and the way back: OpenCV's polynomial and its fisheye.

Tracks, boxes and what is drawn over a video are in the picture's own pixels. Network and fit see a pinhole: their
evidence is straightened, and what they find is bent again where it is projected.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe.arrays import Array, as_numpy, concatenate, constant
from vibe.records import UNITS, Background, Camera, Track

ALONG = 64
"""Points along each side of the picture by which it is measured how far a lens sees."""
EXACT = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-10)
"""Where the search for the point that is bent to a given one ends."""
WORST_PX = 0.05
"""Error of the way there and back within the picture beyond which a distortion is refused."""
STRONGEST = 20.0
"""How many times as far from the middle as in the picture a lens may see; a fisheye of 170 degrees sees 8 times."""
NEAR = 0.01
"""Metres; what is closer to the camera is left as it is."""


def distort(points_cam: Float[Array, "*b 3"], camera: Camera) -> Float[Array, "*b 3"]:
    """The points that a pinhole shows where the lens shows these; their depth stays.

    Beyond what the lens sees in the picture it goes on at the scale that it has there, since polynomials fold back.
    """
    if camera.distortion is None:
        return points_cam
    depth = points_cam[..., 2:]
    seen = points_cam[..., :2] / depth.clip(min=NEAR)
    radius = (seen**2).sum(-1)[..., None] ** 0.5
    share = (farthest_seen(camera) / radius.clip(min=1e-9)).clip(max=1.0)
    bent = _bent(seen * share, camera) / share
    front = constant(depth > NEAR, depth)
    bent = points_cam[..., :2] + front * (bent * depth - points_cam[..., :2])
    return concatenate([bent, depth], -1)


def undistort_px(points_px: Float[Array, "*b 2"], camera: Camera) -> Float[Array, "*b 2"]:
    """Where a pinhole shows what the lens shows at these places, which may lie beyond the picture."""
    if camera.distortion is None:
        return points_px
    places = as_numpy(points_px, np.float64)
    inside = np.clip(places, 0.0, [camera.width, camera.height])
    straight = _straightened(inside.reshape(-1, 2), camera).reshape(places.shape)
    return constant(straight + places - inside, points_px)


def undistort_track(track: Track, camera: Camera) -> Track:
    """A track as a pinhole would have seen it: boxes through the middles of their sides, keypoints and landmarks."""
    if camera.distortion is None:
        return track
    centre, half = track.box_px[:, None, :2], track.box_px[:, None, 2:] / 2
    corners = constant([[-1, 0], [1, 0], [0, -1], [0, 1]], half)
    left, right, top, bottom = undistort_px(centre + half * corners, camera).unbind(1)
    x = [(left + right)[:, :1] / 2, (right - left)[:, :1]]
    y = [(top + bottom)[:, 1:] / 2, (bottom - top)[:, 1:]]
    landmarks = track.landmarks
    if landmarks is not None:
        landmarks = concatenate([undistort_px(landmarks[..., :2], camera), landmarks[..., 2:]], -1)
    keypoints_px = concatenate([undistort_px(track.keypoints_px[..., :2], camera), track.keypoints_px[..., 2:]], -1)
    return replace(
        track, box_px=concatenate([x[0], y[0], x[1], y[1]], -1), keypoints_px=keypoints_px, landmarks=landmarks
    )


def undistort_background(background: Background, camera: Camera) -> Background:
    """What was followed behind the people, as a pinhole would have seen it; `camera` holds NumPy's arrays."""
    if camera.distortion is None:
        return background
    middle, unit_px = np.array([camera.width, camera.height]) / 2, max(camera.width, camera.height) / UNITS
    straight = undistort_px(background.pairs.reshape(-1, 2, 2) * unit_px + middle, camera) - middle
    return replace(background, pairs=np.round(straight / unit_px).astype(np.int32).reshape(-1, 4))


def is_invertible(camera: Camera) -> bool:
    """Whether every place in the picture is seen from one direction alone, not far from the one that a pinhole shows.

    The way back and there again is right to 0.05 px, and the picture's border as far out, give or take `STRONGEST`.
    """
    grid = np.stack(np.meshgrid(np.linspace(0, camera.width, ALONG), np.linspace(0, camera.height, ALONG)), -1)
    K_px = as_numpy(camera.K_px, np.float64)
    with np.errstate(all="ignore"):
        straight = _straightened(grid.reshape(-1, 2), camera)
        again = _bent((straight - K_px[:2, 2]) / K_px[[0, 1], [0, 1]], camera) * K_px[[0, 1], [0, 1]] + K_px[:2, 2]
        sides = (
            farthest_seen(camera),
            float(np.linalg.norm((_border(camera) - K_px[:2, 2]) / K_px[[0, 1], [0, 1]], axis=-1).max()),
        )
        exact = bool((np.abs(again - grid.reshape(-1, 2)).max(-1) < WORST_PX).all())
        return exact and sides[1] / STRONGEST < sides[0] < sides[1] * STRONGEST


def farthest_seen(camera: Camera) -> float:
    """The largest radius, at unit distance, of what the lens shows in the picture."""
    K_px = as_numpy(camera.K_px, np.float64)
    straight = (_straightened(_border(camera), camera) - K_px[:2, 2]) / K_px[[0, 1], [0, 1]]
    return float(np.linalg.norm(straight, axis=-1).max())


def _border(camera: Camera) -> Float[ndarray, "point 2"]:
    """Places along the four sides of the picture, pixels."""
    along = np.linspace(0.0, 1.0, ALONG)
    sides = [(along, 0 * along), (along, 0 * along + 1), (0 * along, along), (0 * along + 1, along)]
    return np.concatenate([np.stack(side, -1) for side in sides]) * [camera.width, camera.height]


def _bent(seen: Float[Array, "*b 2"], camera: Camera) -> Float[Array, "*b 2"]:
    """Points at unit distance as the lens bends them, by the formulas in OpenCV's manual."""
    k = [float(each) for each in camera.distortion] if camera.distortion is not None else []
    x, y = seen[..., :1], seen[..., 1:]
    square = x**2 + y**2
    if camera.fisheye:
        radius = (square + 1e-18) ** 0.5
        angle = np.arctan(radius) if isinstance(radius, ndarray) else radius.arctan()
        power = angle**2
        bent = angle * (1 + power * (k[0] + power * (k[1] + power * (k[2] + power * k[3]))))
        return seen * (bent / radius)
    k1, k2, p1, p2, k3, k4, k5, k6 = k + [0.0] * (8 - len(k))
    radial = (1 + square * (k1 + square * (k2 + square * k3))) / (1 + square * (k4 + square * (k5 + square * k6)))
    shift_x = 2 * p1 * x * y + p2 * (square + 2 * x**2)
    shift_y = p1 * (square + 2 * y**2) + 2 * p2 * x * y
    return concatenate([x * radial + shift_x, y * radial + shift_y], -1)


def _straightened(points_px: Float[ndarray, "point 2"], camera: Camera) -> Float[ndarray, "point 2"]:
    """Places in the picture as a pinhole of the same matrix shows them."""
    K_px, k = as_numpy(camera.K_px, np.float64), as_numpy(camera.distortion, np.float64)
    if not len(points_px):
        return points_px
    if camera.fisheye:
        return cv2.fisheye.undistortPoints(points_px[:, None], K_px, k, P=K_px, criteria=EXACT)[:, 0]
    k = np.pad(k, (0, 8 - len(k)))  # OpenCV takes some numbers of coefficients only
    return cv2.undistortPoints(points_px[:, None], K_px, k, P=K_px, criteria=EXACT)[:, 0]
