"""Pinhole and weak-perspective cameras, the square crop of a person and the way between them."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float

from vibe.arrays import Array, concatenate, constant
from vibe.records import Camera

CROP_SCALE = 1.1
"""Side of the square crop over the longer side of the box, as in the published demo."""
BOX_MARGIN = 1.2
"""Side of a person's box over that of their visible keypoints, which lack crown and toes."""
CROP_PX, CROP_FOCAL_PX = 224.0, 5000.0
"""Side of the published crop, and focal length of its camera, which gives its metres of depth their meaning."""
LENS_SOURCES = {
    "calibration": "a calibration file",
    "fov": "the angle of view that was asked for",
    "file": "the focal length in the video's file",
    "pan": "the turning camera",
    "travel": "the travelling camera",
    "default": "an angle of view of 53.1 degrees across the picture's diagonal",
}
"""Where a focal length can be from, the surest first."""


def default_camera(width: int, height: int, fov_deg: float | None = None) -> Camera:
    """The camera assumed for a picture: principal point in the middle, focal length as long as the diagonal.

    `fov_deg` is the angle of view across the diagonal; the default, 53.1, lies between a phone and a broadcast lens.
    Raises ValueError outside 5 to 150 degrees.
    """
    diagonal = math.hypot(width, height)
    if fov_deg is not None and not 5 <= fov_deg <= 150:
        raise ValueError(f"the angle of view is {fov_deg} degrees: give one from 5 to 150")
    focal_px = diagonal if fov_deg is None else diagonal / (2 * math.tan(math.radians(fov_deg) / 2))
    import torch

    K_px = torch.tensor([[focal_px, 0.0, width / 2], [0.0, focal_px, height / 2], [0.0, 0.0, 1.0]])
    return Camera(K_px, width, height, source="default" if fov_deg is None else "fov")


def angle_of_view(camera: Camera) -> float:
    """Degrees across the diagonal of the picture, as a pinhole sees it: what `default_camera` takes."""
    return fov_from_focal(float(camera.K_px[0, 0]), math.hypot(camera.width, camera.height))


def fov_from_focal(focal_px: float, diagonal_px: float) -> float:
    """Degrees across a diagonal, as a pinhole with this focal length sees it."""
    return math.degrees(2 * math.atan(diagonal_px / (2 * focal_px)))


def project(points_cam: Float[Array, "*b 3"], K_px: Float[Array, "3 3"]) -> Float[Array, "*b 2"]:
    """Pinhole projection; points closer than 1 cm are held at 1 cm."""
    image = points_cam @ K_px.mT
    return image[..., :2] / image[..., 2:].clip(min=0.01)


def rays(points_px: Float[Array, "*b 2"], K_px: Float[Array, "3 3"]) -> Float[Array, "*b 3"]:
    """Camera directions through pixels, at z = 1."""
    one = constant(np.ones((*points_px.shape[:-1], 1)), points_px)
    inverse = np.linalg.inv(K_px) if isinstance(K_px, np.ndarray) else K_px.inverse()
    return concatenate([points_px, one], -1) @ inverse.mT


def box_from_keypoints(keypoints_px: Float[Array, "*b joint 3"], least: float = 0.3) -> Float[Array, "*b 4"]:
    """Centre x, centre y, width, height around the keypoints of confidence `least` or more; NaN if fewer than two."""
    import torch

    seen = keypoints_px[..., 2:] >= least
    low = keypoints_px[..., :2].masked_fill(~seen, math.inf).amin(-2)
    high = keypoints_px[..., :2].masked_fill(~seen, -math.inf).amax(-2)
    box = torch.cat([(low + high) / 2, (high - low) * BOX_MARGIN], -1)
    return box.masked_fill(seen.sum(-2) < 2, math.nan)


def crop_side(box_px: Float[Array, "*b 4"]) -> Float[Array, "*b"]:
    """Side in pixels of the square crop around a box."""
    sides = box_px[..., 2:]
    return CROP_SCALE * (sides.max(-1) if isinstance(sides, np.ndarray) else sides.amax(-1))


