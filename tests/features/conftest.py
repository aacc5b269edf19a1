"""A ResNet-50 and frames to try it on."""

import numpy as np
import pytest
from random_resnet import random_resnet

from vibe.features.resnet import ResNet50


@pytest.fixture(scope="package")
def network() -> ResNet50:
    """Random weights and statistics."""
    return random_resnet()


@pytest.fixture(scope="package")
def frames() -> np.ndarray:
    """Nine pictures of coarse noise, all different."""
    coarse = np.random.default_rng(0).integers(0, 256, (9, 6, 8, 3), np.uint8)
    return coarse.repeat(20, axis=1).repeat(20, axis=2)
