"""`vibe render`: a film or a picture where it was asked for, or one line that says why not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import performers
import pytest
import torch

from vibe import cli
from vibe.body import load_body
from vibe.cameras import default_camera
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

FRAMES = 8


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def left(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def motion(tmp_path) -> Path:
    """A motion of eight frames, and beside it its video, of which the file knows the name alone."""
    with VideoWriter(tmp_path / "clip.mp4", 64, 48, 25) as writer:
        for index in range(FRAMES):
            writer.write(np.full((48, 64, 3), 90, np.uint8), index / 25)
    with open_video(tmp_path / "clip.mp4") as video:
        assert sum(1 for _ in video) == FRAMES
    body = load_body()
    result = performers.show(body, performers.performer(body, torch.arange(FRAMES)))
    clip = replace(video.clip(), path=Path("clip.mp4"))
    replace(result, clip=clip, camera=default_camera(64, 48)).save(tmp_path / "motion.npz")
    return tmp_path / "motion.npz"


def test_the_video_named_in_the_file_is_taken_if_it_is_there(motion, tmp_path, capsys):
    assert run("render", motion, "-o", tmp_path / "film.mp4") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'film.mp4'}\n"
    with open_video(tmp_path / "film.mp4") as video:
        frames = [frame.rgb.astype(int) for frame in video]
    assert len(frames) == FRAMES and np.abs(frames[0][0] - 90).max() < 12
    (tmp_path / "clip.mp4").unlink()
    assert run("render", motion, "-o", tmp_path / "alone.mp4") == 0
    with open_video(tmp_path / "alone.mp4") as video:
        assert next(iter(video)).rgb[0].min() > 240


def test_the_video_may_be_named_and_options_too(motion, tmp_path):
    (tmp_path / "clip.mp4").rename(tmp_path / "other.mp4")
    options = "--view camera side --show mesh skeleton --layout beside --size 64x48 --columns 2 --no-ground --crop"
    assert run("render", motion, tmp_path / "other.mp4", "-o", tmp_path / "a.png", *options.split()) == 0
    assert run("render", motion, "-o", tmp_path / "new" / "frames", "--background", "transparent", "--end", 0.1) == 0
    assert left(tmp_path) == {"motion.npz", "other.mp4", "a.png", *(f"new/frames/00000{k}.png" for k in range(3))}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "{}/a.avi"], "choose .mp4"),
        (["-o", "{}/a.mp4", "--person", "7"], "no person 7"),
        (["-o", "{}/a.mp4", "--background", "transparent"], ".mov, .webm"),
        (["-o", "{}/clip.mp4"], "overwritten"),
        (["{}/nowhere.mp4", "-o", "{}/a.mp4"], "nowhere.mp4"),
        (["{}/motion.npz", "-o", "{}/a.mp4"], "not a video"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_no_file(motion, tmp_path, capsys, arguments, said):
    code = 2 if said == "overwritten" else 1
    assert run("render", motion, *(part.format(tmp_path) for part in arguments)) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vibe: ")]
    assert len(lines) == 1 and said in lines[0]
    assert left(tmp_path) == {"clip.mp4", "motion.npz"}


@pytest.mark.parametrize("damage", ["truncated", "not finite", "empty"])
def test_a_damaged_motion_is_one_line_and_no_file(motion, tmp_path, capsys, damage):
    if damage == "not finite":
        arrays = dict(np.load(motion))
        arrays["1/pelvis"][3] = np.nan
        np.savez(motion, **arrays)
    else:
        motion.write_bytes(motion.read_bytes()[: 5000 if damage == "truncated" else 0])
    assert run("render", motion, "-o", tmp_path / "new" / "a.mp4") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "motion.npz" in line
    assert left(tmp_path) == {"clip.mp4", "motion.npz"}


def test_an_unknown_view_is_wrong_usage(motion, tmp_path, capsys):
    assert run("render", motion, "-o", tmp_path / "a.mp4", "--view", "top") == 2
    assert left(tmp_path) == {"clip.mp4", "motion.npz"}
