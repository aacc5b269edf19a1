"""The laws of every run, on a toy of four numbers that learns in no time."""

import json
import math
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from faults.kit import fill, full_disk, linux_only
from torch import nn
from training_log import read_log

from vibe.train.distributed import ProcessGroup
from vibe.train.recipes import AdversarialConfig, Recipe
from vibe.train.trainer import (
    NotANumber,
    TrainerConfig,
    finite_total,
    on_plateau,
    seed_step,
    seeded_generator,
    tensors_of,
    train_loop,
)


@dataclass(frozen=True)
class Toy:
    """A recipe."""

    name: str = "toy"
    rate: float = 0.1
    seed: int = 3
    steps: int = 12
    log_every: int = 2
    validate_every: int = 4
    save_every: int = 3


@dataclass(frozen=True)
class Batch:
    """What the toy learns from."""

    numbers: torch.Tensor
    more: dict[str, torch.Tensor]


def toy(folder: Path, recipe: Toy = Toy(), poison: int | None = None,
        scores: Callable[[int], float] = lambda step: -step) -> TrainerConfig:  # fmt: skip
    """A run that fits a line to noise; at the step `poison` its batch holds a number that is none."""
    torch.manual_seed(recipe.seed)
    network = nn.Sequential(nn.Linear(4, 1), nn.Dropout(0.5))
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.rate)
    taken = [0]

    def take_step(step: int) -> dict[str, float]:
        batch = Batch(torch.randn(8, 4, generator=seeded_generator(recipe.seed, step)), {"weight": torch.ones(8)})
        if step == poison:
            batch.numbers[2, 1] = torch.nan
        seed_step(recipe.seed, step)
        loss = finite_total({"square": (network(batch.numbers) - 1).square().mean()}, step, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        taken[0] = step + 1
        return {"loss": float(loss.detach())}

    return TrainerConfig(
        folder=folder, recipe=recipe,
        parts={"network": network, "optimiser": optimiser}, take_step=take_step,
        validate=lambda: {"error": float(scores(taken[0]))}, score="error",
        save_weights=lambda path, step: path.write_text(str(step)), data={"noise": "abc"},
    )  # fmt: skip


def finish(run: TrainerConfig) -> list[dict[str, float]]:
    return list(train_loop(run, ProcessGroup()))


def untimed(records: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{name: value for name, value in record.items() if name != "seconds_a_step"} for record in records]


def stop_at(run: TrainerConfig, step: int) -> None:
    """Let the run die within a step."""

    def dying(number: int) -> dict[str, float]:
        if number == step:
            raise KeyboardInterrupt
        return run.take_step(number)

    with pytest.raises(KeyboardInterrupt):
        finish(replace(run, take_step=dying))


@pytest.mark.parametrize("step", range(12))
def test_a_run_that_dies_in_any_step_goes_on_to_the_same_numbers_and_the_same_log(step: int, tmp_path: Path) -> None:
    finish(whole := toy(tmp_path / "whole"))
    stop_at(toy(tmp_path / "died"), step)
    finish(died := toy(tmp_path / "died"))
    for one, two in zip(whole.parts["network"].state_dict().values(), died.parts["network"].state_dict().values()):
        assert torch.equal(one, two)
    assert untimed(read_log(tmp_path / "whole")) == untimed(read_log(tmp_path / "died"))
    assert [record["step"] for record in read_log(tmp_path / "died")] == [2, 4, 6, 8, 10, 12]


def test_what_is_yielded_is_what_the_log_holds(tmp_path: Path) -> None:
    records = finish(toy(tmp_path))
    assert records == read_log(tmp_path)
    assert [record["step"] for record in records if "error" in record] == [4, 8, 12]


def test_a_log_cut_in_the_middle_of_a_line_is_mended(tmp_path: Path) -> None:
    stop_at(toy(tmp_path), 11)
    log = tmp_path / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-9])
    finish(toy(tmp_path))
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [2, 4, 6, 8, 10, 12]


def test_a_finished_run_does_nothing_more(tmp_path: Path) -> None:
    finish(toy(tmp_path))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert finish(toy(tmp_path)) == []
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


def test_last_and_best_are_kept_and_the_best_is_remembered_over_a_death(tmp_path: Path) -> None:
    scores = {4: 7.0, 8: 2.0, 12: 5.0}.__getitem__
    stop_at(toy(tmp_path, scores=scores), 10)
    finish(toy(tmp_path, scores=scores))
    assert (tmp_path / "best.safetensors").read_text() == "8"
    assert (tmp_path / "weights.safetensors").read_text() == "12"
    steps = {name: torch.load(tmp_path / name, weights_only=True)["step"] for name in ("best.pt", "checkpoint.pt")}
    assert steps == {"best.pt": 8, "checkpoint.pt": 12}


