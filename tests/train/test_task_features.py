import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import clip_sets
import numpy as np
import pytest
import roma
import torch
from torch import Tensor, nn
from training_log import read_log

from vibe import cameras
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.data.store import open_store
from vibe.data.windows import Annotation, ClipBatch, draw_clips, is_labelled, portion
from vibe.features.extractor import load_extractor
from vibe.models.discriminator import DiscriminatorConfig, MotionDiscriminator, motion_numbers
from vibe.models.generator import VIBE
from vibe.models.gru import EncoderConfig, GRUEncoder
from vibe.models.network import load_network
from vibe.models.regressor import Regressor, RegressorConfig
from vibe.records import GeneratorOutput
from vibe.rotations import rotmat_from_6d
from vibe.train.checkpoints import save_weights
from vibe.train.distributed import ProcessGroup
from vibe.train.loop import RealMotion, discriminator_losses, generator_loss, train_generator, train_step
from vibe.train.losses import PredictedClips, feature_losses
from vibe.train.recipes import PAPER_RECIPE, RELEASED_RECIPE, AdversarialConfig, PaperRecipe
from vibe.train.state import Task, TrainState
from vibe.train.task_features import (
    clip_mixture,
    features_task,
    held_out,
    project_output,
    stores_in,
)

BATCH, FRAMES, FEATURES = 3, 5, 12
SOURCE = str(Path(__file__).parents[2] / "src")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    clip_sets.write_sets(tmp_path / "sets")
    return tmp_path / "sets"


@pytest.fixture
def tiny(folder: Path) -> PaperRecipe:
    return clip_sets.tiny_recipe(folder)


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def marks(recipe: PaperRecipe, draws: int = 200) -> np.ndarray:
    """Which set each clip of many batches is of, [draw, clip]."""
    kinds, random = clip_mixture(recipe, stores_in(Path(recipe.data))), np.random.default_rng(0)
    return np.stack([draw_clips(kinds, random).evidence[:, 0, 0] for _ in range(draws)])


def test_the_ratio_is_kept_in_every_batch_and_each_window_is_as_likely_as_another_of_its_kind(
    tiny: PaperRecipe,
) -> None:
    found = marks(tiny)
    assert np.isin(found[:, :3], (1, 2)).all() and np.isin(found[:, 3:], (3, 4)).all()
    assert (found[:, :3] == 1).mean() == pytest.approx(2 / 3, abs=0.05)
    assert (found[:, 3:] == 3).mean() == pytest.approx(1 / 2, abs=0.05)
    assert [count for count, _ in clip_mixture(replace(tiny, batch=32), stores_in(Path(tiny.data)))] == [19, 13]


def test_each_set_is_drawn_by_its_weight_among_those_of_its_kind(tiny: PaperRecipe) -> None:
    found = marks(replace(tiny, sets=(("small", 3.0), ("flat", 1.0), ("whole", 1.0))))
    assert (found[:, :3] == 2).mean() == pytest.approx(3 / 4, abs=0.05) and (found[:, 3:] == 4).all()
    assert (marks(replace(tiny, sets=(("small", 1.0),)), 3) == 2).all()
    assert (marks(replace(tiny, sets=(("points", 1.0),)), 3) == 3).all()


def test_keypoints_are_seen_from_the_crop_and_what_a_set_lacks_is_masked(tiny: PaperRecipe) -> None:
    kinds = clip_mixture(tiny, stores_in(Path(tiny.data)))
    clips = draw_clips(kinds, np.random.default_rng(0))
    truth = clips.truth
    stores = stores_in(Path(tiny.data)).values()
    for features, seen in zip(clips.evidence.numpy(), truth.keypoints_2d.numpy(), strict=True):
        store = next(each for each in stores if features[0, 0] in each.columns.get("features", np.zeros((1, 1)))[:, 0])
        [start] = np.flatnonzero((store.column("features") == features[0]).all(1))
        keypoints_px = store.column("keypoints_px.spin49")[start : start + FRAMES]
        np.testing.assert_allclose(seen[..., :2], (keypoints_px[..., :2] - [200, 210]) / (1.1 * 220 / 2), atol=1e-5)
        assert np.array_equal(seen[..., 2], keypoints_px[..., 2])
    assert not truth.has_points[:3].any() and truth.has_points[3:].all()
    known = clips.evidence[:, 0, 0] == 4
    assert not truth.has_theta[~known].any() and bool(truth.has_theta[known].any()) == bool(known.any())


