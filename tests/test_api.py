"""The eleven names: there, quick, documented, and their examples work."""

import inspect
import re
import shutil
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import performers
import pytest
import torch

import vibe
from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.cameras import default_camera
from vibe.motion import Motion, Result, Series
from vibe.video.read import open_video
from vibe.video.write import VideoWriter
from vibe.viewer import page

NAMES = [
    *("Estimator", "Motion", "Result", "estimate", "estimate_together", "export", "load", "load_body"),
    *("load_estimator", "render", "view"),
]
WIDTH, HEIGHT, FPS, FRAMES = 160, 96, 4.0, 24


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """A folder with a video of six seconds and the motion of somebody in it."""
    folder = tmp_path_factory.mktemp("desk")
    with VideoWriter(folder / "dance.mp4", WIDTH, HEIGHT, FPS) as writer:
        for frame in range(FRAMES):
            writer.write(np.full((HEIGHT, WIDTH, 3), 128, np.uint8), frame / FPS)
    (folder / "dance_source.mp4").write_bytes((folder / "dance.mp4").read_bytes())
    with open_video(folder / "dance.mp4") as video:
        assert sum(1 for _ in video) == FRAMES
    person = performers.performer(load_body(), torch.arange(FRAMES))
    shown = performers.show(load_body(), replace(person, times=as_numpy(video.clip()).timestamps))
    (folder / "out" / "dance").mkdir(parents=True)
    replace(shown, clip=as_numpy(video.clip()), camera=as_numpy(default_camera(WIDTH, HEIGHT))).save(
        folder / "out" / "dance" / "motion.npz"
    )
    return folder


def examples(thing: object) -> list[str]:
    """The blocks of Python in a docstring."""
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", (inspect.getdoc(thing) or "") + "\n", re.MULTILINE)
    return [textwrap.dedent(block) for block in blocks if "import vibe" in block]


def test_there_are_eleven_names_and_no_other():
    assert sorted(vibe.__all__) == NAMES == sorted(name for name in dir(vibe) if name in NAMES)
    with pytest.raises(AttributeError, match="no attribute 'fly': it has Estimator"):
        vibe.fly  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_each_name_works(name, desk, tmp_path, monkeypatch, capsys):
    (example,) = examples(getattr(vibe, name))
    if name == "view" and not page.TEMPLATE.is_file():
        pytest.skip("the page is made when the package is installed, and was not")
    monkeypatch.chdir(shutil.copytree(desk, tmp_path / "desk"))
    for each in ("estimate", "estimate_together"):
        monkeypatch.setattr(vibe, each, lambda path: vibe.load("out/dance/motion.npz"), raising=False)
    pretended = SimpleNamespace(estimate=lambda path, **options: vibe.load("out/dance/motion.npz"))
    monkeypatch.setattr(vibe, "load_estimator", lambda **options: pretended, raising=False)
    exec(compile(example, name, "exec"), {})
    assert name in example or name in ("Estimator", "Motion", "Result")
    capsys.readouterr()


@pytest.mark.parametrize("record", [Motion, Result, Series])
def test_the_page_on_python_names_all_that_a_record_can_do(record):
    text = (Path(__file__).parents[1] / "docs" / "api.md").read_text(encoding="utf-8")
    able = [name for name, thing in vars(record).items() if inspect.isfunction(thing) and not name.startswith("_")]
    able.remove("at") if record is Motion else None
    assert [name for name in able if not re.search(rf"\b{name}\b", text)] == []
    assert [name for name in able if not inspect.getdoc(getattr(record, name))] == []
