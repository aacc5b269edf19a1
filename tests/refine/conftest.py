from functools import partial

import pytest
import wanderer

from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body


@pytest.fixture(scope="session")
def body():
    """Joints and keypoints of the open body."""
    return partial(joints_and_keypoints, load_body())


@pytest.fixture
def scene():
    """Makes a scene of so many frames at 30 Hz."""
    return wanderer.wandering