def test_every_score_is_told_to_the_schedule(tmp_path: Path) -> None:
    run = toy(tmp_path)
    plateau = on_plateau(run.parts["optimiser"])
    finish(replace(run, plateaus=[plateau]))
    assert plateau.last_epoch == 3 and plateau.best == -12


def test_a_batch_that_makes_no_number_stops_the_run_and_is_kept(tmp_path: Path) -> None:
    with pytest.raises(NotANumber, match=r"the loss is nan at step 7: .*nan_batch\.pt holds the batch"):
        finish(toy(tmp_path, poison=7))
    batch = torch.load(tmp_path / "nan_batch.pt", weights_only=True)
    assert batch["step"] == 7 and batch["numbers"].isnan().sum() == 1 and batch["more.weight"].shape == (8,)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 6


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_validation_that_finds_no_number_stops_the_run_and_what_was_trained_is_kept(
    score: float, tmp_path: Path
) -> None:
    with pytest.raises(NotANumber, match=f"the error is {score} after step 8"):
        finish(toy(tmp_path, scores=lambda step: score if step == 8 else 1.0))
    states = {name: torch.load(tmp_path / name, weights_only=True) for name in ("best.pt", "checkpoint.pt")}
    assert {name: (state["step"], state["best"]) for name, state in states.items()} == {
        "best.pt": (4, 1.0),
        "checkpoint.pt": (6, 1.0),
    }


def test_a_network_whose_answers_cannot_be_aligned_is_told_as_no_number(tmp_path: Path) -> None:
    aligned = lambda: {"error": float(torch.linalg.svdvals(torch.full((3, 3), torch.nan)).sum())}  # noqa: E731
    with pytest.raises(NotANumber, match="the validation after step 4 is of no numbers"):
        finish(replace(toy(tmp_path), validate=aligned))
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 3


@linux_only
def test_a_disk_that_is_full_ends_the_run_and_room_lets_it_go_on_to_the_same_numbers(tmp_path: Path) -> None:
    finish(whole := toy(tmp_path / "whole"))
    with full_disk(1 << 20) as disk:

        def filling(step: int) -> dict[str, float]:
            if step == 7:
                fill(disk)
            return run.take_step(step)

        run = toy(disk / "run")
        with pytest.raises(OSError, match="No space"):
            finish(replace(run, take_step=filling))
        (disk / "ballast").unlink()
        assert torch.load(disk / "run" / "checkpoint.pt", weights_only=True)["step"] == 6
        finish(run := toy(disk / "run"))
        for one, two in zip(whole.parts["network"].state_dict().values(), run.parts["network"].state_dict().values()):
            assert torch.equal(one, two)
        assert untimed(read_log(tmp_path / "whole")) == untimed(read_log(disk / "run"))


def test_tensors_are_found_in_records_within_records() -> None:
    assert list(tensors_of(torch.ones(1))) == ["batch"]
    assert list(tensors_of({"one": Batch(torch.ones(1), {"two": torch.ones(1)})})) == ["one.numbers", "one.more.two"]


def test_a_folder_of_another_recipe_is_refused_with_the_fields_that_differ(tmp_path: Path) -> None:
    finish(toy(tmp_path))
    with pytest.raises(ValueError, match=r"another recipe \(rate: 0\.1 there, 0\.5 here; seed: 3 there, 4 here\)"):
        finish(toy(tmp_path, replace(Toy(), rate=0.5, seed=4)))


def test_a_folder_whose_data_have_changed_is_refused(tmp_path: Path) -> None:
    finish(toy(tmp_path))
    with pytest.raises(ValueError, match="another data .noise: abc there, abd here"):
        finish(replace(toy(tmp_path), data={"noise": "abd"}))


@pytest.mark.parametrize("name", ["steps", "log_every", "validate_every", "save_every"])
def test_numbers_of_steps_below_one_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="steps, and those from log to log"):
        finish(toy(tmp_path, replace(Toy(), **{name: 0})))


def test_a_checkpoint_of_other_parts_is_refused(tmp_path: Path) -> None:
    finish(run := toy(tmp_path))
    with pytest.raises(ValueError, match="holds network, optimiser; this run is made of network"):
        finish(replace(run, parts={"network": run.parts["network"]}))


