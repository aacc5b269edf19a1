import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vibe import assets
from vibe.network import load_network
from vibe.train.loop import train
from vibe.train.losses import LossConfig
from vibe.train.recipes import Recipe


def test_a_killed_run_goes_on_to_the_same_weights(tiny: Recipe, tmp_path: Path) -> None:
    whole = list(train(tiny, tmp_path / "whole"))
    first = train(tiny, tmp_path / "killed")
    stopped_after_checkpoint(first, tmp_path / "killed" / "checkpoint.pt", tiny)
    list(train(tiny, tmp_path / "killed"))
    one, _ = assets.load_weights(tmp_path / "whole" / "weights.safetensors")
    two, _ = assets.load_weights(tmp_path / "killed" / "weights.safetensors")
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert whole[-1]["step"] == 6


def stopped_after_checkpoint(run, checkpoint: Path, recipe: Recipe) -> None:
    """Let the loop die in the middle of its fifth step."""
    from vibe.train import loop

    plain, calls = loop.take_step, []

    def dying(*arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return plain(*arguments)

    loop.take_step = dying
    try:
        with pytest.raises(KeyboardInterrupt):
            list(run)
    finally:
        loop.take_step = plain
    assert checkpoint.exists()


def test_another_recipe_does_not_take_up_the_run(tiny: Recipe, tmp_path: Path) -> None:
    list(train(tiny, tmp_path))
    with pytest.raises(ValueError, match="another recipe"):
        list(train(replace(tiny, rate=0.5), tmp_path))


def test_a_loss_that_is_no_number_stops_the_run(tiny: Recipe, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="step"):
        list(train(replace(tiny, losses=LossConfig(points=float("nan"))), tmp_path))


def test_the_weights_that_a_run_leaves_can_be_loaded(tiny: Recipe, tmp_path: Path) -> None:
    list(train(tiny, tmp_path))
    network = load_network(tmp_path / "weights.safetensors")
    assert network.about.licence == tiny.licence and not network.model.training


def test_two_processes_learn_what_one_learns(tiny: Recipe, tmp_path: Path, motion_folder: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nimport pickle\nfrom vibe.train.loop import train\n"
        "import torch; torch.set_num_threads(1)\n"
        "list(train(pickle.loads(Path(sys.argv[2]).read_bytes()), Path(sys.argv[3])))\n"
    )
    import pickle

    plain = replace(tiny, network=replace(tiny.network, regressor=replace(tiny.network.regressor, dropout=0.0)))
    (tmp_path / "recipe.pkl").write_bytes(pickle.dumps(plain))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    source = str(Path(__file__).parents[2] / "src")
    subprocess.run(
        [*command, source, str(tmp_path / "recipe.pkl"), str(tmp_path / "two")], check=True, capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=120,
    )  # fmt: skip
    list(train(plain, tmp_path / "one"))
    one, _ = assets.load_weights(tmp_path / "one" / "weights.safetensors")
    two, _ = assets.load_weights(tmp_path / "two" / "weights.safetensors")
    for name in one:
        torch.testing.assert_close(one[name], two[name], atol=2e-3, rtol=2e-3)
