import copy
import json
import os
import pickle
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import roma
import torch
from torch import nn
from training_log import read_log

from vibe import assets
from vibe.body.load import load_body
from vibe.data.motion import clip_weights, find_motion, load_motions
from vibe.models.network import build_network, load_network
from vibe.models.priors import MPoser, MPoserConfig
from vibe.synthetic.examples import synthesise
from vibe.train.checkpoints import save_weights
from vibe.train.loop import train_generator
from vibe.train.losses import LossConfig, keypoint_losses
from vibe.train.priors import PRIOR_RECIPES
from vibe.train.recipes import RECIPES, AdversarialConfig, PriorConfig, Recipe
from vibe.train.state import start_at_mean_pose
from vibe.train.trainer import NotANumber, cosine

SMALL = AdversarialConfig(weight=0.5, rate=1e-2)


def written_out(recipe: Recipe) -> tuple[list[float], nn.Module]:
    """The generator's training as one plain loop: loss of each step, and the moving average."""
    motions, body = load_motions([find_motion(recipe.motion[0])], held_out=False), load_body()
    torch.manual_seed(recipe.seed)
    network = build_network(recipe.network)
    start_at_mean_pose(network, roma.unitquat_to_rotmat(motions.quaternions[::10]))
    average, curve = copy.deepcopy(network), []
    optimiser = torch.optim.AdamW(network.parameters(), weight_decay=recipe.decay, fused=True)
    for step in range(recipe.steps):
        random = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
        batch = synthesise(motions, clip_weights(motions), body, recipe.synthesis, random, done=step / recipe.steps)
        torch.manual_seed(recipe.seed * 1_000_003 + step)
        optimiser.param_groups[0]["lr"] = cosine(recipe.rate, step, recipe.steps, recipe.warmup)
        loss = torch.stack(list(keypoint_losses(network(batch.evidence), batch, body, recipe.losses).values())).sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), recipe.clip)
        optimiser.step()
        decay = recipe.average if step > recipe.warmup else 0.9
        with torch.no_grad():
            for mine, its in zip(average.parameters(), network.parameters(), strict=True):
                mine.lerp_(its, 1 - decay)
        curve.append(float(loss.detach()))
    return curve, average


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return assets.load_weights(run / "weights.safetensors")[0]


def test_without_discriminator_and_prior_it_is_the_plain_loop_to_the_bit(tiny: Recipe, tmp_path: Path) -> None:
    curve, average = written_out(tiny)
    assert [record["loss"] for record in train_generator(replace(tiny, log_every=1), tmp_path)] == curve
    expected, made = average.state_dict(), weights_of(tmp_path)
    assert all(torch.equal(made[name], expected[name].half()) for name in expected)


def test_reduced_precision_changes_the_losses_a_little_and_ships_the_same_kind_of_weights(
    tiny: Recipe, tmp_path: Path
) -> None:
    exact = [record["loss"] for record in train_generator(tiny, tmp_path / "one")]
    near = [record["loss"] for record in train_generator(replace(tiny, precision="bfloat16"), tmp_path / "two")]
    assert near != exact
    assert near == pytest.approx(exact, rel=0.02)
    kinds = [{name: value.dtype for name, value in weights_of(tmp_path / run).items()} for run in ("one", "two")]
    assert kinds[0] == kinds[1]


def test_without_an_average_the_parameters_themselves_ship(tiny: Recipe, tmp_path: Path) -> None:
    list(train_generator(replace(tiny, average=0.0, steps=2), tmp_path))
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["parts"]["network"]
    made = weights_of(tmp_path)
    assert all(torch.equal(made[name], state[name].half()) for name in state)


def test_the_discriminator_learns_to_tell_what_the_generator_makes(tiny: Recipe, tmp_path: Path) -> None:
    records = list(train_generator(replace(tiny, steps=40, warmup=5, log_every=1, adversarial=SMALL), tmp_path))
    curve = [record["real"] + record["fake"] for record in records]
    assert sum(curve[-10:]) < 0.8 * sum(curve[:10])
    assert all(record["adversarial"] >= 0 for record in records)


def test_the_generator_learns_from_the_discriminator(tiny: Recipe, tmp_path: Path) -> None:
    list(train_generator(tiny, tmp_path / "alone"))
    list(train_generator(replace(tiny, adversarial=SMALL), tmp_path / "both"))
    one, two = weights_of(tmp_path / "alone"), weights_of(tmp_path / "both")
    assert not torch.equal(one["regressor.decpose.weight"], two["regressor.decpose.weight"])
    assert one.keys() == two.keys()