def test_parameters_of_a_gendered_body_teach_nothing_and_its_points_all_the_same(tmp_path: Path) -> None:
    for gender in ("neutral", "female"):
        known = clip_sets.in_3d(4) | clip_sets.posed(5)
        clip_sets.write(tmp_path / gender / "one", clip_sets.recording("one", 1, 1, gender=gender, columns=known))
    other, mine = (
        draw_clips([(2, [portion(open_store(tmp_path / name / "one"), FRAMES)])], np.random.default_rng(0))
        for name in ("neutral", "female")
    )
    assert other.truth.has_theta.all() and not mine.truth.has_theta.any() and mine.truth.has_points.all()
    assert torch.equal(mine.truth.points, other.truth.points)
    rotmat, betas = roma.random_rotmat((2, FRAMES, 24)), torch.randn(2, FRAMES, 10)
    terms = feature_losses(
        project_output(GeneratorOutput(rotmat, betas, torch.rand(2, FRAMES, 3)), load_body()), mine.truth
    )
    assert {name for name, term in terms.items() if term == 0} == {"pose", "shape"}


def test_a_set_that_has_parameters_of_a_gendered_body_alone_is_one_of_2d_clips(tmp_path: Path) -> None:
    for gender in ("neutral", "male"):
        clip_sets.write(tmp_path / gender, clip_sets.recording("one", 1, 1, gender=gender, columns=clip_sets.posed(5)))
    assert is_labelled(open_store(tmp_path / "neutral")) and not is_labelled(open_store(tmp_path / "male"))


def test_clips_in_2d_alone_give_no_3d_gradient(tiny: PaperRecipe) -> None:
    body = load_body()
    truth = draw_clips(clip_mixture(tiny, stores_in(Path(tiny.data)))[:1], np.random.default_rng(0)).truth
    rotmat, shape = roma.random_rotmat(truth.rotmat.shape[:3]), truth.betas.shape
    made = GeneratorOutput(rotmat.requires_grad_(), torch.zeros(shape).requires_grad_(), torch.rand(*shape[:2], 3))
    terms = feature_losses(project_output(made, body), truth)
    assert {name for name, term in terms.items() if term == 0} == {"keypoints_3d", "pose", "shape"}
    (pull,) = torch.autograd.grad(torch.stack([terms[name] for name in terms]).sum(), made.rotmat, retain_graph=True)
    (alone,) = torch.autograd.grad(terms["keypoints_2d"], made.rotmat)
    assert torch.equal(pull, alone) and alone.abs().max() > 0


