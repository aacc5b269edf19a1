"""The energies of the open fit over time: what the picture says, and what is known about bodies and motion.

An energy takes a pose and the evidence and returns a number, summed over frames. All are free of the picture's
resolution: a length in the picture counts in metres at the person's depth, over the height of a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vibe import cameras, skeletons
from vibe.records import SmplParams

HEIGHT = 1.7
"""Metres taken for a person where a scale is needed that does not change with the pose."""
ROBUST = 0.05
"""Error in heights of a person at which a keypoint of confidence 1 starts to count as wrong."""
PLACED = 16.0
"""How much more a small error of a keypoint counts that somebody put where it is."""
BRISK = 10.0
"""Metres per second squared from which an acceleration is likelier meant than made up."""
ROBUST_SINE = 0.35
"""Error of a bone's direction at which the pose model's landmarks in space start to count as wrong."""
TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
DOUBT = {
    "pelvis": 0.50, "hip": 0.35, "knee": 0.35, "ankle": 0.35, "foot": 0.05, "spine": 0.15, "neck": 0.10,
    "head": 0.10, "collar": 0.15, "shoulder": 0.40, "elbow": 0.40, "wrist": 0.40, "hand": 0.05,
}  # fmt: skip
"""Expected error of the network's rotations, radians."""


@dataclass(frozen=True)
class FitEvidence:
    """What the fit is told and does not change."""

    keypoints_px: Float[Tensor, "time point 3"]
    """x, y, confidence of each of the body's points."""
    K_px: Float[Tensor, "3 3"]
    size_px: Float[Tensor, "time"]
    """How tall a person appears at the depth of the start."""
    times: Float[Tensor, "time"]
    """Seconds."""
    depth: Float[Tensor, "time"]
    """Of the pelvis at the start, metres."""
    torso: tuple[int, ...] = tuple(skeletons.index(skeletons.COCO, TORSO))
    """Which of the points are the hips and the shoulders."""
    bones: Float[Tensor, "time bone 2"] | None = None
    """Sine by which each of `BONES`, left and right, points away from the camera for the pose model, and how sure."""
    R_steady_cam: Float[Tensor, "time 3 3"] | None = None
    """Of a camera held by hand: to axes that do not tremble with it, in which accelerations are people's own."""

    others: tuple[OtherView, ...] = ()
    """What other cameras saw at the same moments."""

    def steadied(self, points_cam: Float[Tensor, "time *point 3"]) -> Float[Tensor, "time *point 3"]:
        """Points in those axes."""
        if self.R_steady_cam is None:
            return points_cam
        return torch.einsum("tij,t...j->t...i", self.R_steady_cam, points_cam)


@dataclass(frozen=True)
class OtherView:
    """A camera that stands elsewhere: `x_view = R_view_cam @ x_cam + t_view_cam`."""

    seen: FitEvidence
    R_view_cam: Float[Tensor, "3 3"]
    t_view_cam: Float[Tensor, "3"]


@dataclass(frozen=True)
class FitPose:
    """A body in motion, at one moment of the fit."""

    offset: Float[Tensor, "time 24 3"]
    """Rotation vectors that turn the network's rotations into these, in the frame of each joint."""
    smpl: SmplParams
    """Betas [10]: one shape throughout."""
    joints: Float[Tensor, "time 24 3"]
    """About the pelvis, in the camera's axes, metres."""
    keypoints: Float[Tensor, "time point 3"]
    """What the evidence is about, likewise."""


Energy = Callable[[FitPose, FitEvidence], Tensor]


def from_all_views(pose: FitPose, seen: FitEvidence) -> Iterator[tuple[FitPose, FitEvidence]]:
    """The pose in the frame of each camera that sees it, with what that one saw."""
    yield pose, seen
    for view in seen.others:
        R = view.R_view_cam.mT
        smpl = replace(pose.smpl, pelvis=pose.smpl.pelvis @ R + view.t_view_cam)
        yield FitPose(pose.offset, smpl, pose.joints @ R, pose.keypoints @ R), view.seen


BONES = {
    ("shoulder", "elbow"): -0.106, ("elbow", "wrist"): -0.139, ("hip", "knee"): -0.037, ("knee", "ankle"): 0.072,
}  # fmt: skip
"""From joint to joint of either side; how much further than they do the pose model's point away from the camera, as a
sine: `benchmarks/results/detector_places.md`."""
_ENDS = [[f"{side}_{bone[end]}" for bone in BONES for side in ("left", "right")] for end in (0, 1)]
_NEAR, _FAR = (skeletons.index(skeletons.COCO, names) for names in _ENDS)
_BIAS = [bias for bias in BONES.values() for _ in ("left", "right")]


