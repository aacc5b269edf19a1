"""A person who moves smoothly before a camera, and a network that errs as slowly."""

from dataclasses import dataclass
from functools import partial

import pytest
import roma
import torch
from torch import Tensor

from vibe import cameras, skeletons
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body

LIVELY = {"shoulder": 0.5, "elbow": 0.5, "hip": 0.35, "knee": 0.4, "spine": 0.1, "neck": 0.1, "pelvis": 0.2}


@dataclass(frozen=True)
class Scene:
    """The truth, what is seen of it, and where a fit starts."""

    rotmat: Tensor
    betas: Tensor
    trans: Tensor
    keypoints_px: Tensor
    K_px: Tensor
    times: Tensor
    start: Tensor
    """Rotations that err by about 12 degrees in each moving joint."""


def wander(times: Tensor, *shape: int, pace: float = 0.7) -> Tensor:
    """Smooth random numbers of about unit size, [time, *shape]: a few slow waves."""
    pitch = torch.arange(1, 4) * pace * (1 + 0.2 * torch.rand(*shape, 3))
    phase = 6.28 * torch.rand(*shape, 3)
    angle = times.float().view(-1, *[1] * (len(shape) + 1)) * pitch * 3 + phase
    return (angle.sin() * torch.tensor([0.9, 0.4, 0.2])).sum(-1)


@pytest.fixture(scope="session")
def body():
    """Joints and keypoints of the open body."""
    return partial(joints_and_keypoints, load_body())


@pytest.fixture
def scene(body):
    """Makes a scene of so many frames at 30 Hz."""

    def make(frames: int = 60) -> Scene:
        times = torch.arange(frames, dtype=torch.float64) / 30
        size = torch.tensor([sum(LIVELY[k] for k in LIVELY if k in name) for name in skeletons.SMPL])
        turn = wander(times, 24, 3) * size[:, None]
        knees, elbows = [4, 5], [18, 19]
        turn[:, knees] = turn[:, knees, :1].abs() * torch.tensor([1.0, 0.0, 0.0])
        turn[:, elbows] = turn[:, elbows, :1].abs() * torch.tensor([[0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
        rotmat = roma.rotvec_to_rotmat(turn)
        rotmat[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ rotmat[:, 0]
        trans = torch.tensor([0.3, 0.1, 4.0]) + 0.2 * wander(times, 3, pace=0.4)
        betas = torch.randn(10) * 0.5
        K_px = cameras.default_camera(1920, 1080).K_px
        joints, points = body(rotmat, betas)
        pixels = cameras.project(points - joints[:, :1] + trans[:, None], K_px)
        keypoints_px = torch.cat([pixels, torch.ones(frames, 17, 1)], -1)
        error = 0.2 * wander(times, 24, 3, pace=0.3) * (size > 0)[:, None]
        return Scene(rotmat, betas, trans, keypoints_px, K_px, times, rotmat @ roma.rotvec_to_rotmat(error))

    return make
