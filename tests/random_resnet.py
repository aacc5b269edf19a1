"""A ResNet-50 of random weights, and a weights file of it; for tests only."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from vibe.observe.resnet import ResNet50


def random_resnet() -> ResNet50:
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


def write_resnet(path: Path) -> Path:
    """The same as a file of weights."""
    tensors = {name: tensor.contiguous() for name, tensor in random_resnet().state_dict().items()}
    save_file(tensors, path, {"name": "random", "licence": "none", "recipe": '{"evidence": "images"}'})
    return path