def bones_in_depth(landmarks: Float[Tensor, "time 33 6"]) -> Float[Tensor, "time bone 2"]:
    """What `FitEvidence.bones` wants of landmarks: x, y in pixels; x, y, z in metres; confidence."""
    coco = landmarks[:, skeletons.index(skeletons.BLAZEPOSE, skeletons.COCO), 2:]
    bone = coco[:, _FAR, :3] - coco[:, _NEAR, :3]
    sure = coco[:, _FAR, 3] * coco[:, _NEAR, 3] * bone.any(-1)
    sine = bone[..., 2] / bone.norm(dim=-1).clamp_min(1e-6) - bone.new_tensor(_BIAS)
    return torch.stack([sine, sure], -1)


def bone_depth(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """Geman-McClure of how much further than the pose model's each bone points away from the camera, or less far."""
    return torch.stack([_bone_depth(*each) for each in from_all_views(pose, seen)]).sum()


def _bone_depth(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    if seen.bones is None:
        return pose.keypoints.new_zeros(())
    bone = pose.keypoints[:, _FAR] - pose.keypoints[:, _NEAR]
    sight = torch.nn.functional.normalize(pose.smpl.pelvis, dim=-1)
    square = ((bone @ sight[..., None])[..., 0] / bone.norm(dim=-1).clamp_min(1e-6) - seen.bones[..., 0]).square()
    return (seen.bones[..., 1] * square / (square + ROBUST_SINE**2)).sum()


def reprojection_energy(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """Geman-McClure of the distance to the keypoints, each at most its confidence squared.

    The scale is `ROBUST` over the confidence: the variance of a keypoint falls with about the fourth power of it. To
    one that was put there by hand (confidence above 1) the distance squared is added.
    """
    return torch.stack([_reprojection(*each) for each in from_all_views(pose, seen)]).sum()


def _reprojection(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    points_px = cameras.project(pose.keypoints + pose.smpl.pelvis[:, None], seen.K_px)
    off = ((points_px - seen.keypoints_px[..., :2]) / seen.size_px[:, None, None]).square().sum(-1)
    sure = seen.keypoints_px[..., 2].clamp_max(1.0).square()
    square = sure * off
    # what somebody put there is never wrong, however far it is
    placed = (seen.keypoints_px[..., 2] - 1).clamp_min(0.0)
    return (sure * square / (square + ROBUST**2) + PLACED * placed * off / ROBUST**2).sum()


def nearness(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """How far the rotations have left the network's, in expected errors squared."""
    return (pose.offset / doubt().to(pose.offset)[:, None]).square().sum()


def steadiness(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """Speed of the offsets in radians per second, squared: corrections come and go slowly."""
    return _velocity(pose.offset, seen.times).square().sum()


def joint_acceleration(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """Acceleration of the joints about the pelvis in metres per second squared: squared, beyond `BRISK` its logarithm.

    What trembles is held, and what is brisk, such as a kick, is hardly told from one that is twice as brisk.
    """
    square = acceleration(seen.steadied(pose.joints), seen.times).square().sum(-1)
    return BRISK**2 * (square / BRISK**2).log1p().sum()


def root_acceleration(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """Acceleration of the pelvis in metres per second squared, squared."""
    return acceleration(seen.steadied(pose.smpl.pelvis), seen.times).square().sum()


def straightness(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """Sine of the angle by which a knee or an elbow is bent the wrong way, squared.

    Shins bend back and forearms forward: the bone's direction, seen from its parent, has a sign along z.
    """
    knees = pose.smpl.rotmat[:, _KNEES, 2, 1]
    elbows = pose.smpl.rotmat[:, _ELBOWS, 2, 0] * pose.smpl.rotmat.new_tensor([1.0, -1.0])
    return (-torch.cat([knees, elbows], -1)).relu().square().sum()


def shape(pose: FitPose, seen: FitEvidence) -> Float[Tensor, ""]:
    """Betas squared, once for each frame so that it keeps pace with the evidence."""
    return pose.smpl.betas.square().sum() * len(seen.times)


_KNEES = skeletons.index(skeletons.SMPL, ["left_knee", "right_knee"])
_ELBOWS = skeletons.index(skeletons.SMPL, ["left_elbow", "right_elbow"])


def doubt() -> Float[Tensor, "24"]:
    """`DOUBT` for each of SMPL's joints."""
    return torch.tensor([next(DOUBT[part] for part in DOUBT if part in name) for name in skeletons.SMPL])


def acceleration(x: Float[Tensor, "time *rest"], times: Float[Tensor, "time"]) -> Float[Tensor, "time-2 *rest"]:
    """Second difference at uneven times, in units per second squared."""
    middle = (times[2:] - times[:-2]) / 2
    return _velocity(x, times).diff(dim=0) / middle.to(x).view(-1, *[1] * (x.ndim - 1))


def _velocity(x: Float[Tensor, "time *rest"], times: Float[Tensor, "time"]) -> Float[Tensor, "time-1 *rest"]:
    return x.diff(dim=0) / times.diff().to(x).view(-1, *[1] * (x.ndim - 1))
