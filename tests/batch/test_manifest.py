"""summary.json says how the world is known, and one that says nonsense is taken for none."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import performers
import pytest
import torch
import world_takes

from vibe.batch.manifest import MOTION, read_manifest_summary, write_summary
from vibe.batch.report import found_outcome
from vibe.body import load_body
from vibe.motion import Result

ORIGIN = {
    "source": {"path": "a.mp4", "sha256": "ab", "stamp": ""}, "keys": {MOTION: "cd"}, "bytes": {MOTION: 1},
    "sha256": {MOTION: "ef"}, "stages": False,
}  # fmt: skip


@pytest.fixture(scope="module")
def moving() -> Result:
    body = load_body(detail="low")
    return performers.on_the_floor(body, performers.show(body, performers.performer(body, torch.arange(9))))


def written(result: Result, path: Path) -> dict:
    write_summary(path, result, {}, (MOTION,), ORIGIN)
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_world_is_in_the_summary_and_is_said(moving, tmp_path):
    path = tmp_path / "summary.json"
    about = {"camera": "moving", "gravity": "people", "floor": "feet", "tilt_error_deg": 0.5}
    assert written(moving, path)["world"] == about
    there = read_manifest_summary("a", path.read_bytes())
    assert there is not None
    said = found_outcome("a.mp4", "out/a", there).world
    assert said == (
        "the camera moves as the background and standing feet tell; up is as people stand, give or take 0.5 degrees; "
        "the floor is where feet stand"
    )
    unknown = replace(performers.world_of(moving), tilt_error_deg=np.nan)
    assert written(replace(moving, world=unknown), path)["world"] == {**about, "tilt_error_deg": None}


def test_without_a_world_nothing_is_said(moving, tmp_path):
    summary = written(replace(moving, world=None), tmp_path / "summary.json")
    assert summary["world"] is None
    older = {name: value for name, value in summary.items() if name != "world"}
    for told in (summary, older):
        there = read_manifest_summary("a", json.dumps(told).encode())
        assert there is not None and found_outcome("a.mp4", "out/a", there).world == ""


@pytest.mark.parametrize("world", [7, [], "moving", {}, {"camera": "flying"}, {"camera": []}])
def test_a_summary_with_a_world_that_is_none_tells_of_no_results(moving, world, tmp_path):
    summary = written(moving, tmp_path / "summary.json") | {"world": world}
    assert read_manifest_summary("a", json.dumps(summary).encode()) is None
    bad = {**written(moving, tmp_path / "summary.json")["world"], "tilt_error_deg": "much"}
    assert read_manifest_summary("a", json.dumps({**summary, "world": bad}).encode()) is None


def test_steps_of_who_walks_are_in_the_summary(tmp_path, shared):
    (tmp_path / "take").mkdir()
    walk = world_takes.walkers(tmp_path / "take", shared / "data" / "motion").result(tmp_path / "clip.mp4", 0)
    (row,) = written(walk, tmp_path / "summary.json")["people"]
    assert row["steps"] >= 2 and 0.3 < row["step_length_m"] < 1
    still = replace(walk, people=tuple(replace(each, contacts=None) for each in walk.people))
    assert "steps" not in written(still, tmp_path / "summary.json")["people"][0]
