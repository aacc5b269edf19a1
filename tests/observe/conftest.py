"""A ResNet-50 and frames to try it on."""

import numpy as np
import pytest
import torch

from vibe.observe.resnet import ResNet50


@pytest.fixture(scope="package")
def network() -> ResNet50:
    """Random weights and statistics, with residuals small enough to add up."""
    draw = torch.Generator().manual_seed(0)
    network = ResNet50().eval()
    for name, part in network.named_modules():
        if isinstance(part, torch.nn.Conv2d):
            fan_in = part.weight[0].numel()
            part.weight.data.normal_(0, (2 / fan_in) ** 0.5, generator=draw)
        elif isinstance(part, torch.nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5, generator=draw).mul_(0.2 if name.endswith("bn3") else 1.0)
            part.bias.data.normal_(0, 0.05, generator=draw)
            part.running_mean.normal_(0, 0.05, generator=draw)
            part.running_var.uniform_(0.5, 1.5, generator=draw)
    return network


@pytest.fixture(scope="package")
def frames() -> np.ndarray:
    """Nine pictures of coarse noise, all different."""
    coarse = np.random.default_rng(0).integers(0, 256, (9, 6, 8, 3), np.uint8)
    return coarse.repeat(20, axis=1).repeat(20, axis=2)
