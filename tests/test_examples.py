"""Every example runs as a reader would run it, on the project's own clip."""

import json
import runpy
import sys
from pathlib import Path

import pytest

import vibe
from vibe.synthetic import clips

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Under a second of somebody who walks, with their motion beside it."""
    folder = tmp_path_factory.mktemp("examples")
    clips.make_clip(folder / "dance.mp4", 0.8)
    vibe.estimate(folder / "dance.mp4").save(folder / "motion.npz")
    return folder / "dance.mp4"


@pytest.fixture
def beside(clip, tmp_path, monkeypatch) -> Path:
    """A folder with the clip and its motion in it, which is the current one."""
    for file in clip.parent.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_the_example_runs(script, beside, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(script)])
    runpy.run_path(str(script), run_name="__main__")
    assert capsys.readouterr().out


def test_the_notebook_runs_from_top_to_bottom(beside):
    notebook = json.loads((EXAMPLES / "tour.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "a notebook is committed without its outputs"
            exec(compile("".join(cell["source"]), "tour.ipynb", "exec"), names)
    assert {"motion.npz", "dance.bvh", "dance.png", "dance.html"} <= {file.name for file in beside.iterdir()}