def test_the_folder_says_what_trained_on_what(tmp_path: Path) -> None:
    finish(toy(tmp_path))
    about = json.loads((tmp_path / "run.json").read_text())
    assert about["recipe"] == asdict(Toy()) and about["seed"] == 3
    assert about["data"] == {"noise": "abc"} and about["torch"] == torch.__version__
    assert len(about["sources"]) == 1 and about["sources"][0].startswith(("commit ", "vibe "))


def test_what_a_killed_process_was_writing_is_cleared_away(tmp_path: Path) -> None:
    stop_at(toy(tmp_path), 5)
    (tmp_path / ".checkpoint.pt.123.part").write_bytes(b"half")
    finish(toy(tmp_path))
    assert not list(tmp_path.glob(".*"))


def test_processes_that_do_not_write_leave_nothing_and_say_nothing(tmp_path: Path) -> None:
    assert list(train_loop(toy(tmp_path / "run"), ProcessGroup(rank=1))) == []
    assert not (tmp_path / "run").exists()


def test_progress_is_told_of_each_step(tmp_path: Path) -> None:
    told: list[tuple[str, float, float | None]] = []
    list(train_loop(toy(tmp_path), ProcessGroup(), lambda *all_of_it: told.append(all_of_it)))
    assert told == [("training", step, 12) for step in range(1, 13)]


def test_random_streams_differ_between_steps_purposes_and_seeds_and_nothing_else() -> None:
    drawn = {
        key: float(torch.rand(1, generator=seeded_generator(*key)))
        for key in [(0, 0), (0, 1), (1, 0), (0, 0, 1), (0, 0, 2)]
    }
    assert len(set(drawn.values())) == 5
    assert drawn[0, 1] == float(torch.rand(1, generator=seeded_generator(0, 1)))
    seed_step(0, 5, rank=0)
    first = torch.rand(3)
    seed_step(0, 5, rank=1)
    assert not torch.equal(first, torch.rand(3))


def test_curves_go_to_tensorboard_where_it_is_installed(tmp_path: Path) -> None:
    board = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    stop_at(toy(tmp_path), 8)
    finish(toy(tmp_path))
    curves = board.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in curves.Scalars("loss")] == [2, 4, 6, 8, 10, 12]


def same(one: object, two: object) -> bool:
    """Whether two nested states are equal to the last bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(two, torch.Tensor) and torch.equal(one, two)
    if isinstance(one, dict):
        return isinstance(two, dict) and one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list):
        return isinstance(two, list) and len(one) == len(two) and all(map(same, one, two))
    return one == two


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork processes that are quick to begin")
def test_ten_kills_at_random_moments_change_nothing(tiny: Recipe, tmp_path: Path, motion_folder: Path) -> None:
    recipe = replace(
        tiny, steps=16, save_every=1, validate_every=8, log_every=1, schedule="plateau",
        adversarial=AdversarialConfig(weight=0.5),
    )  # fmt: skip
    (tmp_path / "recipe.pkl").write_bytes(pickle.dumps(recipe))
    program, source = Path(__file__).parents[1] / "fixtures" / "lives.py", str(Path(__file__).parents[2] / "src")
    subprocess.run(
        [sys.executable, str(program), str(tmp_path / "recipe.pkl"), str(tmp_path), "10", "0"], check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": source}, timeout=900, capture_output=True,
    )  # fmt: skip
    whole, *runs = [tmp_path / "whole", *sorted(tmp_path.glob("killed-*"))]
    assert runs
    for run in runs:
        for name in ("weights.safetensors", "best.safetensors"):
            one, two = safetensors.torch.load_file(run / name), safetensors.torch.load_file(whole / name)
            assert one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)
        one, two = (torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (run, whole))
        assert same(one, two) and {"discriminator", "plateau of network"} < one["parts"].keys()
        assert untimed(read_log(run)) == untimed(read_log(whole))
        assert [record["step"] for record in read_log(run)] == list(range(1, 17))
    assert math.isfinite(read_log(whole)[-1]["fake"])


def test_a_second_run_in_the_folder_of_one_that_is_at_work_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    first = train_loop(toy(tmp_path / "run"), ProcessGroup())
    records = [next(first)]
    with pytest.raises(OSError, match=f"another run is at work in {re.escape(str(tmp_path / 'run'))}: "):
        finish(toy(tmp_path / "run"))
    assert untimed(records + list(first)) == untimed(finish(toy(tmp_path / "alone")))
    assert not (tmp_path / "run" / ".lock").exists()
