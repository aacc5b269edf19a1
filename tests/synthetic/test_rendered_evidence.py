import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.pose import rest_joints
from vibe.cameras import project_in_crop
from vibe.data.prepare import prepare
from vibe.data.store import open_store
from vibe.models.network import build_network, load_network
from vibe.records import GeneratorOutput
from vibe.synthetic import rendered_evidence
from vibe.synthetic.detector_simulator import SimulatorConfig
from vibe.synthetic.examples import example_points
from vibe.synthetic.rendered_evidence import load_rendered, rendered_example
from vibe.train.distributed import ProcessGroup
from vibe.train.loop import train_generator
from vibe.train.losses import LossWeights, best_camera
from vibe.train.recipes import PAPER_KEYPOINTS, Recipe
from vibe.train.simulator import SIMULATOR_RECIPE, train_simulator
from vibe.train.task_keypoints import detector_windows, keypoints_task, published_losses

ASIDE = ("cmu_02",)


@pytest.fixture(scope="module")
def motion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth invented motion of somebody to train on, somebody set aside and somebody held out."""
    folder, random, time = tmp_path_factory.mktemp("motion"), np.random.default_rng(0), np.arange(180)[:, None] / 30
    poses = 0.15 * np.sin(2 * np.pi * (time * random.uniform(0.2, 1, 72) + random.random(72)))
    names = np.array(["cmu_01_01", "cmu_02_01", "cmu_03_01"])
    np.savez(
        folder / "tiny.npz", poses=poses.astype(np.float16), trans=np.full((180, 3), [0, 0.95, 0], np.float16),
        seq_offsets=np.array([0, 60, 120, 180]), names=names, fps=30,
    )  # fmt: skip
    return folder


def make(motion: Path, out: Path, workers: int = 1) -> Path:
    prepare(
        "rendered-evidence",
        rendered_evidence.rendered_evidence(1, 0, "tiny.npz", ASIDE),
        motion,
        out,
        workers=workers,
    )
    return out


@pytest.fixture(scope="module")
def store(motion: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendered_evidence, "GROUP", 2)
        patch.setattr(rendered_evidence, "CONFIG", replace(rendered_evidence.CONFIG, batch=8))
        return make(motion, tmp_path_factory.mktemp("stores") / "store")


def test_the_detector_marks_the_true_body_where_it_is_sure(store: Path) -> None:
    held, body = open_store(store), load_body()
    assert {each.split for each in held.sequences} == {"train", "validation"}
    for each in held.sequences:
        of = {name: torch.from_numpy(np.array(column[each.rows])) for name, column in held.columns.items()}
        K_px = torch.from_numpy(each.K_px).float()
        rotmat = roma.rotvec_to_rotmat(of["poses"].unflatten(-1, (24, 3)))
        pelvis = of["trans"] + rest_joints(body, of["betas"][0])[0]
        points = (example_points(body, rotmat, of["betas"][0])[:, 24:41] + pelvis[:, None]) @ K_px.mT
        keypoints = of["keypoints_px.coco17"]
        off = (keypoints[..., :2] - points[..., :2] / points[..., 2:]).norm(dim=-1) * points[..., 2] / K_px[0, 0]
        assert off[keypoints[..., 2] > 0.5].median() < 0.06
        nose = of["landmarks"][:, 0, :2].float() + of["box_px"][:, :2]
        torch.testing.assert_close(nose, keypoints[:, 0, :2], atol=0.5, rtol=0)


def test_a_rendered_batch_is_the_same_for_the_same_state_and_a_mirror_keeps_the_truth_on_the_evidence(
    store: Path, tiny: Recipe
) -> None:
    body, config = load_body(), replace(tiny.synthesis, batch=16)
    windows = load_rendered([str(store)], "train", ASIDE, config.frames, body)
    one, two = (rendered_example(windows, body, config, torch.Generator().manual_seed(0)) for _ in range(2))
    assert torch.equal(one.evidence.keypoints, two.evidence.keypoints) and torch.equal(one.rotmat, two.rotmat)
    sure = one.evidence.keypoints[..., 2] > 0.5
    off = (one.evidence.keypoints[..., :2] - one.keypoints_2d).norm(dim=-1)
    assert sure.any((1, 2)).all() and off[sure].median() < 0.1


def test_a_task_mixes_its_share_in_and_validates_on_the_subjects_set_aside(
    store: Path, motion: Path, tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIBE_MOTION", str(motion))
    synthesis = replace(tiny.synthesis, batch=8, rendered=0.25)
    recipe = replace(tiny, set_aside=ASIDE, rendered=(str(store),), synthesis=synthesis)
    task, body = keypoints_task(recipe, ProcessGroup(device=torch.device("cpu"))), load_body()
    batch = task.batch(torch.Generator().manual_seed(0), 0.0)
    betas = load_rendered([str(store)], "train", ASIDE, synthesis.frames, body).betas
    assert [bool((each == betas).all(-1).any()) for each in batch.betas] == 6 * [False] + 2 * [True]
    assert len(batch.evidence.keypoints) == 8
    network = build_network(recipe.network).eval()
    with torch.no_grad():
        assert "detected_pa_mpjpe_mm" in task.validate(network)
    with pytest.raises(ValueError, match="set aside"):
        keypoints_task(replace(recipe, set_aside=("cmu_03",)), ProcessGroup(device=torch.device("cpu")))
    with pytest.raises(ValueError, match="--rendered"):
        keypoints_task(replace(recipe, rendered=()), ProcessGroup(device=torch.device("cpu")))


def test_of_the_paper_s_losses_windows_without_labels_have_that_of_the_detected_keypoints_alone(
    store: Path, tiny: Recipe
) -> None:
    body, config = load_body(), replace(tiny.synthesis, batch=4)
    batch = rendered_example(
        load_rendered([str(store)], "train", ASIDE, config.frames, body), body, config, torch.Generator().manual_seed(0)
    )
    betas = batch.betas[:, None].expand(-1, config.frames, -1)
    joints, points = joints_and_keypoints(body, batch.rotmat, betas, "detected17")
    seen = batch.evidence.keypoints[..., :17, :]
    camera = best_camera(points - joints[..., :1, :], seen[..., :2], seen[..., 2])
    true = GeneratorOutput(batch.rotmat, betas, camera)
    other = replace(true, rotmat=batch.rotmat.mT, betas=betas + 1)
    bare, alone = replace(batch, labelled=torch.zeros(4, dtype=torch.bool)), ProcessGroup()
    right, wrong, unknown = (
        published_losses(made, each, body, LossWeights(), alone)
        for made, each in ((true, batch), (other, batch), (other, bare))
    )
    for name in ("keypoints_3d", "pose", "shape"):
        assert right[name] < 1e-6 and wrong[name] > 0.01 and unknown[name] == 0
    assert 2 * right["keypoints_2d"] < wrong["keypoints_2d"] == unknown["keypoints_2d"]
    # what the detector marks without an error costs nothing
    camera = torch.tensor([0.9, 0.05, -0.02]).expand(*batch.rotmat.shape[:2], 3)
    _, marked = joints_and_keypoints(body, batch.rotmat, betas, "detected17")
    marked = project_in_crop(marked - joints[..., :1, :], camera)
    sure = torch.cat([marked, torch.ones_like(marked[..., :1])], -1)
    seen = torch.cat([sure, batch.evidence.keypoints[..., 17:, :]], -2)
    exact = replace(batch, evidence=replace(batch.evidence, keypoints=seen))
    assert published_losses(replace(true, pred_cam=camera), exact, body, LossWeights(), alone)["keypoints_2d"] < 1e-6


def test_the_paper_s_recipe_learns_from_rendered_windows_alone_and_is_judged_by_them(
    store: Path, motion: Path, tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIBE_MOTION", str(motion))
    recipe = replace(
        PAPER_KEYPOINTS, motion=("tiny.npz",), set_aside=ASIDE, rendered=(str(store),), network=tiny.network,
        discriminator=tiny.discriminator, synthesis=replace(PAPER_KEYPOINTS.synthesis, batch=5, frames=8), steps=2,
        save_every=1, validate_every=1, log_every=1,
    )  # fmt: skip
    task = keypoints_task(recipe, ProcessGroup(device=torch.device("cpu")))
    betas = load_rendered([str(store)], "train", ASIDE, 8, load_body()).betas
    assert all((each == betas).all(-1).any() for each in task.batch(torch.Generator().manual_seed(0), 0.0).betas)
    records = list(train_generator(recipe, tmp_path))
    terms = {"keypoints_2d", "keypoints_3d", "pose", "shape", "adversarial", "real", "fake"}
    assert all(np.isfinite([record[name] for name in terms]).all() for record in records)
    best = torch.load(tmp_path / "best.pt", weights_only=True)["best"]
    assert best == min(record["detected_pa_mpjpe_mm"] for record in records)
    assert load_network(tmp_path / "best.safetensors").evidence == "keypoints"


def test_a_simulator_learns_from_a_store_the_same_when_it_was_stopped_and_answers_for_its_share_of_a_training(
    store: Path, motion: Path, tiny: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIBE_MOTION", str(motion))
    recipe = replace(
        SIMULATOR_RECIPE, rendered=(str(store),), set_aside=ASIDE, simulator=SimulatorConfig(width=8, dilations=(1,)),
        steps=4, batch=2, warmup=1, save_every=2, validate_every=2, log_every=1,
    )  # fmt: skip
    whole = list(train_simulator(recipe, tmp_path / "whole"))
    stopped = train_simulator(recipe, tmp_path / "stopped")
    for _ in range(3):
        next(stopped)
    stopped.close()
    again = list(train_simulator(recipe, tmp_path / "stopped"))
    assert again[-1]["loss"] == whole[-1]["loss"] and again[-1]["flow"] == whole[-1]["flow"]
    weights = str(tmp_path / "whole" / "weights.safetensors")
    synthesis, group = replace(tiny.synthesis, batch=8, simulated=0.5, pool=3), ProcessGroup(device=torch.device("cpu"))
    mixed = replace(tiny, set_aside=ASIDE, simulator=weights, synthesis=synthesis)
    task = keypoints_task(mixed, group)
    one, two = (task.batch(torch.Generator().manual_seed(0), 0.0) for _ in range(2))
    assert len(one.evidence.keypoints) == 8 and torch.equal(one.evidence.places, two.evidence.places)
    # Of imitated windows there are no places in space; some simulated ones are bare, too.
    assert not one.evidence.places[:4].any() and one.evidence.places[4:].any()
    assert "simulator" in task.data
    with pytest.raises(ValueError, match="--simulator"):
        keypoints_task(replace(mixed, simulator=None), group)
    with pytest.raises(ValueError, match="other subjects aside"):
        keypoints_task(replace(mixed, set_aside=("cmu_01",)), group)
    with pytest.raises(ValueError, match="shares of 1 at most"):
        keypoints_task(replace(mixed, synthesis=replace(synthesis, rendered=0.7)), group)
    for share in (-0.5, 1.5, math.nan):
        with pytest.raises(ValueError, match=f"{share:g} of the windows can't be labelled: give a share from 0 to 1"):
            keypoints_task(replace(mixed, synthesis=replace(synthesis, labelled=share)), group)
    rounded = replace(mixed, rendered=(str(store),), synthesis=replace(synthesis, batch=3, rendered=0.5))
    assert sum(detector_windows(rounded)) == 3
    mixed_all = replace(rounded, synthesis=replace(synthesis, rendered=0.5))
    assert keypoints_task(mixed_all, group).score == "detected_pa_mpjpe_mm"
    with pytest.raises(ValueError, match="--rendered"):
        next(train_simulator(replace(recipe, rendered=()), tmp_path / "none"))
