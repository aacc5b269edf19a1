"""What the page on data sets promises, tried on a miniature."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import io

from vibe import cli
from vibe.data.sets.catalogue import SETS

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


@pytest.mark.parametrize("name", SETS)
def test_the_page_tells_each_set_s_layout_as_the_command_does(name: str) -> None:
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", PAGE, re.MULTILINE))
    assert plain(rows.get(name, "nothing")) == f"{SETS[name].title} | {plain(SETS[name].layout)}"


def test_its_commands_and_its_program_run_on_a_miniature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    pytest.importorskip("pandas")
    raw = tmp_path / "Penn_Action"
    (raw / "labels").mkdir(parents=True)
    (raw / "frames" / "0001").mkdir(parents=True)
    x, y = np.linspace(40, 100, 13) + np.zeros((3, 1)), np.linspace(10, 80, 13) + np.zeros((3, 1))
    label = {"x": x, "y": y, "visibility": np.ones((3, 13)), "train": 1, "nframes": 3}
    io.savemat(raw / "labels" / "0001.mat", label)
    for frame in (1, 2, 3):
        cv2.imwrite(str(raw / "frames" / "0001" / f"{frame:06d}.jpg"), np.full((90, 160, 3), 60 * frame, np.uint8))
    monkeypatch.chdir(tmp_path)
    prepare, _, keypoints, _ = re.findall(r"^    vibe (.*)$", PAGE, re.MULTILINE)
    assert cli.main(shlex.split(prepare)) == 0
    assert "kept 1 recordings of 3 frames, 0 dropped" in capsys.readouterr().out
    [program] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(program, {})
    assert capsys.readouterr().out == "[0, 1, 2] (3, 49, 3)\n"
    assert cli.main(shlex.split(keypoints.replace("--workers 4", ""))) in (0, 1)
    told = capsys.readouterr()
    assert "keypoints of 3 frames" in told.out or "run `vibe fetch`" in told.err
