"""Image evidence: 2048 numbers for every frame of every track, from crops cut in memory (the paper, section 3.1)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vibe import assets, cameras
from vibe.assets.weights import BACKBONE
from vibe.features.resnet import FEATURES, Bottleneck, ResNet50, read_resnet
from vibe.features.runtimes import ReadFeatures
from vibe.records import Track

SIDE = 224
"""Pixels of a crop, along both sides."""


def cut(rgb: UInt8[ndarray, "height width 3"], box_px: Float[Tensor, "person 4"]) -> UInt8[ndarray, "person 224 224 3"]:
    """The square around each box, `cameras.crop_side` wide, as an upright picture: bilinear, black beyond the border.

    Sampled as in the published code, so that published weights see what they were trained on: the box's centre falls
    on pixel 112 of the crop, counted from 0, and nothing is averaged where a large person shrinks. Raises ValueError
    for a box that has no size or is not finite.
    """
    side_px = cameras.crop_side(box_px.double().cpu())
    corner_px = box_px[:, :2].double().cpu() - side_px[:, None] / 2
    usable = side_px.gt(0) & torch.cat([corner_px, side_px[:, None]], -1).isfinite().all(-1)
    if not usable.all():
        person = int((~usable).nonzero()[0])
        raise ValueError(
            f"box {person} of {len(box_px)} is {box_px[person].tolist()} (centre x, centre y, width, height in "
            "pixels): a crop needs finite numbers and a width or height above 0"
        )
    crops = np.empty((len(box_px), SIDE, SIDE, 3), np.uint8)
    for crop, (left, top), side in zip(crops, corner_px.tolist(), side_px.tolist(), strict=True):
        picture_crop = np.array([[side / SIDE, 0.0, left], [0.0, side / SIDE, top]])
        crop[:] = cv2.warpAffine(rgb, picture_crop, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return crops


MEAN_RGB = (123.675, 116.28, 103.53)
STD_RGB = (58.395, 57.12, 57.375)
"""ImageNet's, on 0 to 255: what the backbone was trained with."""
BATCH = 8
"""Crops read at once: the fastest on a CPU, where more fall out of its caches."""

Crops = UInt8[ndarray, "n 224 224 3"] | UInt8[Tensor, "n 224 224 3"]


def fused(convolution: nn.Module, norm: nn.Module) -> nn.Conv2d:
    """One convolution that does what the two do in evaluation."""
    assert isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return fuse_conv_bn_eval(convolution, norm)


class FusedBlock(nn.Module):
    """A bottleneck whose convolutions hold their batch norm, and which writes over its own results."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        assert isinstance(block, Bottleneck)
        self.conv1 = fused(block.conv1, block.bn1)
        self.conv2 = fused(block.conv2, block.bn2)
        self.conv3 = fused(block.conv3, block.bn3)
        self.downsample = None if block.downsample is None else fused(*block.downsample)

    def forward(self, x: Float[Tensor, "n _ _ _"]) -> Float[Tensor, "n _ _ _"]:
        beside = x if self.downsample is None else self.downsample(x)
        x = self.conv2(self.conv1(x).relu_()).relu_()
        return self.conv3(x).add_(beside).relu_()


class Extractor(nn.Module):
    """ResNet-50 made to run: batch norm and pixel scale in the convolutions, channels last, no gradients."""

    mean_rgb: Tensor

    def __init__(self, network: ResNet50) -> None:
        """Takes copies of the network's parameters as they are now."""
        super().__init__()
        network = copy.deepcopy(network).eval()
        self.conv1 = fused(network.conv1, network.bn1)
        self.maxpool = network.maxpool
        stages = (network.layer1, network.layer2, network.layer3, network.layer4)
        self.blocks = nn.Sequential(*(FusedBlock(block) for stage in stages for block in stage))
        self.requires_grad_(False).eval()
        self.conv1.weight /= self.conv1.weight.new_tensor(STD_RGB)[:, None, None]
        self.register_buffer("mean_rgb", self.conv1.weight.new_tensor(MEAN_RGB), persistent=False)
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    def forward(self, crops: Crops) -> Float[Tensor, "n 2048"]:
        pictures = torch.from_numpy(crops) if isinstance(crops, ndarray) else crops
        pictures = pictures.to(self.mean_rgb) - self.mean_rgb
        x = self.maxpool(self.conv1(pictures.permute(0, 3, 1, 2)).relu_())
        return self.blocks(x).mean((2, 3))