def test_the_generator_learns_from_a_prior_that_stays_as_it_is(tiny: Recipe, tmp_path: Path) -> None:
    sizes, file = MPoserConfig(hidden=8, layers=1), tmp_path / "small.safetensors"
    save_weights(file, replace(PRIOR_RECIPES["mposer"], prior=sizes), 1, MPoser(sizes))
    prior = PriorConfig(weight=0.1, weights=str(file))
    records = list(train_generator(replace(tiny, prior=prior, log_every=1), tmp_path / "run"))
    assert all(record["prior"] > 0 for record in records)
    about = json.loads((tmp_path / "run" / "run.json").read_text())
    assert about["data"].keys() == {"tiny.npz", "prior"} and about["data"]["prior"] == assets.sha256(file)
    list(train_generator(tiny, tmp_path / "alone"))
    one, two = weights_of(tmp_path / "alone"), weights_of(tmp_path / "run")
    assert not torch.equal(one["regressor.decpose.weight"], two["regressor.decpose.weight"])


def test_the_rates_of_a_plateau_stay_where_validation_gains(tiny: Recipe, tmp_path: Path) -> None:
    list(train_generator(replace(tiny, schedule="plateau", rate=2e-4, adversarial=SMALL), tmp_path))
    parts = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["parts"]
    assert parts["optimiser of network"]["param_groups"][0]["lr"] == 2e-4
    assert parts["optimiser of discriminator"]["param_groups"][0]["lr"] == 1e-2
    assert parts["plateau of network"]["best"] == read_log(tmp_path)[-1]["noisy_pa_mpjpe_mm"]


def test_another_recipe_does_not_take_up_the_run(tiny: Recipe, tmp_path: Path) -> None:
    list(train_generator(tiny, tmp_path))
    with pytest.raises(ValueError, match="another recipe .rate: 0.0015 there, 0.5 here"):
        list(train_generator(replace(tiny, rate=0.5), tmp_path))


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_batch(tiny: Recipe, tmp_path: Path) -> None:
    with pytest.raises(NotANumber, match="step 0"):
        list(train_generator(replace(tiny, losses=LossConfig(points=float("nan"))), tmp_path))
    batch = torch.load(tmp_path / "nan_batch.pt", weights_only=True)
    assert batch["evidence.keypoints"].shape == (4, 8, 27, 3) and batch["rotmat"].shape == (4, 8, 24, 3, 3)


@pytest.mark.parametrize("name", ["open", "frame", "adversarial"])
def test_the_weights_of_every_recipe_can_be_loaded(name: str, tiny: Recipe, tmp_path: Path) -> None:
    given = RECIPES[name]
    encoder = tiny.network.encoder if given.network.encoder else None
    small = replace(
        given, motion=tiny.motion, steps=2, synthesis=tiny.synthesis, discriminator=tiny.discriminator,
        network=replace(tiny.network, encoder=encoder),
    )  # fmt: skip
    list(train_generator(small, tmp_path))
    for file in ("weights.safetensors", "best.safetensors"):
        network = load_network(tmp_path / file)
        assert network.about.licence == small.licence and not network.model.training


def test_two_processes_learn_what_one_learns(tiny: Recipe, tmp_path: Path, motion_folder: Path) -> None:
    script = tmp_path / "two.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nimport pickle\nfrom vibe.train.loop import train_generator\n"
        "import torch; torch.set_num_threads(1)\n"
        "list(train_generator(pickle.loads(Path(sys.argv[2]).read_bytes()), Path(sys.argv[3])))\n"
    )
    regressor = replace(tiny.network.regressor, dropout=0.0)
    discriminator = replace(tiny.discriminator, dropout=0.0)
    plain = replace(
        tiny, network=replace(tiny.network, regressor=regressor), adversarial=SMALL, discriminator=discriminator,
        log_every=1, schedule="plateau", validate_every=3,
    )  # fmt: skip
    (tmp_path / "recipe.pkl").write_bytes(pickle.dumps(plain))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    source = str(Path(__file__).parents[2] / "src")
    subprocess.run(
        [*command, source, str(tmp_path / "recipe.pkl"), str(tmp_path / "two")], check=True, capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=600,
    )  # fmt: skip
    list(train_generator(plain, tmp_path / "one"))
    one, two = read_log(tmp_path / "one"), read_log(tmp_path / "two")
    assert [record.keys() for record in one] == [record.keys() for record in two]
    for expected, record in zip(one, two, strict=True):
        for name in ("step", "loss", "adversarial", "real", "fake", "velocity"):
            # A score near 0 is exact to 1e-6, so is its square: that of "fake" may be off by more than its own 1e-4.
            assert record[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-6), (record["step"], name)
    parts = [torch.load(tmp_path / run / "checkpoint.pt", weights_only=True)["parts"] for run in ("one", "two")]
    for part in ("network", "average", "discriminator"):
        for name, value in parts[0][part].items():
            torch.testing.assert_close(value, parts[1][part][name], atol=2e-3, rtol=2e-3)


def test_a_recipe_is_kept_beside_the_weights_as_plain_values(tiny: Recipe, tmp_path: Path) -> None:
    list(train_generator(tiny, tmp_path))
    assert assets.load_recipe(tmp_path / "weights.safetensors") == json.loads(json.dumps(asdict(tiny)))
