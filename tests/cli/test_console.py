"""The video that a motion file names is found where it lies, and no stranger is asked for it."""

from dataclasses import replace
from pathlib import Path

import performers
import pytest
import torch

from vibe.body import load_body
from vibe.cli.console import named_video
from vibe.motion import Result


@pytest.fixture(scope="module")
def shown() -> Result:
    body = load_body(detail="low")
    return performers.show(body, performers.performer(body, torch.arange(2)))


def naming(result: Result, path: Path | str) -> Result:
    return replace(result, clip=replace(result.clip, path=Path(path)))


def test_it_is_found_where_the_file_says_else_beside_the_file(shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "clip.mp4").touch()
    motion, result = tmp_path / "out" / "motion.npz", naming(shown, "clip.mp4")
    assert named_video(motion, result) == motion.parent / "clip.mp4"
    (tmp_path / "clip.mp4").touch()
    assert named_video(motion, result) == Path("clip.mp4")
    assert named_video(motion, naming(shown, tmp_path / "out" / "clip.mp4")) == motion.parent / "clip.mp4"


@pytest.mark.parametrize("name", ["gone.mp4", "x" * 5000 + ".mp4", "nul\0.mp4", "."])
def test_what_is_not_here_is_none(shown, tmp_path, name):
    assert named_video(tmp_path / "motion.npz", naming(shown, name)) is None


@pytest.mark.parametrize("name", ["//host/share/clip.mp4", "\\\\host\\share\\clip.mp4"])
def test_another_machine_is_not_asked(shown, tmp_path, monkeypatch, name):
    monkeypatch.setattr(Path, "is_file", lambda path: pytest.fail(f"{path} was looked up"))
    assert named_video(tmp_path / "motion.npz", naming(shown, name)) is None
