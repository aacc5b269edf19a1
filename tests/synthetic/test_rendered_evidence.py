from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from vibe.body.load import load_body
from vibe.body.pose import rest_joints
from vibe.data.prepare import prepare
from vibe.data.store import open_store
from vibe.models.network import build_network
from vibe.synthetic import rendered_evidence
from vibe.synthetic.examples import example_points
from vibe.synthetic.rendered_evidence import load_rendered, rendered_example
from vibe.train.distributed import ProcessGroup
from vibe.train.recipes import Recipe
from vibe.train.task_keypoints import keypoints_task

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
