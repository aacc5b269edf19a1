"""Run folders that are damaged."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from vibe import assets
from vibe.errors import check_same
from vibe.train import checkpoints
from vibe.train.priors import PRIOR_RECIPES

RECIPE = PRIOR_RECIPES["vposer"]


@pytest.fixture
def parts():
    layer = torch.nn.Linear(2, 2)
    return {"network": layer, "optimiser": torch.optim.Adam(layer.parameters())}


@pytest.fixture
def path(tmp_path, parts):
    checkpoints.save_checkpoint(tmp_path / "checkpoint.pt", RECIPE, parts, 3, 0.5)
    return tmp_path / "checkpoint.pt"


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e5])
def test_weights_that_half_precision_cannot_hold_leave_those_before(tmp_path, value):
    layer, path = torch.nn.Linear(2, 2), tmp_path / "weights.safetensors"
    checkpoints.save_weights(path, RECIPE, 1, layer)
    before = path.read_bytes()
    layer.bias.data[1] = value
    with pytest.raises(FloatingPointError, match="bias is no number in half .* step 2, and .* was not written"):
        checkpoints.save_weights(path, RECIPE, 2, layer)
    assert path.read_bytes() == before


def test_a_checkpoint_comes_back(path, parts):
    assert checkpoints.load_checkpoint(path, RECIPE, parts) == (3, 0.5)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_checkpoint_that_is_cut_off_is_refused_by_its_name(path, parts, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"checkpoint\.pt is no checkpoint that can be gone on with"):
        checkpoints.load_checkpoint(path, RECIPE, parts)


@pytest.mark.parametrize("changes", [{"step": "x"}, {"best": None}, {"parts": []}, {"recipe": "{"}, {"recipe": "[]"}])
def test_a_checkpoint_of_other_values_is_refused_by_its_name(path, parts, changes):
    torch.save(torch.load(path, weights_only=True) | changes, path)
    with pytest.raises(ValueError, match=r"checkpoint\.pt"):
        checkpoints.load_checkpoint(path, RECIPE, parts)


def flipped(content: bytes, bit: int) -> bytes:
    """The content with one bit changed."""
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_no_checkpoint_with_one_bit_changed_is_read(path, parts):
    content, random = path.read_bytes(), np.random.default_rng(0)
    bits = {*random.integers(8 * len(content), size=400).tolist(), *range(8 * (len(content) - 70), 8 * len(content), 7)}
    before = {name: tensor.clone() for name, tensor in parts["network"].state_dict().items()}
    for bit in sorted(bits):
        path.write_bytes(flipped(content, bit))
        with pytest.raises(ValueError, match=r"checkpoint\.pt is no checkpoint that can be gone on with"):
            checkpoints.load_checkpoint(path, RECIPE, parts)
    assert all(torch.equal(before[name], tensor) for name, tensor in parts["network"].state_dict().items())


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it_with_a_warning(path, parts):
    checkpoints.save_checkpoint(path, RECIPE, parts, 6, 0.25, keep=True)
    assert checkpoints.load_checkpoint(path, RECIPE, parts) == (6, 0.25)
    path.write_bytes(flipped(path.read_bytes(), 999))
    with pytest.warns(UserWarning, match=r"checkpoint\.pt is no checkpoint .*; going on from checkpoint\.before\.pt"):
        assert checkpoints.load_checkpoint(path, RECIPE, parts) == (3, 0.5)
    path.unlink()
    assert checkpoints.load_checkpoint(path, RECIPE, parts) == (3, 0.5)
    path.with_name("checkpoint.before.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"checkpoint\.before\.pt is no checkpoint"):
        checkpoints.load_checkpoint(path, RECIPE, parts)


def test_a_checkpoint_is_a_file_that_torch_and_zip_readers_read(path, parts):
    assert torch.load(path, weights_only=True)["step"] == 3
    assert zipfile.ZipFile(path).testzip() is None


def test_no_weights_with_one_bit_changed_are_read(tmp_path, parts):
    file = tmp_path / "weights.safetensors"
    checkpoints.save_weights(file, RECIPE, 1, parts["network"])
    content, random = file.read_bytes(), np.random.default_rng(0)
    assert assets.load_weights(file)[1].licence == RECIPE.licence
    for bit in random.permutation(8 * len(content))[:600].tolist():
        file.write_bytes(flipped(content, bit))
        with pytest.raises(ValueError, match=r"weights\.safetensors"):
            assets.load_weights(file)


def test_parts_of_another_shape_are_refused_by_the_files_name(path, parts):
    state = torch.load(path, weights_only=True)
    state["parts"]["network"]["weight"] = torch.zeros(3, 3)
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"checkpoint\.pt does not fit its own recipe"):
        checkpoints.load_checkpoint(path, RECIPE, parts)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"recipe": 3}', b'{"sources": {}}', b"\xff\xfe", b"[" * 99_999]
)
def test_a_folder_whose_own_words_are_damaged_is_refused_by_the_files_name(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.json is damaged"):
        checkpoints.open_run_folder(tmp_path, RECIPE, {})


def test_a_message_about_another_recipe_has_an_end():
    with pytest.raises(ValueError, match="another recipe") as caught:
        check_same(Path("x"), {"a": "y" * 9999}, {"a": "z"}, "recipe")
    assert len(str(caught.value)) < 1200


@pytest.mark.parametrize("line", [b"{\n", b"[]\n", b"{}\n", b'{"step": "x"}\n', b"\xff\n"])
def test_a_damaged_log_is_named_with_its_line(tmp_path, line):
    (tmp_path / checkpoints.LOG).write_bytes(b'{"step": 1}\n' + line + b'{"step": 2}\n')
    with pytest.raises(ValueError, match=rf"{checkpoints.LOG} is damaged in line"):
        checkpoints.cut_log(tmp_path / checkpoints.LOG, 5)


def test_a_line_that_was_not_finished_is_no_damage(tmp_path):
    (tmp_path / checkpoints.LOG).write_text(json.dumps({"step": 1}) + "\n" + '{"step": 2, "lo')
    checkpoints.cut_log(tmp_path / checkpoints.LOG, 5)
    assert (tmp_path / checkpoints.LOG).read_text() == '{"step": 1}\n'
