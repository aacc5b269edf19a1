"""Run folders that are damaged."""

import json
from pathlib import Path

import pytest
import torch

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
        checkpoints.check_same(Path("x"), {"a": "y" * 9999}, {"a": "z"})
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
