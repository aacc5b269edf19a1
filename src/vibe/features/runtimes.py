"""Ways to run the image network: PyTorch, or from an ONNX graph a runtime that is an extra to install.

Loads none of them before it is chosen, and neither PyTorch nor NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vibe.errors import needs_extra

ReadFeatures = Callable[[Any], Any]
"""Crops [n, 224, 224, 3], uint8, to features [n, 2048]: an `Extractor`, or what a runtime made of its graph."""


def on_openvino(extractor: ReadFeatures, graph: Callable[[], bytes]) -> ReadFeatures:
    """The graph on the CPU, run by OpenVINO; raises ImportError without the extra `openvino`."""
    with needs_extra("--runtime openvino", "openvino", "openvino"):
        import openvino  # pyright: ignore[reportMissingImports]
    import torch

    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    network = core.compile_model(core.read_model(graph()), "CPU", settings)
    return lambda crops: torch.from_numpy(network(torch.as_tensor(crops).cpu().numpy())[0].copy())


def on_onnxruntime(extractor: ReadFeatures, graph: Callable[[], bytes]) -> ReadFeatures:
    """The graph on the CPU, run by ONNX Runtime; raises ImportError without the extra `onnx`."""
    with needs_extra("--runtime onnxruntime", "onnxruntime", "onnx"):
        import onnxruntime
    import torch

    session = onnxruntime.InferenceSession(graph(), providers=["CPUExecutionProvider"])
    return lambda crops: torch.from_numpy(session.run(None, {"crops": torch.as_tensor(crops).cpu().numpy()})[0])


RUNTIMES: dict[str, Callable[[ReadFeatures, Callable[[], bytes]], ReadFeatures]] = {
    "torch": lambda extractor, graph: extractor,  # on whichever device it is
    "openvino": on_openvino,
    "onnxruntime": on_onnxruntime,
}
"""By name: each takes an extractor, and what writes its graph."""
