"""What the paper compares with, trained by recipe: shuffled order, past and future, a hallucinator."""

from dataclasses import replace
from pathlib import Path

import clip_sets
import pytest
import torch
from training_log import read_log

from vibe.models.attention import AttentionConfig, OrderConfig
from vibe.models.convolutional import ConvolutionalConfig, DynamicsConfig, HallucinatorConfig
from vibe.models.network import load_network
from vibe.train.loop import train_generator
from vibe.train.losses import TemporalConfig
from vibe.train.recipes import SUN, TEMPORAL_HMR, PaperRecipe, Recipe
from vibe.train.task_features import clip_mixture, stores_in

SIZES = TemporalConfig(
    order_recovery=OrderConfig(hidden=8, heads=2, layers=1),
    past_future=DynamicsConfig(hidden=8, dropout=0.0, offsets=(-2, 2)),
    hallucinator=HallucinatorConfig(hidden=8),
)
ENCODERS = {
    "sun": AttentionConfig(hidden=8, heads=2, layers=1),
    "temporal-hmr": ConvolutionalConfig(blocks=1, kernel=1),
}


@pytest.fixture(params=[SUN, TEMPORAL_HMR], ids=lambda recipe: recipe.name)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> PaperRecipe:
    """A recipe with all that its losses need, in sizes that run in seconds."""
    given: PaperRecipe = request.param
    clip_sets.write_sets(tmp_path / "sets")
    tiny = clip_sets.tiny_recipe(tmp_path / "sets")
    weights = {name: getattr(given.temporal, name) for name in ("order", "dynamics", "hallucination")}
    return replace(
        tiny, name=given.name, encoder=ENCODERS[given.name], adversarial=given.adversarial, steps=4, batch=4,
        temporal=replace(SIZES, **weights),
    )  # fmt: skip


def test_each_recipe_logs_its_own_terms_and_no_discriminator_s(small: PaperRecipe, tmp_path: Path) -> None:
    list(train_generator(small, tmp_path / "run"))
    terms = read_log(tmp_path / "run")[0].keys()
    added = {"order"} if small.name == "sun" else {"hallucination", "pose-2", "pose+2", "keypoints_2d+2"}
    assert added <= terms and "adversarial" not in terms
    assert ("order" in terms) == (small.name == "sun")


def test_what_teaches_the_encoder_learns_but_does_not_ship(small: PaperRecipe, tmp_path: Path) -> None:
    list(train_generator(replace(small, steps=1), tmp_path / "run"))
    before = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["parts"]["heads"]
    list(train_generator(small, tmp_path / "longer"))
    after = torch.load(tmp_path / "longer" / "checkpoint.pt", weights_only=True)["parts"]["heads"]
    assert any(not torch.equal(before[name], after[name]) for name in before)
    shipped = load_network(tmp_path / "longer" / "weights.safetensors").model.state_dict()
    assert not any(name.startswith("heads") for name in shipped)


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(small: PaperRecipe, tmp_path: Path) -> None:
    whole = [record["loss"] for record in train_generator(small, tmp_path / "whole")]
    stopped = train_generator(small, tmp_path / "cut")
    first = [next(stopped)["loss"] for _ in range(3)]
    stopped.close()
    rest = [record["loss"] for record in train_generator(small, tmp_path / "cut")]
    assert len(rest) == 2 and first[:2] + rest == whole


def test_clips_shorter_than_the_look_ahead_are_refused(tmp_path: Path) -> None:
    clip_sets.write_sets(tmp_path / "sets")
    far = replace(SIZES, dynamics=1.0, past_future=replace(SIZES.past_future, offsets=(7,)))
    recipe = replace(clip_sets.tiny_recipe(tmp_path / "sets"), temporal=far)
    assert clip_mixture(recipe, stores_in(Path(recipe.data)))
    with pytest.raises(ValueError, match="take longer clips"):
        list(train_generator(recipe, tmp_path / "run"))


def test_past_and_future_are_not_learnt_from_imitated_examples(tiny: Recipe, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="vibe train temporal-hmr"):
        list(train_generator(replace(tiny, temporal=replace(SIZES, dynamics=1.0)), tmp_path / "run"))
