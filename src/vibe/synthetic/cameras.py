"""Synthetic cameras: where they stand, how they tilt and move, what they see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.data.motion import FPS


@dataclass(frozen=True)
class ViewConfig:
    """Ranges of the cameras."""

    fov_deg: tuple[float, float] = (25.0, 90.0)
    """Angle of view across the diagonal."""
    known: float = 0.3
    """Share of the windows whose angle of view is known; the others are taken for the default camera's."""
    depth: tuple[float, float] = (1.5, 12.0)
    """Metres, log-uniform."""
    pitch_deg: float = 14.0
    roll_deg: float = 8.0
    tilted: float = 0.35
    """Share of the windows with pitch and roll 2.2 times as wide."""
    moving: float = 0.6
    """Share of the cameras that turn and drift; half of these follow the person."""


@dataclass(frozen=True)
class SyntheticCamera:
    """A moving camera for each window, in units in which the assumed camera has focal length 1."""

    R_cam_world: Float[Tensor, "batch time 3 3"]
    pelvis_cam: Float[Tensor, "batch time 3"]
    """Where the pelvis is, metres."""
    zoom: Float[Tensor, "batch"]
    """True focal length over the assumed one."""
    half_picture: Float[Tensor, "batch 2"]
    """Half the width and height of the picture."""


def draw_views(trans: Float[Tensor, "batch time 3"], config: ViewConfig, seed: torch.Generator) -> SyntheticCamera:
    """A camera for each window of a person whose pelvis goes along `trans` (y-up world)."""
    batch, frames = trans.shape[:2]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(batch, *shape, generator=seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, generator=seed)

    tangent = [math.tan(math.radians(angle) / 2) for angle in config.fov_deg]
    focal = 0.5 / torch.exp(uniform(math.log(tangent[0]), math.log(tangent[1])))
    assumed = torch.where(uniform(0, 1) < config.known, focal, 1.0)
    aspect = torch.tensor([16 / 9, 9 / 16, 4 / 3, 3 / 4, 1.0])[torch.randint(5, (batch,), generator=seed)]
    half_height = 0.5 / (1 + aspect**2).sqrt()
    half_picture = torch.stack([aspect * half_height, half_height], -1) / assumed[:, None]

    wide = torch.where(uniform(0, 1) < config.tilted, 2.2, 1.0)
    pitch = math.radians(config.pitch_deg) * wide * normal() + math.radians(4.0)
    roll = math.radians(config.roll_deg) * wide * normal()
    yaw = uniform(-math.pi, math.pi)
    upright = torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
    R_start = _turn(roll, 2) @ _turn(pitch, 0) @ upright @ _turn(yaw, 1)

    moves = (uniform(0, 1) < config.moving)[:, None]
    follows = (uniform(0, 1) < 0.5)[:, None, None]
    seconds = (torch.arange(frames) - frames / 2) / FPS
    rate = normal(3) * torch.tensor([0.25, 0.45, 0.12]) * moves
    R_cam_world = roma.rotvec_to_rotmat(rate[:, None] * seconds[:, None]) @ R_start[:, None]

    depth = torch.exp(uniform(math.log(config.depth[0]), math.log(config.depth[1])))
    place = uniform(-0.7, 0.7, 2) * half_picture * (assumed / focal)[:, None]
    middle = torch.cat([place, torch.ones(batch, 1)], -1) * depth[:, None]
    walk = (R_cam_world @ (trans - trans[:, frames // 2 : frames // 2 + 1])[..., None])[..., 0]
    drift = normal(1, 3) * 0.15 * moves[..., None] * seconds[:, None]
    pelvis_cam = middle[:, None] + walk * ~(follows & moves[..., None]) + drift
    nearest = torch.tensor([-math.inf, -math.inf, 0.6 * config.depth[0]])
    return SyntheticCamera(R_cam_world, pelvis_cam.maximum(nearest), focal / assumed, half_picture)


def _turn(angle: Float[Tensor, "batch"], axis: int) -> Float[Tensor, "batch 3 3"]:
    return roma.rotvec_to_rotmat(torch.eye(3)[axis] * angle[:, None])
