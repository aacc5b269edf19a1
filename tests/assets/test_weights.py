import json

import pytest
import torch
from safetensors.torch import save_file

from vibe import assets
from vibe.assets import weights as module


@pytest.fixture(autouse=True)
def empty_home(monkeypatch, tmp_path):
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.prefix", str(tmp_path / "environment"))
    assets.home().mkdir()


def weights(path, **metadata):
    whole = {"name": "test", "licence": "free", "recipe": json.dumps({"width": 8})}
    save_file({"weight": torch.eye(2)}, path, {k: v for k, v in (whole | metadata).items() if v is not None})
    return path


def test_weights_come_with_their_name_licence_hash_and_recipe(tmp_path):
    path = weights(tmp_path / "a.safetensors")
    tensors, about = assets.load_weights(path)
    assert torch.equal(tensors["weight"], torch.eye(2))
    assert (about.name, about.licence, about.sha256) == ("test", "free", assets.sha256(path))
    assert assets.load_recipe(path) == {"width": 8}


@pytest.mark.parametrize("metadata", [{"licence": None}, {"recipe": "{"}, {"recipe": None}])
def test_weights_without_whole_metadata_are_refused(tmp_path, metadata):
    with pytest.raises(ValueError, match="vibe train"):
        assets.load_weights(weights(tmp_path / "a.safetensors", **metadata))


def test_weights_that_are_not_numbers_or_no_weights_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"weight": torch.tensor([1.0, float("nan")])}, path, {"name": "a", "licence": "b", "recipe": "{}"})
    with pytest.raises(ValueError, match="not finite"):
        assets.load_weights(path)
    path.write_bytes(b"junk")
    with pytest.raises(ValueError, match="not a weights file"):
        assets.load_weights(path)
    with pytest.raises(FileNotFoundError, match="no weights"):
        assets.load_weights(tmp_path / "absent.safetensors")


def test_official_means_the_other_published_generator_where_only_that_is_here():
    with pytest.raises(FileNotFoundError, match="vibe_model_wo_3dpw.pth.tar.*vibe assets add FILE"):
        assets.weights_path("official")
    other = weights(assets.home() / "official-3dpw.safetensors")
    assert assets.weights_path("official") == other == assets.weights_path("official-3dpw")
    first = weights(assets.home() / "official.safetensors")
    assert assets.weights_path("official") == first


def test_a_name_of_a_shipped_set_is_not_taken_by_one_of_the_users():
    shipped = assets.weights_path("open")
    weights(assets.home() / "open.safetensors")
    assert assets.weights_path("open") == assets.weights_path() == shipped


def test_a_set_of_the_users_own_is_found_by_name_and_listed():
    mine = weights(assets.home() / "mine.safetensors")
    assert assets.weights_path("mine") == mine
    with pytest.raises(FileNotFoundError, match=r"mine, .*open"):
        assets.weights_path("yours")


def test_shipped_weights_are_those_that_the_source_knows(tmp_path, monkeypatch):
    files = sorted(module.SHIPPED.glob("*.safetensors"))
    assert {file.name: assets.sha256(file) for file in files} == module.SHIPPED_SHA256
    changed = bytearray(files[0].read_bytes())
    changed[len(changed) // 2] ^= 4
    (tmp_path / files[0].name).write_bytes(changed)
    monkeypatch.setattr(module, "SHIPPED", tmp_path)
    with pytest.raises(ValueError, match=f"{files[0].name} is damaged: .*SHA-256"):
        assets.load_weights(tmp_path / files[0].name)


def test_weights_of_an_older_version_have_no_sum_and_nothing_unknown(tmp_path):
    assert assets.load_weights(weights(tmp_path / "a.safetensors", step="3"))[0].keys() == {"weight"}
    with pytest.raises(ValueError, match="SHA-256"):
        assets.load_weights(weights(tmp_path / "b.safetensors", sha257="3"))
