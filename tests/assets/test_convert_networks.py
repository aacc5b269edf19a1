import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from official_files import add, save, small_generator
from reference import recipe, state
from safetensors.torch import load_file
from torch import nn

from vibe import assets, convert
from vibe.models.generator import VIBE
from vibe.models.gru import EncoderConfig, GRUEncoder
from vibe.models.regressor import Regressor, RegressorConfig


def refused(path):
    (answer,) = convert.add([path])
    assert isinstance(answer, convert.Refused)
    return answer.reason


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_sizes_of_a_generator_are_read_off_and_build_the_network(layers, bidirectional, linear, empty, tmp_path):
    hidden = 4 if linear or bidirectional else 8
    tensors = small_generator(8, hidden, layers, bidirectional, linear)
    path = add(save(tmp_path / "mine.pth.tar", {"gen_state_dict": tensors, "performance": 60.0}))
    assert path == empty / "mine.safetensors"
    sizes = assets.load_recipe("mine")
    assert sizes["evidence"] == "images" and sizes["body"] == "smpl"
    encoder, regressor = EncoderConfig(**sizes["encoder"]), RegressorConfig(**sizes["regressor"])
    assert encoder == EncoderConfig(8, hidden, layers, bidirectional, linear)
    assert regressor == replace(RegressorConfig(), features=8, hidden=5)
    network = VIBE(nn.Identity(), GRUEncoder(encoder), Regressor(regressor))
    network.load_state_dict(load_file(path))


@pytest.mark.parametrize(
    ("file", "performance", "name"),
    [
        ("x.pth.tar", 56.56075, "official"),
        ("x.pth.tar", 52.0008, "official-3dpw"),
        ("vibe_model_w_3dpw.pth.tar", np.float64(56.56075), "official"),
        ("vibe_model_w_3dpw.pth.tar", 70.0, "official-3dpw"),
        ("vibe_model_wo_3dpw.pth.tar", None, "official"),
        ("my best one!.pth.tar", 55.0, "my-best-one"),
        ("official.pth.tar", 55.0, "official-mine"),
        ("open.pth.tar", torch.tensor(55.0), "open-mine"),
    ],
)
def test_the_error_that_a_checkpoint_holds_tells_which_it_is_or_else_its_name(file, performance, name, empty, tmp_path):
    content = {"gen_state_dict": small_generator(), "performance": performance}
    assert add(save(tmp_path / file, content)) == empty / f"{name}.safetensors"


def test_body_data_is_dropped_wherever_it_is(empty, tmp_path):
    body = {f"regressor.smpl.{name}": torch.ones(2) for name in ("betas", "posedirs", "later_name")}
    body["regressor.smpl.vertex_joint_selector.extra_joints_idxs"] = torch.arange(21)
    content = {"gen_state_dict": body | small_generator()}
    assert load_file(add(save(tmp_path / "a.pth", content))).keys() == small_generator().keys()


