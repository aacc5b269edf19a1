"""`vibe export`: a file where it was asked for, with the body that the motion was made with, or none."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from reference import recipe

from vibe import cli
from vibe.body import load_body, load_smpl
from vibe.cameras import default_camera
from vibe.records import Clip, Motion, Result, Weights
from vibe.results import npz


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch) -> Path:
    """A folder of the user's with nothing in it."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("VIBE_HOME", str(folder))
    return folder


@pytest.fixture
def write_motion(tmp_path):
    """Writes the motion of somebody who was seen in five frames, made with a body."""

    def write(body: Weights) -> Path:
        shapes = {"box_px": 4, "global_orient": 3, "body_pose": 69, "trans": 3, "pred_cam": 3}
        some = {name: torch.rand(5, width) + 0.5 for name, width in shapes.items()}
        points = {"joints": torch.zeros(5, 24, 3), "joints_px": torch.zeros(5, 24, 2)}
        evidence = {"keypoints_px": torch.rand(5, 17, 3), "confidence": torch.ones(5)}
        person = Motion(frames=torch.arange(5), betas=torch.randn(10), **some, **points, **evidence)
        clip = Clip(Path("clip.mp4"), 25.0, 64, 48, torch.arange(5, dtype=torch.float64) / 25, 0)
        result = Result(clip, default_camera(64, 48), (person,), body, Weights("open", "0" * 64, ""), ())
        npz.write_npz(tmp_path / "motion.npz", result)
        return tmp_path / "motion.npz"

    return write


def vertices(path: Path) -> int:
    (person,) = pickle.loads(path.read_bytes()).values()
    return person["verts"].shape[1]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_file_lies_beside_the_motion_or_where_it_was_asked_for(write_motion, tmp_path, capsys):
    motion = write_motion(load_body().origin)
    assert run("export", motion, "--to", "legacy") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'vibe_output.pkl'}\n"
    assert vertices(tmp_path / "vibe_output.pkl") == len(load_body().v_template)
    for place in ("new/x.pkl", "new"):
        assert run("export", motion, "--to", "legacy", "-o", tmp_path / place) == 0
    assert files(tmp_path) == ["motion.npz", "new/vibe_output.pkl", "new/x.pkl", "vibe_output.pkl"]
    assert len({path.read_bytes() for path in tmp_path.rglob("*.pkl")}) == 1


def test_the_user_s_smpl_is_found_by_the_file(write_motion, home, shared, tmp_path):
    np.savez(home / "smpl_neutral.npz", **recipe(shared).body(), name="SMPL neutral", licence="its own")
    assert run("export", write_motion(load_smpl().origin), "--to", "legacy") == 0
    assert vertices(tmp_path / "vibe_output.pkl") == 6890


def test_a_body_file_of_one_s_own_is_named(write_motion, shared, tmp_path, capsys):
    mine = tmp_path / "mine.npz"
    np.savez(mine, **recipe(shared).body())
    motion = write_motion(load_body(mine).origin)
    assert run("export", motion, "--to", "legacy") == 1
    assert "--body" in capsys.readouterr().err
    assert run("export", motion, "--to", "legacy", "--body", mine) == 0
    assert vertices(tmp_path / "vibe_output.pkl") == 6890


def test_a_body_that_is_not_here_is_one_line_and_no_file(write_motion, tmp_path, capsys):
    motion = write_motion(Weights("SMPL neutral", "ab" * 32, ""))
    assert run("export", motion, "--to", "legacy", "-o", tmp_path / "new" / "x.pkl") == 1
    said = capsys.readouterr()
    (line,) = [line for line in said.err.splitlines() if line.startswith("vibe: ")]
    assert "SMPL neutral" in line
    assert "vibe assets add" in line
    assert said.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["motion.npz"]


def test_another_body_than_the_motion_s_is_refused(write_motion, shared, tmp_path, capsys):
    np.savez(tmp_path / "mine.npz", **recipe(shared).body())
    assert run("export", write_motion(load_body().origin), "--to", "legacy", "--body", tmp_path / "mine.npz") == 1
    assert "open-body" in capsys.readouterr().err
    assert files(tmp_path) == ["mine.npz", "motion.npz"]


@pytest.mark.parametrize("content", [None, b"", b"this is no motion" * 99], ids=["missing", "empty", "text"])
def test_what_is_no_motion_file_is_one_line_and_no_file(content, tmp_path, capsys):
    path = tmp_path / "motion.npz"
    if content is not None:
        path.write_bytes(content)
    assert run("export", path, "--to", "legacy", "-o", tmp_path / "new" / "x.pkl") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line
    assert not (tmp_path / "new").exists()


def test_an_export_does_not_replace_its_motion(write_motion, tmp_path, capsys):
    motion = write_motion(load_body().origin)
    content = motion.read_bytes()
    assert run("export", motion, "--to", "legacy", "-o", motion) == 2
    assert "overwritten" in capsys.readouterr().err
    assert motion.read_bytes() == content
    assert files(tmp_path) == ["motion.npz"]
