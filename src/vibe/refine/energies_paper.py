"""The published energies of Temporal SMPLify, in pixels of a crop of 224 and with its camera's focal length of 5000.

They are the same numbers as in the paper's code where they are given its crop and camera; a track of a video is scaled
so that a person fills a crop as there. Sources: the paper, sections 3.3 and 6.1; Bogo et al. 2016 for the priors.
"""

from __future__ import annotations

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras, skeletons
from vibe.refine.energies import Energy, FitEvidence, FitPose
from vibe.refine.mixture import Mixture, axis_angle, load_mixture, mixture_energy

CROP_PX = 224.0
"""Side of the square crop that the energies' pixels are of."""
FOCAL_PX = 5000.0
"""Focal length of the crop's camera, which gives its metres of depth their meaning."""
ROBUST_PX = 100.0
HINGES = skeletons.index(skeletons.SMPL, ["left_elbow", "right_elbow", "left_knee", "right_knee"])
AXES = (1, 1, 0, 0)
"""About which axis each hinge bends."""
OUTWARD = (1.0, -1.0, -1.0, -1.0)
"""The sign of its angle when bent the wrong way."""


def geman_mcclure(x: Float[Tensor, "*b"], scale: float = ROBUST_PX) -> Float[Tensor, "*b"]:
    """The square of `x` where it is small, the square of `scale` where it is large."""
    return scale**2 * x.square() / (scale**2 + x.square())


def missed(
    points_px: Float[Tensor, "*b point 2"], keypoints_px: Float[Tensor, "*b point 3"]
) -> Float[Tensor, "*b point"]:
    """Robust squared distances along x and y, summed, times the squared confidence; crop pixels squared."""
    off = geman_mcclure(points_px - keypoints_px[..., :2]).sum(-1)
    return keypoints_px[..., 2].square() * off


def bent_backwards(rotmat: Float[Tensor, "*b 24 3 3"]) -> Float[Tensor, "*b 4"]:
    """exp(2 angle) of elbows and knees, left and right: large for one that is bent the wrong way."""
    hinges = roma.rotmat_to_rotvec(rotmat[..., HINGES, :, :])
    angle = torch.stack([hinges[..., hinge, axis] for hinge, axis in enumerate(AXES)], -1)
    return (2 * angle * angle.new_tensor(OUTWARD)).exp()


def zoom(seen: FitEvidence) -> Float[Tensor, "time"]:
    """Crop pixels to a pixel of the picture, for a crop around the person as the network's (`cameras.CROP_SCALE`)."""
    return CROP_PX / (cameras.CROP_SCALE * seen.size_px)


def crop_reprojection(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """What the points miss their keypoints by, in the crop."""
    points_px, keypoints_px = in_crop(pose, seen)
    return missed(points_px, keypoints_px).sum()


def torso(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """Squared distance of hips and shoulders to their keypoints, in frames where all four are seen."""
    points_px, keypoints_px = (each[:, seen.torso] for each in in_crop(pose, seen))
    whole = (keypoints_px[..., 2] > 0).all(-1)
    return ((points_px - keypoints_px[..., :2]).square().sum((-1, -2)) * whole).sum()


def depth_energy(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """Squared change of the pelvis's depth since the start, in metres of the crop's camera."""
    metres = FOCAL_PX / (seen.K_px[0, 0] * zoom(seen))
    return (metres * (pose.smpl.pelvis[:, 2] - seen.depth)).square().sum()


def mixture_prior(parts: Mixture) -> Energy:
    """The energy of a mixture of Gaussians over the body's pose."""

    def prior(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
        return mixture_energy(axis_angle(pose.smpl.rotmat), parts).sum()

    return prior


def pose_prior(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """That of the mixture that is shipped."""
    return mixture_prior(load_mixture())(pose, seen)


def angle_prior(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """`bent_backwards`, summed."""
    return bent_backwards(pose.smpl.rotmat).sum()


def smooth_picture(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """How far the points move in the crop from frame to frame, along x and y, by the squared later confidence."""
    points_px, keypoints_px = in_crop(pose, seen)
    return _travel(points_px, keypoints_px[..., 2])


def smooth_space(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """How far the points move about the pelvis from frame to frame, likewise; metres."""
    return _travel(pose.keypoints, seen.keypoints_px[..., 2])


def _travel(points: Float[Tensor, "time point d"], confidence: Float[Tensor, "time point"]) -> Float[Tensor, ""]:
    return (confidence[1:].square() * points.diff(dim=0).abs().sum(-1)).sum()


def in_crop(pose: FitPose, seen: FitEvidence) -> tuple[Float[Tensor, "time point 2"], Float[Tensor, "time point 3"]]:
    """Points and keypoints in crop pixels, from the picture's corner on."""
    scale = zoom(seen)[:, None, None]
    points_px = cameras.project(pose.keypoints + pose.smpl.pelvis[:, None], seen.K_px) * scale
    return points_px, torch.cat([seen.keypoints_px[..., :2] * scale, seen.keypoints_px[..., 2:]], -1)
