"""People of unusual shape who turn, bend and jump before a tilted camera."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import roma
import torch

from vibe import cameras
from vibe.body import Body, pose_joints, rest_joints
from vibe.cameras import default_camera
from vibe.motion import Motion, Result
from vibe.records import Clip, Weights
from vibe.skeletons import SMPL

WIDTH, HEIGHT, FPS = 1280, 720, 25.0
TILT_DEG = 15.0
"""By how much the camera looks down."""


def performer(body: Body, frames: torch.Tensor, seed: int = 0) -> Motion:
    """Somebody who turns round twice, bows, swings all joints, jumps and goes from left to right, 4 m away.

    In the camera's frame; the world that they stand upright in is the camera's tilted by `TILT_DEG`.
    """
    random = torch.Generator().manual_seed(seed)
    time = frames.float() / FPS
    swing = 0.4 * torch.randn(24, 3, generator=random) * torch.sin(2 * time[:, None, None] + torch.arange(24)[:, None])
    swing[:, [SMPL.index("spine1"), SMPL.index("spine2")], 0] += 0.6 * torch.sin(time).abs()[:, None]
    rotmat = roma.rotvec_to_rotmat(swing)
    spin = roma.rotvec_to_rotmat(torch.stack([0 * time, 4 * math.pi * time / time[-1].clamp_min(1), 0 * time], 1))
    R_cam_up = roma.rotvec_to_rotmat(torch.tensor([math.pi - math.radians(TILT_DEG), 0.0, 0.0]))
    rotmat[:, 0] = R_cam_up @ spin @ roma.rotvec_to_rotmat(torch.stack([1.2 * torch.sin(time), 0 * time, 0 * time], 1))
    up = R_cam_up[:, 1]
    jump = 0.4 * torch.sin(3 * time).clamp_min(0)[:, None] * up
    trans = torch.stack([time - 1 + seed, 0 * time, 4 + 0 * time], 1) + jump
    betas = 2.5 * torch.randn(10, generator=random)
    joints = pose_joints(body, rotmat, betas)[1] - rest_joints(body, betas)[0] + trans[:, None]
    rotvec = roma.rotmat_to_rotvec(rotmat)
    return Motion(
        frames=frames,
        times=frames.double() / FPS,
        box_px=torch.tensor([640.0, 360.0, 200.0, 400.0]).repeat(len(frames), 1),
        global_orient=rotvec[:, 0],
        body_pose=rotvec[:, 1:].flatten(1),
        betas=betas,
        trans=trans,
        pred_cam=torch.tensor([1.0, 0.0, 0.0]).repeat(len(frames), 1),
        joints_cam=joints,
        joints_px=cameras.project(joints, default_camera(WIDTH, HEIGHT).K_px),
        keypoints_px=torch.ones(len(frames), 17, 3),
        confidence=torch.ones(len(frames)),
        body=body.origin,
    )


def standing(body: Body, count: int) -> Motion:
    """Somebody who stands upright in that world and looks to the camera."""
    still = performer(body, torch.arange(count))
    root = roma.rotmat_to_rotvec(roma.rotvec_to_rotmat(torch.tensor([math.pi - math.radians(TILT_DEG), 0.0, 0.0])))
    return replace(still, global_orient=root.repeat(count, 1), body_pose=torch.zeros(count, 69))


def show(body: Body, *people: Motion, fps: float = FPS) -> Result:
    """A result of these people in a video of 100 frames."""
    clip = Clip(Path("clip.mp4"), fps, WIDTH, HEIGHT, torch.arange(100, dtype=torch.float64) / fps, 0)
    return Result(clip, default_camera(WIDTH, HEIGHT), people, body.origin, Weights("open", "0" * 64, "free"), ())