def crop_view(
    box_px: Float[Array, "*b 4"], K_px: Float[Array, "3 3"]
) -> tuple[Float[Array, "*b 3 3"], Float[Array, "*b 3"], Float[Array, "*b"]]:
    """The view that looks at the middle of the crop without rolling: R_crop_cam, the centre's ray and the half side.

    The half side is that of the crop at unit distance in this view. Seen so, a person looks the same wherever in
    the picture they stand.
    """
    import roma
    import torch

    centre = rays(box_px[..., :2], K_px)
    length = centre.norm(dim=-1)
    direction = centre / length[..., None]
    axis = torch.stack([direction[..., 1], -direction[..., 0], torch.zeros_like(length)], -1)
    sine = axis.norm(dim=-1, keepdim=True)
    angle = torch.atan2(sine, direction[..., 2:])
    R_crop_cam = roma.rotvec_to_rotmat(axis / sine.clamp_min(1e-9) * angle)
    return R_crop_cam, centre, crop_side(box_px) / (2 * K_px[0, 0] * length)


def depth_from_scale(scale: Float[Array, "*b"], half_side: Float[Array, "*b"]) -> Float[Array, "*b"]:
    """Distance in metres at which the weak camera's scale holds, for a crop of this half side at unit distance."""
    return 1 / (scale * half_side).clip(min=1e-4)


def weak_from_translation(
    transl: Float[Array, "*b 3"], box_px: Float[Array, "*b 4"], K_px: Float[Array, "3 3"]
) -> Float[Array, "*b 3"]:
    """`pred_cam` (s, tx, ty) of the box's square crop for a body moved by `transl` in the camera's frame.

    The paper's weak camera (section 3), in the form that the published code gives it: a focal length over half a
    crop side, and the crop's centre as principal point.
    """
    centre = rays(box_px[..., :2], K_px)
    scale = 2 * K_px[0, 0] / (crop_side(box_px) * transl[..., 2].clip(min=0.01))
    return concatenate([scale[..., None], (transl - centre * transl[..., 2:])[..., :2]], -1)


def translation_from_weak(
    pred_cam: Float[Array, "*b 3"], box_px: Float[Array, "*b 4"], K_px: Float[Array, "3 3"]
) -> Float[Array, "*b 3"]:
    """The inverse of `weak_from_translation`."""
    depth = depth_from_scale(pred_cam[..., 0], crop_side(box_px) / (2 * K_px[0, 0]))
    shift = concatenate([pred_cam[..., 1:], constant(np.zeros((*pred_cam.shape[:-1], 1)), pred_cam)], -1)
    return rays(box_px[..., :2], K_px) * depth[..., None] + shift


def project_in_crop(points: Float[Array, "*b point 3"], pred_cam: Float[Array, "*b 3"]) -> Float[Array, "*b point 2"]:
    """Body points, metres, seen in the crop: -1 to 1 from side to side, y down.

    The published code's form of the weak camera (paper, section 3): a pinhole of a long focal length, at the distance
    where a metre covers `s` half crops.
    """
    distance = 2 * CROP_FOCAL_PX / (CROP_PX * pred_cam[..., :1] + 1e-9)
    placed = points + concatenate([pred_cam[..., 1:], distance], -1)[..., None, :]
    return placed[..., :2] / placed[..., 2:] * (2 * CROP_FOCAL_PX / CROP_PX)


def picture_camera(
    pred_cam: Float[Array, "*b 3"],
    centre_px: Float[Array, "*b 2"],
    side_px: Float[Array, "*b"],
    size_px: tuple[int, int],
) -> Float[Array, "*b 4"]:
    """The crop's weak camera for the whole picture (width, height): sx, sy, tx, ty.

    A body point X lies at s * (X + t) in half pictures from the middle, along each axis.
    """
    size = constant(size_px, pred_cam)
    scale = pred_cam[..., :1] * side_px[..., None] / size
    shift = (centre_px - size / 2) / (size / 2) / scale + pred_cam[..., 1:]
    return concatenate([scale, shift], -1)


def crop_to_picture(
    points: Float[Array, "*b point 2"], centre_px: Float[Array, "*b 2"], side_px: Float[Array, "*b"]
) -> Float[Array, "*b point 2"]:
    """From -1 to 1 across the crop to pixels of the picture."""
    return centre_px[..., None, :] + points * side_px[..., None, None] / 2
