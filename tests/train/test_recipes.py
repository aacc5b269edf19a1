import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from vibe.train.priors import PRIOR_RECIPES
from vibe.train.recipes import ABLATIONS, PAPER_KEYPOINTS, PAPER_RECIPE, PAPER_RECIPES, RECIPES

EVERY = {**RECIPES, **PAPER_RECIPES, **PRIOR_RECIPES, **{each.name: each for each in ABLATIONS.values()}}


@pytest.mark.parametrize("name", EVERY)
def test_a_recipe_bears_its_name_and_is_strict_json(name: str) -> None:
    recipe: Any = EVERY[name]
    assert recipe.name == name
    plain = json.loads(json.dumps(asdict(recipe), allow_nan=False))
    assert plain["name"] == name and plain["steps"] > 0


def test_the_rows_of_the_ablations_differ_from_one_another_and_see_as_many_frames() -> None:
    rows = [replace(each, name="") for each in ABLATIONS.values()]
    assert all(one != two for place, one in enumerate(rows) for two in rows[:place])
    assert {each.synthesis.batch * each.synthesis.frames for each in rows} == {512}
    assert {each.synthesis.labelled for each in rows} == {0.4}


def test_on_keypoints_the_paper_s_recipe_differs_in_its_evidence_alone() -> None:
    paper, mine = PAPER_RECIPE, PAPER_KEYPOINTS
    for name in ("steps", "rate", "schedule", "decay", "clip", "average", "adversarial", "discriminator", "losses"):
        assert getattr(mine, name) == getattr(paper, name), name
    assert (mine.network.encoder, mine.network.regressor) == (paper.encoder, paper.regressor)
    assert (mine.synthesis.batch, mine.synthesis.frames, mine.synthesis.rendered) == (paper.batch, paper.frames, 1)
    assert mine.synthesis.labelled * paper.batch == paper.batch - int(paper.ratio * paper.batch)
