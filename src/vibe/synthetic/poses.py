"""Poses wider than the motion capture: mirrored, with limbs of other clips, with smooth random rotations."""

from __future__ import annotations

import math
from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from vibe import skeletons
from vibe.body.pose import mirror_quaternions

GROUPS = (
    ("spine1", "spine2", "spine3", "neck", "head"),
    *(
        tuple(f"{side}_{joint}" for joint in joints)
        for side in ("left", "right")
        for joints in (("hip", "knee", "ankle", "foot"), ("collar", "shoulder", "elbow", "wrist", "hand"))
    ),
)
"""Joints that are taken together from another clip."""
SPREAD = {
    "hip": (0.35, 0.25, 0.3), "knee": (0.5, 0.05, 0.03), "ankle": (0.25, 0.15, 0.15), "spine1": (0.15, 0.1, 0.1),
    "spine2": (0.1, 0.1, 0.1), "spine3": (0.1, 0.1, 0.1), "neck": (0.2, 0.25, 0.15), "head": (0.15, 0.2, 0.1),
    "collar": (0.05, 0.1, 0.12), "shoulder": (0.5, 0.5, 0.6), "elbow": (0.15, 0.7, 0.1), "wrist": (0.2, 0.2, 0.3),
}  # fmt: skip
"""Standard deviation in radians of the random rotations about x, y and z."""
HINGES = {"left_knee": (0, 1.0), "right_knee": (0, 1.0), "left_elbow": (1, -1.0), "right_elbow": (1, 1.0)}
"""Axis and sense in which a hinge bends; it is stretched until it is straight, and never turned the other way."""


@dataclass(frozen=True)
class PoseConfig:
    """How far the poses are widened; each number is the share of the windows that it happens to."""

    limb: float = 0.25
    """A group of joints comes from another window; drawn for each group."""
    wobble: float = 0.35
    """Smooth random rotations within joint limits; drawn for each window, then for half of its joints."""
    tumble: float = 0.05
    """The whole body is turned by any rotation."""


CAPTURED_POSES = PoseConfig(limb=0.0, wobble=0.0, tumble=0.0)
"""Poses that are not widened."""


def widen(
    quaternions: Float[Tensor, "batch time 24 4"], trans: Float[Tensor, "batch time 3"], config: PoseConfig,
    seed: torch.Generator,
) -> tuple[Float[Tensor, "batch time 24 4"], Float[Tensor, "batch time 3"]]:  # fmt: skip
    """Half the windows mirrored, then limbs exchanged, wobbled and tumbled as the configuration says."""
    batch = len(quaternions)
    flip = torch.rand(batch, generator=seed) < 0.5
    quaternions = torch.where(flip[:, None, None, None], mirror_quaternions(quaternions), quaternions)
    trans = torch.where(flip[:, None, None], trans * torch.tensor([-1.0, 1.0, 1.0]), trans)
    quaternions = exchange_limbs(quaternions, config.limb, seed)
    quaternions = wobble(quaternions, config.wobble, seed)
    # Directions in four dimensions are uniform rotations; roma draws from the global stream, which no step repeats.
    turn = functional.normalize(torch.randn(batch, 4, generator=seed), dim=-1)
    whole = (torch.rand(batch, generator=seed) < config.tumble)[:, None, None]
    turned = roma.quat_product(turn[:, None].expand(-1, quaternions.shape[1], -1), quaternions[:, :, 0])
    root = torch.where(whole, turned, quaternions[:, :, 0])
    return torch.cat([root[:, :, None], quaternions[:, :, 1:]], 2), trans * ~whole


def exchange_limbs(
    quaternions: Float[Tensor, "batch time 24 4"], share: float, seed: torch.Generator
) -> Float[Tensor, "batch time 24 4"]:
    """Each group of joints comes, with probability `share`, from another window of the batch."""
    batch = len(quaternions)
    mixed = quaternions.clone()
    for group in GROUPS:
        joints = skeletons.index(skeletons.SMPL, list(group))
        other = torch.randperm(batch, generator=seed)
        taken = (torch.rand(batch, generator=seed) < share)[:, None, None, None]
        mixed[:, :, joints] = torch.where(taken, quaternions[other][:, :, joints], quaternions[:, :, joints])
    return mixed


def wobble(
    quaternions: Float[Tensor, "batch time 24 4"], share: float, seed: torch.Generator
) -> Float[Tensor, "batch time 24 4"]:
    """A steady offset and a slow sine of half its size, for half of the joints of a share of the windows."""
    batch, frames = quaternions.shape[:2]
    taken = (torch.rand(batch, 1, generator=seed) < share) & (
        torch.rand(batch, len(skeletons.SMPL), generator=seed) < 0.5
    )
    spread = torch.tensor([SPREAD.get(name.split("_")[-1], (0.0, 0.0, 0.0)) for name in skeletons.SMPL])
    size = torch.randn(batch, 1, len(skeletons.SMPL), 3, generator=seed) * spread
    phase = 2 * math.pi * torch.rand(batch, 1, len(skeletons.SMPL), 1, generator=seed)
    cycles = 1.5 * torch.rand(batch, 1, len(skeletons.SMPL), 1, generator=seed)
    time = torch.linspace(0, 1, frames)[:, None, None]
    rotvec = size * (1 + 0.5 * torch.sin(2 * math.pi * cycles * time + phase))
    for name, (axis, sense) in HINGES.items():
        joint = skeletons.SMPL.index(name)
        flexion = 2 * sense * torch.atan2(quaternions[:, :, joint, axis], quaternions[:, :, joint, 3])
        rotvec[:, :, joint, axis] = sense * torch.maximum(rotvec[:, :, joint, axis], -flexion.clamp_min(0))
    rotvec = rotvec * taken[:, None, :, None]
    return roma.quat_product(quaternions, roma.rotvec_to_unitquat(rotvec))
