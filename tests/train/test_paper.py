"""`vibe train paper` from downloads to Table 1: miniatures of all its sets in their own layouts, by the commands."""

from __future__ import annotations

import csv
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import invented
import numpy as np
import pytest
import torch
from data.sets import (
    test_amass,
    test_human36m,
    test_insta_variety,
    test_kinetics,
    test_mpi_inf_3dhp,
    test_penn_action,
    test_posetrack,
    test_threedpw,
)
from random_resnet import random_resnet
from raw_files import write_video
from tfrecords import write_records
from training_log import read_log

from vibe import assets, cameras, cli
from vibe.data import windows
from vibe.data.sets import videos
from vibe.data.store import Store, open_store
from vibe.data.windows import ClipBatch, draw_clips
from vibe.models.regressor import Regressor, RegressorConfig
from vibe.records import Track
from vibe.tracking.tracker import Tracker
from vibe.train.recipes import PAPER_RECIPE

IN_2D = ("insta-variety", "kinetics", "penn-action", "posetrack")
IN_3D = ("3dpw", "h36m", "mpi-inf-3dhp")
FRAMES = 18
"""Of each clip, in rows of its store: two more than the recipe's windows have."""
HIDDEN, STEPS, KILLED = 16, 8, 5


class Follower(Tracker):
    """Follows one person through all frames of any video, in place of the detector, which has to be fetched."""

    def __init__(self, **_):
        self.count = 0

    def may_pass(self, index, time, rgb):
        return False

    def step(self, index, time, rgb):
        self.count += 1

    def finish(self, times=None):
        points = torch.from_numpy(np.random.default_rng(self.count).uniform(5, 45, (self.count, 17, 3)))
        box_px = torch.tensor([25.0, 25.0, 40.0, 40.0]).repeat(self.count, 1)
        return [
            Track(torch.arange(self.count), box_px, torch.cat([points[..., :2], points[..., 2:] / 45], -1).float())
        ], []


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def write_home(home: Path) -> None:
    """Bodies and regressors of the user's own, and the weights of the single frame: ResNet-50 and regressor."""
    home.mkdir()
    invented.write_bodies(home)
    invented.write_regressors(home)
    torch.manual_seed(0)
    tensors = random_resnet().state_dict() | Regressor(RegressorConfig(hidden=HIDDEN)).state_dict()
    plain = {name: tensor.numpy() for name, tensor in tensors.items()}
    about = {"name": "official-frame", "licence": "Invented.", "recipe": '{"evidence": "images"}'}
    (home / "official-frame.safetensors").write_bytes(assets.weights_bytes(plain, about))


def write_raw(raw: Path) -> None:
    """Every set of the recipe as its owner's archives unpack, each with what it trains, validates and tests on."""
    write_records(raw / "insta-variety" / "train" / "insta_00.tfrecord", [test_insta_variety.person(FRAMES, 1)])
    test_penn_action.write(raw / "penn-action", "0001", 1, FRAMES + 3, seed=1)
    every = list(range(FRAMES))
    test_posetrack.write_2018(raw / "posetrack", "train", "000001_bonn_train", {0: every}, FRAMES, range(FRAMES))
    test_kinetics.write_video(raw / "kinetics" / "train" / "juggling" / "abc_000001_000011.mp4", FRAMES + 4)
    test_amass.smpl_h(raw / "amass" / "CMU" / "01" / "01_01_poses.npz", 120, 4 * FRAMES)
    for seed, (split, genders) in enumerate({"train": "f", "validation": "m", "test": "m"}.items()):
        camera = test_threedpw.cameras(seed)
        people = [test_threedpw.person(seed, gender, camera) for gender in genders]
        test_threedpw.write(raw / "3dpw", split, f"{split}_road_00", people, camera)
    write_h36m(raw / "h36m")
    test_mpi_inf_3dhp.write_train(raw / "mpi-inf-3dhp", 1, 1)
    write_video(raw / "mpi-inf-3dhp" / "S1" / "Seq1" / "imageSequence" / "video_0.avi", FRAMES, 25)
    test_mpi_inf_3dhp.write_test(raw / "mpi-inf-3dhp", 1)


