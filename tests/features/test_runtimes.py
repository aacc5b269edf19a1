import sys
from functools import partial

import numpy as np
import pytest
import torch

from vibe.features.extractor import Extractor, cut
from vibe.features.onnx_graph import eight_bit, find_ranges, write_graph
from vibe.features.resnet import ResNet50
from vibe.features.runtimes import RUNTIMES

others = pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])


@pytest.fixture(scope="module")
def extractor(network: ResNet50) -> Extractor:
    return Extractor(network)


@pytest.fixture(scope="module")
def crops(frames: np.ndarray) -> np.ndarray:
    box = torch.tensor([[80.0, 60.0, 90.0, 110.0]])
    return np.concatenate([cut(rgb, box) for rgb in frames])


@others
def test_a_runtime_gives_what_torch_gives_for_any_number_of_crops(
    extractor: Extractor, crops: np.ndarray, runtime: str
) -> None:
    pytest.importorskip(runtime)
    pytest.importorskip("onnx")
    read, some = RUNTIMES[runtime](extractor, partial(write_graph, extractor)), crops[:3]
    first = read(some)
    torch.testing.assert_close(first, extractor(some), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(read(torch.from_numpy(some[:1])), first[:1], rtol=1e-4, atol=1e-4)


@others
def test_eight_bits_are_near_and_the_error_told_is_the_error_made(
    extractor: Extractor, crops: np.ndarray, runtime: str
) -> None:
    pytest.importorskip(runtime)
    pytest.importorskip("onnx")
    some = crops[:8]
    rough = eight_bit(extractor, some, runtime)
    truth = extractor(some[1::2])
    off = (rough.read(some[1::2]) - truth).square().mean().sqrt()
    assert rough.error == pytest.approx(float(off / truth.square().mean().sqrt()), rel=1e-3)
    assert 1e-5 < rough.error < 0.03 and rough.error < rough.error_of_spread


def test_ranges_hold_everything_that_the_convolutions_read(extractor: Extractor, crops: np.ndarray) -> None:
    ranges = find_ranges(extractor, crops)
    assert len(ranges) == 52 and "conv1" not in ranges
    assert all(low <= 0 < high for low, high in ranges.values())
    first = find_ranges(extractor, crops[:1])
    assert all(ranges[name][1] >= high for name, (_, high) in first.items())


def test_torch_runs_the_extractor_itself_and_no_eight_bits(extractor: Extractor, crops: np.ndarray) -> None:
    assert RUNTIMES["torch"](extractor, partial(write_graph, extractor)) is extractor
    with pytest.raises(ValueError, match="choose openvino or onnxruntime"):
        eight_bit(extractor, crops[:8], "torch")


def test_too_few_crops_for_eight_bits_are_refused(extractor: Extractor, crops: np.ndarray) -> None:
    with pytest.raises(ValueError, match="3 crops are too few"):
        eight_bit(extractor, crops[:3])


@pytest.mark.parametrize(
    ("missing", "runtime", "extra"),
    [
        ("openvino", "openvino", r"vibe-motion\[openvino\]"),
        ("onnxruntime", "onnxruntime", r"vibe-motion\[onnx\]"),
        ("onnx", "onnxruntime", r"vibe-motion\[onnx\]"),
    ],
)
def test_a_runtime_that_is_not_installed_names_its_extra(extractor, monkeypatch, missing, runtime, extra) -> None:
    if missing != runtime:
        pytest.importorskip(runtime)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=extra):
        RUNTIMES[runtime](extractor, partial(write_graph, extractor))