def test_training_lowers_the_losses_and_goes_on_from_a_checkpoint_to_the_bit(tiny: PaperRecipe, tmp_path: Path) -> None:
    whole = list(train_generator(replace(tiny, steps=12, average=0.9), tmp_path / "whole"))
    assert whole[-1]["loss"] < whole[0]["loss"]
    running = train_generator(replace(tiny, steps=12, average=0.9), tmp_path / "cut")
    for _ in range(7):
        next(running)
    running.close()
    list(train_generator(replace(tiny, steps=12, average=0.9), tmp_path / "cut"))
    one, two = (torch.load(tmp_path / run / "checkpoint.pt", weights_only=True) for run in ("whole", "cut"))
    assert one["best"] == two["best"]
    for part in ("network", "average", "discriminator"):
        assert all(torch.equal(value, two["parts"][part][name]) for name, value in one["parts"][part].items())
    curves = [[record["loss"] for record in read_log(tmp_path / run)] for run in ("whole", "cut")]
    assert curves[0] == curves[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork processes that are quick to begin")
def test_kills_at_random_moments_change_nothing(tiny: PaperRecipe, tmp_path: Path) -> None:
    (tmp_path / "recipe.pkl").write_bytes(pickle.dumps(replace(tiny, steps=8)))
    lives = Path(__file__).parents[1] / "fixtures" / "lives.py"
    subprocess.run(
        [sys.executable, str(lives), str(tmp_path / "recipe.pkl"), str(tmp_path), "3", "1"], check=True,
        capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": SOURCE}, timeout=900,
    )  # fmt: skip
    runs = [*tmp_path.glob("killed-*")]
    assert runs
    for run in runs:
        assert (run / "weights.safetensors").read_bytes() == (tmp_path / "whole" / "weights.safetensors").read_bytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system can't fork processes that are quick to begin")
def test_two_processes_learn_what_one_learns(tiny: PaperRecipe, tmp_path: Path) -> None:
    (tmp_path / "recipe.pkl").write_bytes(pickle.dumps(tiny))
    program = Path(__file__).parents[1] / "fixtures" / "two_processes.py"
    subprocess.run(
        [sys.executable, str(program), str(tmp_path / "recipe.pkl"), str(tmp_path / "two")], check=True,
        capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": SOURCE}, timeout=600,
    )  # fmt: skip
    list(train_generator(tiny, tmp_path / "one"))
    for expected, record in zip(read_log(tmp_path / "one"), read_log(tmp_path / "two"), strict=True):
        for name in expected.keys() - {"seconds_a_step"}:
            assert record[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-5), (record["step"], name)


def test_its_weights_read_features_and_need_a_backbone_for_pictures_only(
    tiny: PaperRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIBE_HOME", str(tmp_path / "home"))
    list(train_generator(replace(tiny, steps=2), tmp_path))
    with pytest.raises(FileNotFoundError, match="official-frame"):
        load_extractor(tmp_path / "weights.safetensors")
    network = load_network(tmp_path / "weights.safetensors")
    assert network.body == "open" and network.about.name == "paper" and network.evidence == "images"
    trained = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["parts"]["network"]
    for name, value in network.model.state_dict().items():
        torch.testing.assert_close(value, trained[name], atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("prefix", ["regressor.", ""])
def test_the_regressor_starts_from_a_single_frame_model_s(tiny: PaperRecipe, tmp_path: Path, prefix: str) -> None:
    regressor = Regressor(tiny.regressor)
    holder = nn.ModuleDict({"regressor": regressor, "conv1": nn.Linear(2, 2)}) if prefix else regressor
    save_weights(tmp_path / "frame.safetensors", replace(tiny, encoder=None), 0, holder)
    start = replace(tiny, steps=1, rate=0.0, start=str(tmp_path / "frame.safetensors"))
    list(train_generator(start, tmp_path / "run"))
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["parts"]["network"]
    for name, value in regressor.state_dict().items():
        assert torch.equal(state[f"regressor.{name}"], value.half().float())


def test_a_folder_that_lacks_what_the_recipe_asks_for_is_refused(
    tiny: PaperRecipe, folder: Path, tmp_path: Path
) -> None:
    stores, team = stores_in(folder), ProcessGroup()
    with pytest.raises(FileNotFoundError, match="holds no store"):
        features_task(replace(tiny, data=str(tmp_path)), team)
    with pytest.raises(FileNotFoundError, match="nothere is not there: give"):
        features_task(replace(tiny, data=str(tmp_path / "nothere")), team)
    with pytest.raises(ValueError, match="flat is a store itself: give the folder that it is in"):
        features_task(replace(tiny, data=str(folder / "flat")), team)
    with pytest.raises(FileNotFoundError, match="no store insta, only flat"):
        clip_mixture(replace(tiny, sets=(("insta", 1.0),)), stores)
    with pytest.raises(ValueError, match="motion has no column features"):
        clip_mixture(replace(tiny, sets=(("motion", 1.0),)), stores)
    with pytest.raises(ValueError, match="nowhere 13 frames in a row"):
        clip_mixture(replace(tiny, frames=13), stores)
    with pytest.raises(ValueError, match="none of flat, points in .* validation split"):
        held_out(replace(tiny, validation=("flat", "points")), stores)
    with pytest.raises(FileNotFoundError, match="real motion: amass is none of the stores"):
        features_task(replace(tiny, motion=("amass",)), team)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"sets": (("small", 1.0), ("points", 1.0), ("small", 3.0))}, "--sets has small twice"),
        ({"validation": ("whole", "whole")}, "--validation has whole twice"),
        ({"motion": ("motion", "motion")}, "the real motion has motion twice"),
        ({"sets": (("small", 0.0),)}, "weights above 0"),
        ({"sets": (("small", float("nan")),)}, "weights above 0"),
        ({"ratio": 1.5}, "a share from 0 to 1"),
        ({"batch": 0}, "--batch and --frames 1 or more"),
    ],
)
def test_what_comes_twice_and_shares_that_are_none_are_refused(tiny: PaperRecipe, changes: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        features_task(replace(tiny, **changes), ProcessGroup())


def test_a_run_goes_on_only_with_the_motion_that_it_began_with(tiny: PaperRecipe, folder: Path, tmp_path: Path) -> None:
    list(train_generator(replace(tiny, steps=2), tmp_path / "run"))
    before = (tmp_path / "run" / "checkpoint.pt").read_bytes()
    poses = np.load(folder / "motion" / "poses.npy", mmap_mode="r+")
    poses[3, 4] += 0.1
    poses.flush()
    with pytest.raises(ValueError, match=r"another data \(motion poses\.npy: "):
        list(train_generator(replace(tiny, steps=2), tmp_path / "run"))
    assert (tmp_path / "run" / "checkpoint.pt").read_bytes() == before


def test_features_of_two_resnets_are_not_mixed(tiny: PaperRecipe, folder: Path) -> None:
    for name, network in (("small", "aa"), ("points", "bb")):
        path = folder / name / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        manifest["columns"]["features"]["recipe"] = {"weights": f"resnet {network}", "sha256": network}
        path.write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ValueError, match="not of one ResNet .*small of resnet aa.*points of resnet bb"):
        features_task(tiny, ProcessGroup())
    features_task(replace(tiny, sets=(("flat", 1.0), ("points", 1.0))), ProcessGroup())