def load_extractor(weights: Path | str | None, device: torch.device | str = "cpu") -> Extractor:
    """The ResNet-50 of a weights file, or the single-frame baseline's where that holds none.

    Raises FileNotFoundError or ValueError, which names what does not fit.
    """
    tensors, _ = assets.load_weights(weights)
    if "conv1.weight" not in tensors:
        weights = BACKBONE
        tensors, _ = assets.load_weights(weights)
    try:
        return Extractor(read_resnet(tensors)).to(device)
    except (LookupError, RuntimeError, ValueError) as error:
        raise ValueError(f"{assets.weights_path(weights)} does not fit a ResNet-50: {str(error)[:500]}") from error


class FeatureReader:
    """Features of all tracks in one pass over the video's frames, crops of several frames and people at a time.

    Beside the features themselves, 8 kB a person and frame, it holds one batch of crops; with `keep`, which is told
    the features frame by frame, everybody's of one after the other, it holds no features, and goes on after `done`.
    """

    def __init__(
        self,
        tracks: Sequence[Track],
        extractor: ReadFeatures,
        batch: int = BATCH,
        keep: Callable[[Float[Tensor, "n 2048"]], None] | None = None,
        done: int = 0,
    ) -> None:
        if batch < 1:
            raise ValueError(f"crops are read {batch} at a time: choose a batch of 1 or more")
        frames = torch.cat([torch.empty(0, dtype=torch.int64), *(track.frames.cpu() for track in tracks)])
        boxes = torch.cat([torch.empty(0, 4), *(track.box_px.float().cpu() for track in tracks)])
        self._frames, self._rows = frames.sort(stable=True)
        self._boxes = boxes[self._rows]
        self._sizes = [len(track.frames) for track in tracks]
        self._features = torch.empty(0 if keep else len(frames), FEATURES)
        self._crops = np.empty((batch, SIDE, SIDE, 3), np.uint8)
        self._extractor, self._keep = extractor, keep
        self._cut, self._read, self._last = done, done, -1

    def step(self, index: int, rgb: UInt8[ndarray, "height width 3"]) -> None:
        """Take the next frame of the video; frames in which nobody is may be left out.

        Raises ValueError if frames come out of order or one was left out in which a track is.
        """
        if index <= self._last:
            raise ValueError(f"frame {index} came after frame {self._last}: give frames in their order, each once")
        self._ask_for_all_before(index)
        self._last = index
        stop = max(int(torch.searchsorted(self._frames, index, right=True)), self._cut)
        try:
            crops = cut(rgb, self._boxes[self._cut : stop])
        except ValueError as error:
            raise ValueError(f"frame {index}: {error}") from error
        for crop in crops:
            self._crops[self._cut - self._read] = crop
            self._cut += 1
            if self._cut - self._read == len(self._crops):
                self._read_waiting()

    def finish(self) -> tuple[Float[Tensor, "time 2048"], ...]:
        """One tensor for each track, at its frames; raises ValueError if a track has frames that were not given."""
        self._ask_for_all_before(None)
        self._read_waiting()
        return self._features.split(self._sizes) if self._sizes and not self._keep else ()

    def _ask_for_all_before(self, index: int | None) -> None:
        """Raise ValueError if a frame before `index` (any at all, if None) is wanted and was not given."""
        if self._cut == len(self._frames):
            return
        wanted = int(self._frames[self._cut])
        if index is None or wanted < index:
            ends = torch.tensor(self._sizes).cumsum(0)
            person = int(torch.searchsorted(ends, self._rows[self._cut], right=True)) + 1
            seen = f"the last frame given was {self._last}" if self._last >= 0 else "no frame was given"
            here = seen if index is None else f"frame {index} came after frame {self._last}"
            raise ValueError(f"person {person} is in frame {wanted}, but {here}: give every frame of every track")

    def _read_waiting(self) -> None:
        if self._cut > self._read:
            found = self._extractor(self._crops[: self._cut - self._read]).to("cpu", torch.float32)
            if self._keep:
                self._keep(found)
            else:
                self._features[self._rows[self._read : self._cut]] = found
            self._read = self._cut
