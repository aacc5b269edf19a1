"""The image network as an ONNX graph, in floats or in 8-bit integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy import ndarray as Array
from torch import Tensor, nn

from vibe.errors import needs_extra
from vibe.features.extractor import BATCH, SIDE, Crops, Extractor
from vibe.features.resnet import FEATURES
from vibe.features.runtimes import RUNTIMES, ReadFeatures

OPSET = 17
"""Version of ONNX's operators, of 2022."""
STEPS = 255
"""Steps of an 8-bit integer."""


class Graph:
    """Nodes and constants, in the order of their making."""

    def __init__(self) -> None:
        with needs_extra("an ONNX graph", "onnx", "onnx"):
            import onnx
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, values: Array | np.generic) -> str:
        """The name of a new constant."""
        name = f"constant{len(self._constants)}"
        self._constants.append(self._onnx.numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, **settings: Any) -> str:
        """The name of what a new node gives."""
        name = f"{kind}{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [name], name, **settings))
        return name

    def finish(self, output: str) -> bytes:
        """The file: uint8 crops [n, 224, 224, 3] in, features [n, 2048] out."""
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        self._nodes.append(helper.make_node("Identity", [output], ["features"]))
        inputs = [helper.make_tensor_value_info("crops", kinds.UINT8, ["n", SIDE, SIDE, 3])]
        outputs = [helper.make_tensor_value_info("features", kinds.FLOAT, ["n", FEATURES])]
        graph = helper.make_graph(self._nodes, "features", inputs, outputs, self._constants)
        versions = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=versions, ir_version=8).SerializeToString()


def write_graph(extractor: Extractor, ranges: Mapping[str, tuple[float, float]] | None = None) -> bytes:
    """The extractor as an ONNX file.

    Convolutions that are named in `ranges`, with the least and largest number that they read, are done in 8 bits:
    their input in steps of the range, their weights in steps of each filter's largest. Raises ImportError without onnx.
    """
    graph, modules = Graph(), dict(extractor.named_modules())

    def convolve(name: str, x: str) -> str:
        return _convolve(graph, modules[name], x, (ranges or {}).get(name))

    x = graph.node("Cast", "crops", to=1)
    x = graph.node("Sub", x, graph.constant(extractor.mean_rgb.float().cpu().numpy()))
    x = graph.node("Transpose", x, perm=[0, 3, 1, 2])
    x = graph.node("Relu", convolve("conv1", x))
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    for block in (f"blocks.{number}" for number in range(len(extractor.blocks))):
        y = graph.node("Relu", convolve(f"{block}.conv1", x))
        y = graph.node("Relu", convolve(f"{block}.conv2", y))
        y = convolve(f"{block}.conv3", y)
        beside = convolve(f"{block}.downsample", x) if modules.get(f"{block}.downsample") else x
        x = graph.node("Relu", graph.node("Add", y, beside))
    return graph.finish(graph.node("ReduceMean", x, axes=[2, 3], keepdims=0))


def _convolve(graph: Graph, layer: nn.Module, x: str, span: tuple[float, float] | None) -> str:
    """A convolution with its bias, in 8 bits if the span of its input is given."""
    assert isinstance(layer, nn.Conv2d) and layer.bias is not None
    weight, bias = layer.weight.float().cpu().contiguous().numpy(), layer.bias.float().cpu().numpy()
    if span is None:
        weights = graph.constant(weight)
    else:
        low, high = min(span[0], 0.0), max(span[1], 1e-6)
        step = np.float32((high - low) / STEPS)
        scale = graph.constant(step), graph.constant(np.uint8(round(-low / step)))
        x = graph.node("DequantizeLinear", graph.node("QuantizeLinear", x, *scale), *scale)
        steps = np.maximum(np.abs(weight).max((1, 2, 3)), 1e-12) / np.float32(STEPS // 2)
        whole = np.rint(weight / steps[:, None, None, None]).astype(np.int8)
        weights = graph.node("DequantizeLinear", graph.constant(whole), graph.constant(steps), axis=0)
    size, strides, pads = list(layer.kernel_size), list(layer.stride), [*layer.padding, *layer.padding]
    return graph.node("Conv", x, weights, graph.constant(bias), kernel_shape=size, strides=strides, pads=pads)


@dataclass(frozen=True)
class EightBit:
    """The image network in 8-bit integers, and how far its features are from those in floats."""

    read: ReadFeatures
    error: float
    """Root mean square of the difference over that of the features."""
    error_of_spread: float
    """The same over that of the features' differences from their mean: what tells one crop from another."""


def eight_bit(extractor: Extractor, crops: Crops, runtime: str = "openvino") -> EightBit:
    """The extractor with all convolutions but the first in 8 bits: three times as fast, and less exact.

    Every other crop sets the ranges, the rest measures the error; give some dozens, of the video that is to be read.
    Raises ValueError for fewer than 4 crops and for PyTorch, which has no such integers.
    """
    if runtime == "torch":
        raise ValueError("PyTorch runs the image network in floats only: choose openvino or onnxruntime for 8 bits")
    if len(crops) < 4:
        raise ValueError(f"{len(crops)} crops are too few to set 8-bit ranges and measure the error: give 4 or more")
    read = RUNTIMES[runtime](extractor, partial(write_graph, extractor, find_ranges(extractor, crops[::2])))
    rest = crops[1::2]
    truth = torch.cat([extractor(rest[part]).cpu() for part in _batches(rest)])
    found = torch.cat([read(rest[part]) for part in _batches(rest)])
    off = float((found - truth).square().mean().sqrt())
    spread = float((truth - truth.mean(0)).square().mean().sqrt())
    return EightBit(read, off / float(truth.square().mean().sqrt()), off / max(spread, 1e-12))


def find_ranges(extractor: Extractor, crops: Crops) -> dict[str, tuple[float, float]]:
    """What each convolution but the first reads in these crops: the least and the largest number."""
    ranges: dict[str, tuple[float, float]] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[Tensor]], None]:
        def note(_: nn.Module, inputs: tuple[Tensor]) -> None:
            low, high = ranges.get(name, (0.0, 0.0))
            ranges[name] = min(low, float(inputs[0].min())), max(high, float(inputs[0].max()))

        return note

    layers = [(name, part) for name, part in extractor.blocks.named_modules() if isinstance(part, nn.Conv2d)]
    watches = [part.register_forward_pre_hook(watch(f"blocks.{name}")) for name, part in layers]
    try:
        for part in _batches(crops):
            extractor(crops[part])
    finally:
        for each in watches:
            each.remove()
    return ranges


def _batches(crops: Crops) -> list[slice]:
    """Parts of as many crops as a CPU reads best."""
    return [slice(start, start + BATCH) for start in range(0, len(crops), BATCH)]
