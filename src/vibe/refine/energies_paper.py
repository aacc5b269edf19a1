"""The published energies of Temporal SMPLify, in pixels of a crop of 224 and with its camera's focal length of 5000.

They are the same numbers as in the paper's code where they are given its crop and camera; a track of a video is scaled
so that a person fills a crop as there. Sources: the paper, sections 3.3 and 6.1; Bogo et al. 2016 for the priors, of
which that of poses is a mixture of Gaussians over the 69 numbers of a body pose.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras, skeletons
from vibe.assets.archives import read_npz
from vibe.refine.energies import Energy, FitEvidence, FitPose
from vibe.skeletons import SMPL_BODY_POSE

OPEN = Path(__file__).parent / "open_mixture.npz"
"""Fitted by `tools/pose_mixture.py` to free motion capture."""


@dataclass(frozen=True)
class Mixture:
    """Gaussians over the axis-angles of joints 1 to 23, in the form that their energy needs."""

    means: Float[Tensor, "part 69"]
    """Radians."""
    roots: Float[Tensor, "part 69 69"]
    """R with R.T @ R the inverse of the covariance."""
    costs: Float[Tensor, "part"]
    """Minus the logarithm of each weight, normalised as in `mixture_model`."""

    def to(self, like: Tensor) -> Mixture:
        """The same with the device and dtype of another tensor."""
        return Mixture(self.means.to(like), self.roots.to(like), self.costs.to(like))


def mixture_model(
    means: Float[Tensor, "part 69"], covars: Float[Tensor, "part 69 69"], weights: Float[Tensor, "part"]
) -> Mixture:
    """Built from what a mixture's file holds; raises ValueError if a covariance or a weight is not positive.

    As published, a weight is divided by the root of its covariance's determinant over the smallest such root, and by
    (2 pi)^(69/2): the energies of the parts then differ as their densities do.
    """
    roots, failed = torch.linalg.cholesky_ex(covars.double())
    if bool((failed != 0).any()) or not bool((weights > 0).all()):
        raise ValueError(f"{int((failed != 0).sum())} covariances and {int((weights <= 0).sum())} weights of the "
                         "mixture are not positive: it is no mixture of Gaussians")  # fmt: skip
    size = roots.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    costs = size - size.min() + SMPL_BODY_POSE / 2 * math.log(2 * math.pi) - weights.double().log()
    identity = torch.eye(SMPL_BODY_POSE, dtype=roots.dtype, device=roots.device).expand_as(roots)
    inverse = torch.linalg.solve_triangular(roots, identity, upper=False)
    return Mixture(means.double().float(), inverse.float(), costs.float())


def mixture_energy(body_pose: Float[Tensor, "*b 69"], parts: Mixture) -> Float[Tensor, "*b"]:
    """Half the squared Mahalanobis distance minus the logarithm of the weight, of the part where it is least."""
    parts = parts.to(body_pose)
    away = body_pose[..., None, :] - parts.means
    distance = torch.einsum("...ki,kji->...kj", away, parts.roots).square().sum(-1)
    return (distance / 2 + parts.costs).amin(-1)


def axis_angle(rotmat: Float[Tensor, "*b 24 3 3"]) -> Float[Tensor, "*b 69"]:
    """The body pose of all rotations, radians, each at most pi; its gradient is finite everywhere."""
    return roma.rotmat_to_rotvec(rotmat[..., 1:, :, :]).flatten(-2)


@functools.cache
def load_mixture(path: Path = OPEN) -> Mixture:
    """A mixture's file, by default the one that is shipped: `means`, `covars`, `weights` in an .npz.

    Raises FileNotFoundError, and ValueError that names what the file lacks.
    """
    try:
        arrays = read_npz(path)
    except ValueError as error:
        raise ValueError(f"{path} is no pose mixture ({error}): give the .npz that `vibe assets add` wrote") from error
    tensors = []
    for key, shape in (("means", (SMPL_BODY_POSE,)), ("covars", (SMPL_BODY_POSE, SMPL_BODY_POSE)), ("weights", ())):
        found = arrays.get(key)
        if found is None or found.ndim == 0 or found.shape[1:] != shape or not np.isfinite(found).all():
            seen = "absent" if found is None else f"of shape {found.shape}"
            raise ValueError(f"{path}: `{key}` is {seen}: a pose mixture holds one of {('K', *shape)}, all finite")
        tensors.append(torch.from_numpy(found.astype(np.float64)))
    if len({len(tensor) for tensor in tensors}) != 1:
        raise ValueError(f"{path}: means, covars and weights are of {[len(tensor) for tensor in tensors]} parts")
    return mixture_model(*tensors)


ROBUST_PX = 100.0
HINGES = skeletons.index(skeletons.SMPL, ["left_elbow", "right_elbow", "left_knee", "right_knee"])
AXES = (1, 1, 0, 0)
"""About which axis each hinge bends."""
OUTWARD = (1.0, -1.0, -1.0, -1.0)
"""The sign of its angle when bent the wrong way."""


def geman_mcclure(x: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
    """The square of `x` where it is small, the square of `ROBUST_PX` where it is large."""
    return ROBUST_PX**2 * x.square() / (ROBUST_PX**2 + x.square())


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
    return cameras.CROP_PX / (cameras.CROP_SCALE * seen.size_px)


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
    metres = cameras.CROP_FOCAL_PX / (seen.K_px[0, 0] * zoom(seen))
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