def test_the_recipes_are_those_of_the_paper_and_of_its_release() -> None:
    paper, release = PAPER_RECIPE, RELEASED_RECIPE
    assert (paper.rate, paper.adversarial.rate, paper.batch, paper.frames, paper.ratio) == (5e-5, 1e-4, 32, 16, 0.6)
    assert (paper.steps, paper.validate_every, paper.schedule, paper.decay) == (15_000, 500, "plateau", 0)
    assert (paper.adversarial.weight, release.adversarial.weight) == (2.0, 0.5)
    assert (paper.adversarial.smoothing, release.adversarial.smoothing) == (0.1, 0.0)


def networks(form: str = "axis_angle") -> TrainState:
    torch.manual_seed(1)
    encoder = GRUEncoder(EncoderConfig(features=FEATURES, hidden=6))
    generator = VIBE(nn.Identity(), encoder, Regressor(RegressorConfig(features=FEATURES, hidden=8, dropout=0.0)))
    config = DiscriminatorConfig(form=form, hidden=6, attention_units=4, attention_layers=3, dropout=0.0)  # pyright: ignore[reportArgumentType]
    discriminator = MotionDiscriminator(config)
    optimisers = {
        name: torch.optim.SGD(network.parameters(), 0.0)
        for name, network in (("network", generator), ("discriminator", discriminator))
    }
    return TrainState(generator, generator, discriminator, None, optimisers, {})


def recorded_gradients(state: TrainState) -> dict[str, list[Tensor]]:
    """What each optimiser is given to step by, filled in when it steps."""
    gradients: dict[str, list[Tensor]] = {name: [] for name in state.optimisers}
    for name, optimiser in state.optimisers.items():
        optimiser.register_step_pre_hook(
            lambda it, *_, kept=gradients[name]: kept.extend(p.grad.clone() for p in it.param_groups[0]["params"])
        )
    return gradients