def write_h36m(raw: Path) -> None:
    """Somebody to train on, whose parameters of SMPL's neutral body are known, and somebody to test."""
    for subject, name in (("S1", "Directions.54138969"), ("S9", "Eating.60457274")):
        test_human36m.write(raw, subject, name, test_human36m.person(int(subject[1:])), test_human36m.COUNT)
    (raw / "S1" / "SMPL").mkdir()
    random, count = np.random.default_rng(0), test_human36m.COUNT
    poses, betas = 0.2 * random.normal(size=(count, 72)), random.normal(size=10)
    np.savez(raw / "S1" / "SMPL" / "Directions.54138969.npz", poses=poses, betas=betas, trans=np.zeros((count, 3)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which `stores` holds a store of each set, with features but for the motion."""
    folder = tmp_path_factory.mktemp("paper")
    write_home(folder / "home")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("VIBE_HOME", str(folder / "home"))
        patched.setattr(videos, "Tracker", Follower)
        patched.setattr(assets, "find_model", Path)
        for module in (test_mpi_inf_3dhp, test_threedpw):
            patched.setattr(module, "COUNT", FRAMES)
        patched.setattr(test_mpi_inf_3dhp, "TEST_COUNT", FRAMES)
        patched.setattr(test_human36m, "COUNT", 2 * FRAMES)
        write_raw(folder / "raw")
        for name in (*IN_2D, *IN_3D, "amass"):
            assert run("prepare", name, folder / "raw" / name, "-o", folder / "stores" / name) == 0
        for name in (*IN_2D, *IN_3D):
            assert run("evidence", "features", folder / "stores" / name, folder / "raw" / name, "--strict") == 0
        yield folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> tuple[Path, list[ClipBatch]]:
    """The folder of a run that nothing disturbed, and the batches that it learnt from."""
    drawn: list[ClipBatch] = []

    def draw(*kinds) -> ClipBatch:
        drawn.append(draw_clips(*kinds))
        return drawn[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(windows, "draw_clips", draw)
        assert run(*command(folder, folder / "whole")) == 0
    return folder / "whole", drawn


def command(folder: Path, out: Path) -> list[str]:
    often = f"--save-every 2 --validate-every 2 --log-every 1 --steps {STEPS} --start official-frame"
    sizes = [f"--{part}.hidden {HIDDEN}" for part in ("encoder", "regressor", "discriminator")]
    return ["train", "paper", "--data", str(folder / "stores"), "-o", str(out), *" ".join([often, *sizes]).split()]


def train_windows(store: Store) -> int:
    """How many windows of the recipe's length fit into the store's training clips."""
    return int((windows.find_runs(store, "train").lengths - PAPER_RECIPE.frames + 1).clip(0).sum())


def in_crop(store: Store) -> torch.Tensor:
    """Places of the keypoints of each row in half crop sides from the crop's centre, [row, 98]."""
    box_px, keypoints_px = (np.array(store.column(name)) for name in ("box_px", "keypoints_px.spin49"))
    half = cameras.crop_side(box_px)[:, None, None] / 2
    return torch.from_numpy((keypoints_px[..., :2] - box_px[:, None, :2]) / half).flatten(1)


def test_every_set_is_drawn_by_the_recipe_s_shares(folder: Path, trained: tuple[Path, list[ClipBatch]]) -> None:
    _, drawn = trained
    stores = {name: open_store(folder / "stores" / name) for name in (*IN_2D, *IN_3D)}
    places = {name: in_crop(store) for name, store in stores.items()}
    owner, found = np.repeat(list(places), [len(each) for each in places.values()]), []
    for clips in drawn:
        first = clips.truth.keypoints_2d[:, 0, :, :2].flatten(1)
        apart = (first[:, None] - torch.cat([*places.values()])).abs().amax(-1)
        assert apart.amin(1).max() < 1e-4
        found.append(owner[apart.argmin(1)])
        assert torch.equal(clips.truth.has_points.any(1), torch.arange(PAPER_RECIPE.batch) >= 19)
        assert torch.equal(clips.truth.has_theta.any(1), torch.from_numpy(found[-1] == "h36m"))
    assert len(drawn) == STEPS and np.isin(found, IN_3D).sum(1).tolist() == [13] * STEPS
    for kind in (IN_2D, IN_3D):
        known = {name: train_windows(stores[name]) for name in kind}
        shares = {name: (np.array(found) == name).sum() / np.isin(found, kind).sum() for name in kind}
        assert shares == pytest.approx({name: count / sum(known.values()) for name, count in known.items()}, abs=0.1)


def test_losses_are_numbers_and_generator_and_discriminator_learn(trained: tuple[Path, list[ClipBatch]]) -> None:
    run_folder, _ = trained
    log = read_log(run_folder)
    assert [record["step"] for record in log] == list(range(1, STEPS + 1))
    terms = {"loss", "keypoints_2d", "keypoints_3d", "pose", "shape", "adversarial", "real", "fake"}
    assert all(terms <= record.keys() and all(map(math.isfinite, record.values())) for record in log)
    assert [record["step"] for record in log if {"pa_mpjpe_mm", "mpjpe_mm"} < record.keys()] == [2, 4, 6, 8]
    assert all(record[name] > 0 for record in log for name in terms)
    assert log[-1]["loss"] < log[0]["loss"] and log[-1]["pa_mpjpe_mm"] < log[1]["pa_mpjpe_mm"]
    before, after = (
        torch.load(run_folder / f"checkpoint{end}.pt", weights_only=True)["parts"] for end in (".before", "")
    )
    for part in ("network", "discriminator"):
        still = {name for name, value in after[part].items() if torch.equal(value, before[part][name])}
        assert all(".init_" in name for name in still), (part, still)


KILLER = f"""
import os, signal, sys
from vibe import cli
from vibe.train import loop
step = loop.train_step
def dying(*all_of_it):
    if all_of_it[-1] == {KILLED}:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(*all_of_it)
loop.train_step = dying
cli.main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no such kills")
def test_a_run_that_was_killed_goes_on_to_the_same_weights(folder: Path, trained: tuple[Path, list[ClipBatch]]) -> None:
    whole, killed = trained[0], folder / "killed"
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", KILLER, *command(folder, killed)], check=False, capture_output=True, timeout=600,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": source},
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert torch.load(killed / "checkpoint.pt", weights_only=True)["step"] == 2 * (KILLED // 2)
    assert run(*command(folder, killed)) == 0
    for name in ("weights.safetensors", "best.safetensors"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    curves = [[{**record, "seconds_a_step": 0} for record in read_log(each)] for each in (whole, killed)]
    assert curves[0] == curves[1]


def test_its_weights_are_a_row_of_table_1(folder: Path, trained: tuple[Path, list[ClipBatch]]) -> None:
    weights, table = trained[0] / "best.safetensors", folder / "table1.csv"
    assert run("evaluate", "table1", "--data", folder / "stores", "--weights", weights, "--csv", table) == 0
    with table.open(encoding="utf-8") as file:
        mine = [row for row in csv.DictReader(file) if row["origin"] == "measured"]
    assert [(row["set"], row["metric"], row["protocol"]) for row in mine] == [
        *(("3DPW", metric, "vibe-official") for metric in ("PA-MPJPE", "MPJPE", "PVE", "Accel")),
        *(("MPI-INF-3DHP", metric, "mpi-inf-3dhp") for metric in ("PA-MPJPE", "MPJPE", "PCK")),
        ("H36M", "PA-MPJPE", "h36m-p2"), ("H36M", "MPJPE", "h36m-p1"),
    ]  # fmt: skip
    assert {row["row"] for row in mine} == {"paper, network alone"}
    assert all(math.isfinite(float(row["value"])) and float(row["value"]) > 0 for row in mine)
    assert {row["weights_sha256"] for row in mine} == {assets.sha256(weights)}
