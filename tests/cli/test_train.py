"""`vibe train`: recipes by name, their fields from the command line, records on the screen."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vibe import cli
from vibe.cli.progress import ProgressLine
from vibe.train import loop, priors
from vibe.train.priors import PRIOR_RECIPES
from vibe.train.recipes import RECIPES
from vibe.train.trainer import NotANumber


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Path, str]]:
    """What the trainers were asked for; none of them trains."""
    calls: list[tuple[Any, Path, str]] = []

    def train(recipe: Any, folder: Path, device: str = "cpu", progress: Any = None) -> Iterator[dict[str, float]]:
        calls.append((recipe, folder, device))
        yield {"step": 50.0, "loss": 0.25}

    monkeypatch.setattr(loop, "train_generator", train)
    monkeypatch.setattr(priors, "train_prior", train)
    return calls


def test_a_name_alone_is_the_recipe_as_it_is(asked, tmp_path, capsys):
    assert run("train", "open", "-o", tmp_path) == 0
    assert asked == [(RECIPES["open"], tmp_path, "cpu")]
    said = capsys.readouterr()
    assert said.out == f"step 50  loss 0.25\n{tmp_path / 'weights.safetensors'}\n"


def test_the_folder_may_stand_before_the_name(asked, tmp_path):
    assert run("train", "-o", tmp_path, "open-nc") == 0
    assert asked == [(RECIPES["open-nc"], tmp_path, "cpu")]


def test_without_a_folder_the_run_is_named_after_its_recipe(asked):
    assert run("train", "open", "--epochs", "2", "--discriminator.pooling", "concat") == 0
    [(recipe, folder, _)] = asked
    assert folder == Path("runs/open") and recipe.steps == 2 * recipe.validate_every
    assert recipe.discriminator.pooling == "concat"


@pytest.mark.parametrize("name", [*RECIPES, *PRIOR_RECIPES])
def test_every_recipe_has_its_trainer_and_stands_in_the_help(name, asked, tmp_path, capsys):
    assert run("train", name, "-o", tmp_path) == 0
    assert asked[0][0] == {**RECIPES, **PRIOR_RECIPES}[name]
    capsys.readouterr()
    assert run("train", "--help") == 0
    assert name in capsys.readouterr().out.replace(",", " ").split()


def test_any_field_can_be_given_another_value(asked, tmp_path):
    options = "--steps 200 --adversarial.weight 0.5 --discriminator.pooling concat --network.encoder.hidden 64"
    assert run("train", "open", "-o", tmp_path, "--device", "cuda:1", *options.split()) == 0
    given = RECIPES["open"]
    discriminator = replace(given.discriminator, pooling="concat")
    assert given.network.encoder is not None
    wanted = replace(
        given, steps=200, adversarial=replace(given.adversarial, weight=0.5), discriminator=discriminator,
        network=replace(given.network, encoder=replace(given.network.encoder, hidden=64)),
    )  # fmt: skip
    assert asked == [(wanted, tmp_path, "cuda:1")]


def test_a_field_that_is_true_or_false_is_given_as_such(asked, tmp_path):
    assert run("train", "paper", "-o", tmp_path, *"--labels.fit True --encoder.bidirectional True".split()) == 0
    assert run("train", "open", "-o", tmp_path, *"--network.encoder.bidirectional False".split()) == 0
    (paper, *_), (plain, *_) = asked
    assert paper.labels.fit and paper.encoder.bidirectional and not plain.network.encoder.bidirectional


def test_a_prior_s_fields_are_its_own(asked, tmp_path):
    assert run("train", "mposer", "-o", tmp_path, "--batch", "8", "--prior.hidden", "32") == 0
    given = PRIOR_RECIPES["mposer"]
    assert asked[0][0] == replace(given, batch=8, prior=replace(given.prior, hidden=32))


def test_epochs_are_counted_in_steps_from_validation_to_validation(asked, tmp_path):
    assert run("train", "open", "-o", tmp_path, "--epochs", "2", "--validate-every", "30") == 0
    assert asked[0][0] == replace(RECIPES["open"], steps=60, validate_every=30)


def test_help_of_a_recipe_lists_its_fields_with_their_values(asked, capsys):
    assert run("train", "frame", "--help") == 0
    said = capsys.readouterr().out
    for option in ("--out RUN", "--epochs N", "--seed INT", "--discriminator.pooling", "--prior.weight FLOAT"):
        assert option in said, option
    assert asked == []


@pytest.mark.parametrize("wrong", ["--nonsense 3", "--steps many", "--discriminator.pooling median"])
def test_what_is_no_option_of_the_recipe_is_exit_code_2(wrong, asked, tmp_path, capsys):
    assert run("train", "open", "-o", tmp_path, *wrong.split()) == 2
    assert capsys.readouterr().err and asked == []


def test_an_unknown_recipe_is_exit_code_2_and_the_names_are_said(tmp_path, capsys):
    assert run("train", "closed", "-o", tmp_path) == 2
    assert "no recipe is called closed: choose one of open, open-nc," in capsys.readouterr().err


def test_the_other_processes_of_a_team_say_nothing(asked, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    assert run("train", "open", "-o", tmp_path) == 0
    assert len(asked) == 1 and capsys.readouterr() == ("", "")


def test_a_loss_that_is_no_number_is_one_line_and_exit_code_1(tmp_path, capsys, monkeypatch):
    def train(*_: Any) -> Iterator[dict[str, float]]:
        raise NotANumber("the loss is nan at step 7", {})
        yield {}

    monkeypatch.setattr(loop, "train_generator", train)
    assert run("train", "open", "-o", tmp_path) == 1
    assert capsys.readouterr().err == "vibe: the loss is nan at step 7\n"


def test_a_run_made_and_taken_up_on_the_command_line(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "motion"
    folder.mkdir()
    poses = 0.3 * np.sin(np.arange(120)[:, None] / 20 + np.arange(72))
    np.savez(
        folder / "tiny.npz", poses=poses, trans=np.zeros((120, 3)), seq_offsets=np.array([0, 60, 120]),
        names=np.array(["cmu_01_01", "cmu_03_01"]), fps=30,
    )  # fmt: skip
    monkeypatch.setenv("VIBE_MOTION", str(folder))
    options = ["--motion", "tiny.npz", "--steps", "2", "--synthesis.batch", "2", "--synthesis.frames", "4"]
    command = ["train", "frame", "-o", tmp_path / "run", *options, "--network.regressor.hidden", "8"]
    assert run(*command) == 0
    said = capsys.readouterr()
    assert said.out.startswith("step 2  ") and "noisy_pa_mpjpe_mm" in said.out and "frame: training" in said.err
    assert run(*command) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'run' / 'weights.safetensors'}\n"
    assert run(*command, "--rate", "0.5") == 1
    assert "another recipe (rate: 0.0015 there, 0.5 here)" in capsys.readouterr().err


def test_a_run_that_goes_on_tells_the_time_that_its_own_steps_take(monkeypatch, capsys):
    clock = iter([0.0, 0.0, 20.0])
    monkeypatch.setattr("vibe.cli.progress.time.monotonic", lambda: next(clock))
    with ProgressLine("open") as progress:
        progress("training", 900, 1000)
        progress("training", 920, 1000)
    assert capsys.readouterr().err.splitlines() == ["open: training", "open: training, 92%, 0:01:20 left"]