def test_a_start_that_is_missing_comes_from_the_mean_parameters(empty, tmp_path, shared):
    tensors = {name: value for name, value in small_generator().items() if "init_" not in name}
    path = save(tmp_path / "a.pth", {"gen_state_dict": tensors})
    reason = refused(path)
    assert "regressor.init_pose" in reason and "smpl_mean_params.npz" in reason
    mean = recipe(shared).mean_params()
    np.savez(tmp_path / "b", **mean)
    checkpoint, parameters = convert.add([path, tmp_path / "b.npz"])
    assert parameters.path.name == "smpl_mean_params.npz"
    np.testing.assert_array_equal(load_file(checkpoint.path)["regressor.init_cam"][0], mean["cam"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regressor.fc2.bias": None}, "lacks regressor.fc2.bias"),
        ({"encoder.gru.bias_hh_l0": None, "encoder.linear.bias": None}, "encoder.gru.bias_hh_l0, encoder.linear.bias"),
        ({"hmr.conv1.weight": torch.ones(2)}, "unknown hmr.conv1.weight"),
        ({"encoder.gru.weight_ih_l0_reverse": torch.ones(12, 8)}, "lacks encoder.gru.weight_hh_l0_reverse"),
        ({"regressor.decpose.weight": torch.ones(100, 5)}, r"decpose.weight is \(100, 5\), expected \(144, 5\)"),
        ({"regressor.fc1.weight": torch.ones(5, 200)}, "gives 8 numbers, its regressor reads 43"),
        ({"encoder.gru.weight_ih_l0": torch.ones(12)}, r"weight_ih_l0 .* have the shapes \(12,\)"),
        ({"encoder.linear.weight": None, "encoder.linear.bias": None}, "gives 4 numbers, its regressor reads 8"),
        ({"regressor.fc2.bias": torch.full((5,), torch.nan)}, "regressor.fc2.bias holds a number that is not finite"),
        ({"regressor.fc2.bias": torch.full((5,), -torch.inf)}, "regressor.fc2.bias holds a number that is not finite"),
        ({"regressor.fc2.bias": torch.ones(5, dtype=torch.int64)}, "regressor.fc2.bias.*kind"),
        ({"regressor.fc2.bias": 7}, "regressor.fc2.bias is no tensor"),
    ],
)
@pytest.mark.parametrize("legacy", [True, False])
def test_a_parameter_that_is_not_as_it_should_be_is_named(change, message, legacy, empty, tmp_path):
    tensors = {name: value for name, value in (small_generator() | change).items() if value is not None}
    reason = refused(save(tmp_path / "a.pth", {"gen_state_dict": tensors}, legacy))
    with pytest.raises(ValueError, match=message):
        raise ValueError(reason)
    assert not empty.exists()


def test_a_frame_network_with_a_parameter_missing_names_it(empty, tmp_path, shared):
    thin = {
        name: value[..., :1].expand_as(value) if value.ndim else value for name, value in state(shared, "hmr").items()
    }
    del thin["layer3.4.bn2.running_var"]
    assert "lacks layer3.4.bn2.running_var" in refused(save(tmp_path / "a.pth", {"model": thin}, legacy=False))


def test_a_checkpoint_of_another_network_is_refused_with_what_it_holds(empty, tmp_path):
    reason = refused(save(tmp_path / "a.pth", {"model": {"backbone.weight": torch.ones(2)}}))
    assert "another network" in reason and "backbone.weight" in reason


def test_training_checkpoints_are_taken_under_their_own_name(empty, tmp_path):
    about = {"name": "run-7", "licence": "free", "network": {"width": 2}}
    layer = nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(3)).sum().backward()
    optimiser.step()
    content = {"recipe": json.dumps(about), "step": 9, "network": layer.state_dict(), "average": layer.state_dict()}
    path = add(save(tmp_path / "checkpoint.pt", content | {"optimiser": optimiser.state_dict()}, legacy=False))
    assert path == empty / "run-7.safetensors" == assets.weights_path("run-7")
    tensors, weights = assets.load_weights("run-7")
    assert torch.equal(tensors["weight"], layer.weight.half())
    assert (weights.name, weights.licence, assets.load_recipe("run-7")) == ("run-7", "free", about)
    path.rename(tmp_path / "weights.safetensors")
    assert add(tmp_path / "weights.safetensors") == path


def test_a_run_that_bears_the_name_of_a_published_set_does_not_replace_it(empty, tmp_path):
    for name in ("official", "open"):
        content = {"recipe": json.dumps({"name": name, "licence": "free"}), "step": 1, "average": {"a": torch.ones(2)}}
        path = add(save(tmp_path / "checkpoint.pt", content))
        assert path.name == f"{name}-mine.safetensors"
        path.rename(tmp_path / "weights.safetensors")
        assert add(tmp_path / "weights.safetensors") == path
