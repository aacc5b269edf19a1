"""Somebody with fingers who moves all joints, and the scene that is exported of it; a test file may have its own."""

import performers
import pytest
import torch

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.motion.scene import SceneOptions, build_scene


@pytest.fixture(scope="session")
def body():
    """The open body of few polygons, in NumPy's arrays."""
    return as_numpy(load_body(detail="low"))


@pytest.fixture(scope="session")
def given(body):
    return performers.show(body, performers.fingered(performers.performer(body, torch.arange(30))))


@pytest.fixture(scope="session")
def scene(body, given):
    return build_scene(given, body, SceneOptions())
