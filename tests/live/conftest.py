"""Somebody who sways and turns, as a detector would tell of them frame by frame."""

import math

import numpy as np
import pytest
import roma
import torch
from sightings import FPS, HEIGHT, WIDTH, last_answer, sighting

from vibe import cameras
from vibe.body import load_body
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.inference.estimate import Estimator, load_estimator
from vibe.live.pose import LivePoses
from vibe.live.source import LiveFrame


@pytest.fixture(scope="session")
def method() -> Estimator:
    return load_estimator()


@pytest.fixture(scope="session")
def swaying() -> np.ndarray:
    """[time, 17, 3]: keypoints of 40 frames, with a detector's shaking."""
    body, time = load_body(), torch.arange(40) / FPS
    turns = 0.3 * torch.sin(2 * time[:, None, None] + torch.arange(24)[:, None] + torch.arange(3))
    rotmat = roma.rotvec_to_rotmat(turns)
    rotmat[:, 0] = roma.rotvec_to_rotmat(torch.tensor([math.pi, 0.0, 0.0])) @ rotmat[:, 0]
    joints, points = joints_and_keypoints(body, rotmat, torch.zeros(10))
    points = points - joints[:, :1] + torch.tensor([0.1, 0.0, 4.0])
    pixels = cameras.project(points, cameras.default_camera(WIDTH, HEIGHT).K_px).numpy().astype(np.float64)
    random = np.random.RandomState(0)
    return np.concatenate([pixels + random.normal(0, 1, pixels.shape), np.full((40, 17, 1), 0.9)], -1)


@pytest.fixture(scope="session")
def moment(method, swaying) -> LivePoses:
    """One answer with two people in it."""
    aside = swaying + (150.0, 0.0, 0.0)
    return last_answer(method, [sighting(index, swaying[index], aside[index]) for index in range(8)])


@pytest.fixture
def shot() -> LiveFrame:
    """A picture of one colour."""
    return LiveFrame(0.2, 0.0, np.full((HEIGHT, WIDTH, 3), (200, 30, 30), np.uint8))
