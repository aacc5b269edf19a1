from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vibe.models.network import build_network
from vibe.train.checkpoints import save_weights
from vibe.train.recipes import AdversarialConfig, PriorConfig, Recipe
from vibe.train.state import TrainState, build_train_state, input_weights


def players(recipe: Recipe) -> TrainState:
    return build_train_state(recipe, lambda: build_network(recipe.network), torch.device("cpu"))


def test_who_takes_part_follows_from_the_recipe(tiny: Recipe) -> None:
    assert set(players(tiny).parts()) == {"network", "average", "optimiser of network"}
    both = replace(tiny, adversarial=AdversarialConfig(weight=0.5), schedule="plateau")
    assert set(players(both).parts()) - set(players(tiny).parts()) == {
        "discriminator", "optimiser of discriminator", "plateau of network", "plateau of discriminator",
    }  # fmt: skip


def test_a_discriminator_changes_nothing_about_the_generator_s_first_parameters(tiny: Recipe) -> None:
    with_one = players(replace(tiny, adversarial=AdversarialConfig(weight=0.5)))
    for one, two in zip(with_one.network.parameters(), players(tiny).network.parameters(), strict=True):
        assert torch.equal(one, two)


def test_rates_and_decays_are_the_recipe_s(tiny: Recipe) -> None:
    config = AdversarialConfig(weight=0.5, rate=3e-4, decay=1e-4)
    groups = {
        name: each.param_groups[0] for name, each in players(replace(tiny, adversarial=config)).optimisers.items()
    }
    assert (groups["network"]["lr"], groups["network"]["weight_decay"]) == (1.5e-3, 0.01)
    assert (groups["discriminator"]["lr"], groups["discriminator"]["weight_decay"]) == (3e-4, 1e-4)


def test_a_generator_starts_from_the_single_frame_model_that_has_no_encoder(tiny: Recipe, tmp_path: Path) -> None:
    frame = replace(tiny, seed=5, network=replace(tiny.network, encoder=None))
    save_weights(tmp_path / "frame.safetensors", frame, 1, players(frame).network)
    begun = replace(tiny, start=str(tmp_path / "frame.safetensors"))
    started, fresh, frame_network = players(begun).network, players(tiny).network, players(frame).network
    for part in ("embedding", "regressor"):
        one, two = getattr(started, part).state_dict(), getattr(frame_network, part).state_dict()
        assert all(torch.allclose(one[key], two[key], atol=1e-3) for key in two), part
    features = torch.randn(2, 5, 16)
    assert torch.equal(started.encoder(features), features) and not torch.equal(fresh.encoder(features), features)
    assert not torch.allclose(started.regressor.fc1.weight, fresh.regressor.fc1.weight, atol=1e-3)
    assert input_weights(begun) == {"start": tmp_path / "frame.safetensors"}


def test_a_start_of_other_sizes_is_refused(tiny: Recipe, tmp_path: Path) -> None:
    wide = replace(tiny, network=replace(tiny.network, regressor=replace(tiny.network.regressor, hidden=20)))
    save_weights(tmp_path / "wide.safetensors", wide, 1, players(wide).network)
    with pytest.raises(ValueError, match="the regressor of .* does not fit"):
        players(replace(tiny, start=str(tmp_path / "wide.safetensors")))


def test_a_start_that_is_no_generator_is_refused(tiny: Recipe, tmp_path: Path) -> None:
    save_weights(tmp_path / "line.safetensors", tiny, 1, torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="no part of a generator"):
        players(replace(tiny, start=str(tmp_path / "line.safetensors")))


def test_a_prior_that_is_not_here_is_named(tiny: Recipe) -> None:
    with pytest.raises(FileNotFoundError, match="no-such-prior"):
        players(replace(tiny, prior=PriorConfig(weight=1.0, weights="no-such-prior")))
    assert input_weights(replace(tiny, prior=PriorConfig(weight=0.0, weights="no-such-prior"))) == {}