def batch() -> tuple[ClipBatch, Tensor]:
    torch.manual_seed(2)
    some = torch.tensor([[True] * FRAMES, [False] * FRAMES, [True, False, True, True, False]])
    real, true = (roma.random_rotmat((count, FRAMES, 24), dtype=torch.float64) for count in (BATCH + 1, BATCH))
    points = torch.rand(BATCH, FRAMES, 49, 3), torch.randn(BATCH, FRAMES, 49, 3)
    truth = Annotation(*points, true, torch.randn(BATCH, FRAMES, 10), some, ~some)
    return ClipBatch(torch.randn(BATCH, FRAMES, FEATURES), truth), real


def plain_prediction(generator: VIBE, body: Body, features: Tensor) -> PredictedClips:
    """The regressor's three full iterations on features and state side by side."""
    regressor, latent = generator.regressor, generator.encoder(features)
    state = torch.cat([regressor.init_pose, regressor.init_shape, regressor.init_cam], 1).double()
    state = state.expand(BATCH, FRAMES, 157)
    for _ in range(3):
        hidden = regressor.fc2(regressor.fc1(torch.cat([latent, state], -1)))
        state = state + torch.cat([regressor.decpose(hidden), regressor.decshape(hidden), regressor.deccam(hidden)], -1)
    pose, betas, camera = state.split([144, 10, 3], -1)
    rotmat = rotmat_from_6d(pose.unflatten(-1, (24, 6)))
    points = joints_and_keypoints(body, rotmat, betas, "spin49")[1]
    return PredictedClips(GeneratorOutput(rotmat, betas, camera), points, cameras.project_in_crop(points, camera))


def plain_gradients(players: TrainState, body: Body, given: ClipBatch, rotmat: Tensor, form: str) -> dict[str, Tensor]:
    """The discriminator runs three times, each network has a way back of its own."""
    generator, judge = players.network, players.discriminator
    assert judge is not None
    predicted = plain_prediction(generator, body, given.evidence)
    terms = feature_losses(predicted, given.truth)
    fake, real = (motion_numbers(each, form) for each in (predicted.theta.rotmat, rotmat))
    terms["adversarial"] = 0.5 * generator_loss(judge(fake))
    torch.stack(list(terms.values())).sum().backward(inputs=list(generator.parameters()))
    told = {name: 0.5 * term for name, term in discriminator_losses(judge(real), judge(fake.detach())).items()}
    (told["real"] + told["fake"]).backward()
    return terms | told


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("form", ["axis_angle", "6d"])
def test_the_fast_step_has_the_terms_and_gradients_of_the_plain_one(form: str) -> None:
    body = load_body().to(dtype=torch.float64)
    mine, its, (given, rotmat) = networks(form), networks(form), batch()
    course = Task(
        build=lambda: mine.network, batch=lambda *_: given, motion=lambda _: rotmat,
        losses=lambda made, batch: feature_losses(project_output(made, body), batch.truth),
        shifted_losses=lambda *_: {}, validate=lambda _: {}, score="", data={},
    )  # fmt: skip
    recipe = replace(
        PAPER_RECIPE,
        adversarial=AdversarialConfig(weight=0.5),
        discriminator=DiscriminatorConfig(form=form),  # pyright: ignore[reportArgumentType]
    )
    real = RealMotion(motion_numbers(rotmat, form), torch.ones(len(rotmat)))
    gradients = recorded_gradients(mine)
    found = train_step(mine, given, real, course, recipe, 0)
    wanted = plain_gradients(its, body, given, rotmat, form)
    assert found.keys() - {"loss"} == wanted.keys()
    for name, term in wanted.items():
        assert found[name] == pytest.approx(float(term.detach()), rel=1e-10)
    for name, network in (("network", its.network), ("discriminator", its.discriminator)):
        assert network is not None
        for gradient, parameter in zip(gradients[name], network.parameters(), strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(gradient, parameter.grad, rtol=1e-8, atol=1e-12)
