"""Ways to run the image network: PyTorch, or a runtime that is an extra to install and faster on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe.observe.features import BATCH, Crops, Extractor, Reader
from vibe.observe.graph import write_graph

Ranges = Mapping[str, tuple[float, float]]
"""Least and largest number that a convolution reads, by its name."""


def on_torch(extractor: Extractor, ranges: Ranges | None = None) -> Reader:
    """The extractor itself, on whichever device it is."""
    if ranges is not None:
        raise ValueError("PyTorch runs the image network in floats only: choose openvino or onnxruntime for 8 bits")
    return extractor


def on_openvino(extractor: Extractor, ranges: Ranges | None = None) -> Reader:
    """A copy of the extractor on the CPU, run by OpenVINO; raises ImportError without the extra `openvino`."""
    try:
        import openvino  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError("openvino is not installed: install it with `pip install vibe[openvino]`") from error
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    network = core.compile_model(core.read_model(write_graph(extractor, ranges)), "CPU", settings)

    def read(crops: Crops) -> Float[Tensor, "n 2048"]:
        return torch.from_numpy(network(torch.as_tensor(crops).cpu().numpy())[0].copy())

    return read


def on_onnxruntime(extractor: Extractor, ranges: Ranges | None = None) -> Reader:
    """A copy of the extractor on the CPU, run by ONNX Runtime; raises ImportError without the extra `onnx`."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("onnxruntime is not installed: install it with `pip install vibe[onnx]`") from error
    session = onnxruntime.InferenceSession(write_graph(extractor, ranges), providers=["CPUExecutionProvider"])

    def read(crops: Crops) -> Float[Tensor, "n 2048"]:
        return torch.from_numpy(session.run(None, {"crops": torch.as_tensor(crops).cpu().numpy()})[0])

    return read


RUNTIMES: dict[str, Callable[[Extractor, Ranges | None], Reader]] = {
    "torch": on_torch,
    "openvino": on_openvino,
    "onnxruntime": on_onnxruntime,
}


@dataclass(frozen=True)
class EightBit:
    """The image network in 8-bit integers, and how far its features are from those in floats."""

    read: Reader
    error: float
    """Root mean square of the difference over that of the features."""
    error_of_spread: float
    """The same over that of the features' differences from their mean: what tells one crop from another."""


def eight_bit(extractor: Extractor, crops: Crops, runtime: Literal["openvino", "onnxruntime"] = "openvino") -> EightBit:
    """The extractor with all convolutions but the first in 8 bits: three times as fast, and less exact.

    Every other crop sets the ranges, the rest measures the error; give some dozens, of the video that is to be read.
    Raises ValueError for fewer than 4 crops.
    """
    if len(crops) < 4:
        raise ValueError(f"{len(crops)} crops are too few to set 8-bit ranges and measure the error: give 4 or more")
    read = RUNTIMES[runtime](extractor, find_ranges(extractor, crops[::2]))
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
