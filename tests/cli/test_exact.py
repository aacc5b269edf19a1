"""The paper's system from the official files, end to end; their numbers are invented, what is asked holds for any."""

import json
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import official_files
import pytest
from reference import recipe, state

from vibe import assets, cli
from vibe.arrays import as_tensors
from vibe.body import joints_and_keypoints, load_smpl, rest_joints
from vibe.inference import estimate
from vibe.motion import load
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

FRAMES, EVERY = 8, 6
"""Frames of the clip, and of how many one is taken, so that it lasts long enough for somebody to be noticed."""


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def home(shared, tmp_path_factory):
    """What `vibe assets add` makes of the official files: SMPL, both regressors, ResNet-50 with SPIN, the generator."""
    try:
        for name in assets.MODELS:
            assets.find_model(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    make, given = recipe(shared), tmp_path_factory.mktemp("given")
    (given / "neutral.pkl").write_bytes(official_files.smpl_pickle(official_files.body(make)))
    for name, points in {"J_regressor_extra": 9, "J_regressor_h36m": 17}.items():
        np.save(given / f"{name}.npy", make.joint_regressor(name, points))
    frame, generator = state(shared, "hmr"), state(shared, "vibe.official")
    model = official_files.as_module(frame | official_files.inside_smpl(make, ""))
    official_files.save(given / "spin.pth.tar", {"model": model})
    published = official_files.vibe_checkpoint(
        make, generator, official_files.PERFORMANCE["vibe_model_wo_3dpw.pth.tar"]
    )
    official_files.save(given / "vibe.pth.tar", published)
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBE_HOME", str(folder))
        assert run("assets", "add", given) == 0
    return folder


@pytest.fixture(scope="module")
def clip(shared, tmp_path_factory):
    """A second of the balancing clip, at a third of its size: one person, and one behind."""
    path = tmp_path_factory.mktemp("clip") / "balancing.mp4"
    with open_video(shared / "data" / "videos" / "balancing" / "cam01.mp4") as source:
        width, height = source.width // 6 * 2, source.height // 6 * 2
        with VideoWriter(path, width, height, source.fps / EVERY) as writer:
            for frame in islice(source, FRAMES * EVERY):
                if frame.index % EVERY == 0:
                    writer.write(cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA), frame.time)
    return path


@pytest.fixture(autouse=True)
def at_home(home, monkeypatch):
    monkeypatch.setenv("VIBE_HOME", str(home))


@pytest.fixture(scope="module")
def done(home, clip, tmp_path_factory) -> Path:
    """The folder that `vibe estimate --body smpl --weights official` wrote."""
    out = tmp_path_factory.mktemp("out")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIBE_HOME", str(home))
        assert run("estimate", clip, "-o", out, "--body", "smpl", "--weights", "official") == 0
    return out / "balancing"


def test_one_command_runs_the_paper_s_system_on_a_video(done):
    assert sorted(path.name for path in done.iterdir()) == ["motion.npz", "overlay.mp4", "summary.json"]
    result = load(done / "motion.npz")
    person, _behind = result.people
    assert len(person.frames) == FRAMES
    assert result.body.sha256 == assets.sha256(assets.library("smpl_neutral.npz"))
    assert result.weights.sha256 == assets.sha256(assets.library("official.safetensors"))
    summary = json.loads((done / "summary.json").read_text(encoding="utf-8"))
    assert "SMPL" in summary["body"]["licence"]
    assert "VIBE" in summary["weights"]["licence"]


def test_the_file_s_joints_are_those_of_smpl_in_its_poses(done):
    person, _behind = load(done / "motion.npz").people
    body = load_smpl()
    smpl = as_tensors(person.smpl_shaped)
    joints, _ = joints_and_keypoints(body, smpl.rotmat, smpl.betas)
    pelvis = rest_joints(body, smpl.betas)[..., :1, :]
    assert np.allclose(joints - pelvis + smpl.pelvis[:, None], person.joints_cam, atol=1e-4)
    assert all(np.isfinite(part).all() for part in (person.transl, person.pred_cam, smpl.betas, person.joints_px))


def test_the_single_frame_baseline_the_published_fitting_and_filter_run_too(clip, tmp_path):
    options = ["--weights", "official-frame", "--fitting", "paper", "--smooth", "one-euro", "--no-overlay"]
    assert run("estimate", clip, "-o", tmp_path, *options) == 0
    person, _behind = load(tmp_path / "balancing" / "motion.npz").people
    assert len(person.frames) == FRAMES
    assert person.betas_per_frame is None


def test_the_old_result_file_holds_smpl_s_vertices_and_the_49_joints(done, tmp_path):
    joblib = pytest.importorskip("joblib")
    path = tmp_path / "vibe_output.pkl"
    assert run("export", done / "motion.npz", "--to", "legacy", "-o", path) == 0
    person, _behind = joblib.load(path).values()
    assert person["verts"].shape == (FRAMES, 6890, 3)
    assert person["joints3d"].shape == (FRAMES, 49, 3)
    with np.load(assets.library("j_regressor_extra.npz")) as file:
        picked = file["regressor"] @ person["verts"]
    assert np.abs(person["joints3d"][:, 37:44] - picked[:, 2:]).max() < 1e-4


@pytest.mark.parametrize("missing", ["smpl_neutral.npz", "official.safetensors", "official-frame.safetensors"])
def test_a_missing_file_is_one_error_before_the_work(missing, home, clip, tmp_path, monkeypatch, capsys):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr(estimate, "estimate", never)
    (home / missing).rename(home / "away")
    try:
        assert run("estimate", clip, "-o", tmp_path / "out", "--weights", "official", "--body", "smpl") == 2
    finally:
        (home / "away").rename(home / missing)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert missing.split(".")[0] in said[0]
    assert "vibe assets add" in said[0]
    assert not (tmp_path / "out").exists()
