"""ResNet-50: one person's crop in, 2048 numbers out (He et al., Deep residual learning, 2016)."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn

from vibe.errors import damaged

FEATURES = 2048
"""Numbers for one crop."""
WIDEN = 4
"""Width of a block's output over that of its middle."""
HEAD = ("fc1.", "fc2.", "decpose.", "decshape.", "deccam.", "init_pose", "init_shape", "init_cam", "smpl.")
"""Beginnings of the names that belong to the regressor and the body in a published checkpoint of the single frame."""


class Bottleneck(nn.Module):
    """Three convolutions around which the input is added; the middle one takes the stride."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * WIDEN
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Float[Tensor, "n _ _ _"]) -> Float[Tensor, "n _ _ _"]:
        beside = x if self.downsample is None else self.downsample(x)
        x = self.bn1(self.conv1(x)).relu()
        x = self.bn2(self.conv2(x)).relu()
        return (self.bn3(self.conv3(x)) + beside).relu()


def residual_stage(inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """Blocks of one width; the first takes the stride."""
    rest = (Bottleneck(width * WIDEN, width, 1) for _ in range(blocks - 1))
    return nn.Sequential(Bottleneck(inputs, width, stride), *rest)


class ResNet50(nn.Module):
    """Normalised crops to the mean of the last feature map; parameters have the names of the published checkpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = residual_stage(64, 64, 3, 1)
        self.layer2 = residual_stage(256, 128, 4, 2)
        self.layer3 = residual_stage(512, 256, 6, 2)
        self.layer4 = residual_stage(1024, 512, 3, 2)

    def forward(self, pictures: Float[Tensor, "n 3 224 224"]) -> Float[Tensor, "n 2048"]:
        x = self.maxpool(self.bn1(self.conv1(pictures)).relu())
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean((2, 3))


def read_resnet(state: Mapping[str, Tensor]) -> ResNet50:
    """The network of a published single-frame checkpoint, without its regressor, ready to run.

    Raises ValueError, which names the parameters that are missing, unknown or of another shape.
    """
    network = ResNet50()
    own = {name: tensor for name, tensor in state.items() if not name.startswith(HEAD)}
    with damaged("the parameters do not fit ResNet-50", "choose other weights"):
        network.load_state_dict(own)
    return network.eval().requires_grad_(False)
