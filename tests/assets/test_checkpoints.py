import io
from time import process_time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vibe.assets import pickle_arrays
from vibe.assets.archives import Zip
from vibe.assets.pickles import Made

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
          torch.int8, torch.uint8, torch.bool]  # fmt: skip


def saved(value, legacy):
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def read(content, legacy):
    return pickle_arrays.from_legacy(content) if legacy else pickle_arrays.from_zip(Zip(io.BytesIO(content)))


def numbers(checkpoint, value):
    return torch.from_numpy(pickle_arrays.storage_view(checkpoint, value, "value").numbers().copy())


both = pytest.mark.parametrize("legacy", [True, False])


@both
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_tensor_comes_back_to_the_bit(dtype, legacy):
    tensor = (10 * torch.randn(3, 4)).to(dtype)
    checkpoint = read(saved(tensor, legacy), legacy)
    back = numbers(checkpoint, checkpoint.value)
    assert torch.equal(back, tensor.float() if dtype == torch.bfloat16 else tensor)


@both
def test_views_of_one_storage_come_back(legacy):
    base = torch.arange(60.0).reshape(3, 4, 5)
    views = [base, base[1:, :, 2], base.permute(2, 0, 1), base[0, 0, 0], base[:0], base.new_tensor(1).expand(2, 3)]
    checkpoint = read(saved({"views": views}, legacy), legacy)
    for value, wanted in zip(checkpoint.value["views"], views, strict=True):
        assert torch.equal(numbers(checkpoint, value), wanted)


@both
def test_a_module_and_its_optimiser_come_back(legacy):
    layer = nn.GRU(4, 3)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(2, 1, 4))[0].sum().backward()
    optimiser.step()
    value = {
        "a": layer.state_dict(),
        "b": optimiser.state_dict(),
        "c": nn.Parameter(torch.ones(2)),
        "d": torch.Size([1]),
    }
    checkpoint = read(saved(value, legacy), legacy)
    assert checkpoint.value["a"].keys() == layer.state_dict().keys()
    for name, wanted in layer.state_dict().items():
        assert torch.equal(numbers(checkpoint, checkpoint.value["a"][name]), wanted)
    assert checkpoint.value["b"]["param_groups"][0]["lr"] == optimiser.param_groups[0]["lr"]
    assert numbers(checkpoint, checkpoint.value["c"]).tolist() == [1, 1]
    assert isinstance(checkpoint.value["d"], Made)


def test_one_storage_is_read_once(monkeypatch):
    base = torch.randn(1000)
    archive = Zip(io.BytesIO(saved({"a": base[:500], "b": base[500:]}, legacy=False)))
    checkpoint = pickle_arrays.from_zip(archive)
    numbers(checkpoint, checkpoint.value["a"])
    monkeypatch.setattr(archive, "content", None)
    assert torch.equal(numbers(checkpoint, checkpoint.value["b"]), base[500:])


# Saved once: the old form names tensors by their places in memory, which another time have more or fewer digits.
WHOLE = {legacy: saved({"a": torch.arange(6.0), "b": np.float64(1)}, legacy) for legacy in (False, True)}


@both
@settings(max_examples=150)
@given(data=st.data())
def test_a_checkpoint_with_some_bytes_changed_is_read_or_refused(legacy, data):
    content = bytearray(WHOLE[legacy])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut, began = data.draw(st.integers(1, len(content))), process_time()
    try:
        checkpoint = read(bytes(content[:cut]), legacy)
        for name, value in checkpoint.value.items() if isinstance(checkpoint.value, dict) else ():
            pickle_arrays.storage_view(checkpoint, value, str(name)).numbers()
    except ValueError as error:
        assert str(error)
    assert process_time() - began < 2
